"""The shipped mappings, as package data."""

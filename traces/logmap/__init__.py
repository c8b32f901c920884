"""Logs of any kind read by mappings that are data: `.map` files (docs/mappings.md)."""

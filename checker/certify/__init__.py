"""Re-checking certificates: without the engines, without the encoding into formulas."""

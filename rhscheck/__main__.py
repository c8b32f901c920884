"""`python -m rhscheck` is the same as `rhscheck`."""

from rhscheck.cli import main

if __name__ == "__main__":
    main()

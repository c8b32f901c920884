"""What tests of `rhscheck run` share: whatever they run is held against the spec."""

from accepted import everything_is_accepted  # noqa: F401  a fixture for every test

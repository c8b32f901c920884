"""Settings shared by all tests: how many examples Hypothesis draws, and how."""

import gc
import os

from hypothesis import HealthCheck, settings

# The machines that run these tests are shared and slow at times: a deadline an example would
# fail for reasons that have nothing to do with the code.
settings.register_profile(
    "dev", max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("ci", parent=settings.get_profile("dev"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "dev")

# Much as the program does: what is made stays, and looking through it again and again for cycles
# takes a sixth of the time.
gc.set_threshold(50_000, 10, 10)

"""Settings shared by all tests: how many examples Hypothesis draws, who runs what, byte code."""

from __future__ import annotations

import gc
import os
import shutil
import tempfile

import pytest
from distribution import Distribution, Politeness, workers
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


# ---- several workers (pytest-xdist) --------------------------------------------------------------
@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """`-n auto`, unless the variable of pytest-xdist says something else."""
    return None if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ else workers()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Distribution | None:
    return Distribution(config, log) if config.getoption("dist") == "load" else None


class _InWorkers:
    """What only workers do."""

    def __init__(self) -> None:
        self._politeness = Politeness()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._politeness.before(nodeid)


# ---- byte code -----------------------------------------------------------------------------------
_BYTE_CODE = "PYTHONPYCACHEPREFIX"


def pytest_configure(config: pytest.Config) -> None:
    """Hundreds of fresh processes would compile everything anew where nobody may keep byte code.

    Where that is forbidden (`PYTHONDONTWRITEBYTECODE`), it is kept until the last test has ended,
    away from the sources.
    """
    if "PYTEST_XDIST_WORKER" in os.environ:
        config.pluginmanager.register(_InWorkers())
    elif os.environ.pop("PYTHONDONTWRITEBYTECODE", "") and _BYTE_CODE not in os.environ:
        folder = tempfile.mkdtemp(prefix="rhscheck-tests-")
        os.environ[_BYTE_CODE] = folder
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))

"""How a command that goes on for ever is told that it is enough: Ctrl-C, or a request to end.

Owns these signals while something is followed. The first one only asks: what was read is judged,
and the report comes. The second one interrupts.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Final

_NAMES: Final = ("SIGINT", "SIGTERM", "SIGBREAK")


@contextlib.contextmanager
def asked_to_stop() -> Iterator[Callable[[], bool]]:
    """Whether it is enough. Raises KeyboardInterrupt, inside, when that is asked for again.

    A signal that is ignored (`nohup`, a job in the background of a script) stays ignored.
    """
    asked = False

    def handle(_number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True

    before = {}
    if threading.current_thread() is threading.main_thread():  # no other one gets signals
        for name in _NAMES:
            number = signal.Signals.__members__.get(name)
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, handle)
    try:
        yield lambda: asked
    finally:
        for number, old in before.items():
            signal.signal(number, old)

"""The stack trace of a plug-in's exception, as its author should see it.

Owns what is left out of it: the frames of the host that called the plug-in, and the middle of one
that is very deep. Knows no resource.
"""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Final

_HOST: Final = Path(__file__).resolve().parent  # where a plug-in is called from
_ENDS: Final = 10  # frames that are shown of each end of a stack that has more than twice as many
_GAP_FILE: Final = "\0gap"
_GAP: Final = f'  File "{_GAP_FILE}", line 0, in ('  # how `traceback` would show what is left out


def plugin_trace(error: BaseException) -> str:
    """The stack trace from the plug-in's first frame on; all of it, where it has none."""
    told = traceback.TracebackException.from_exception(error)
    seen: set[int] = set()
    waiting: list[traceback.TracebackException | None] = [told]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        one.stack = _shown(one.stack)
        waiting += [one.__cause__, one.__context__, *(one.exceptions or ())]
    return "".join(told.format()).replace(_GAP, "  (").rstrip()


def _shown(stack: traceback.StackSummary) -> traceback.StackSummary:
    frames = list(stack)
    own = next((at for at, one in enumerate(frames) if not _is_host(one)), 0)
    frames = frames[own:]
    if len(frames) > 2 * _ENDS:
        left_out = len(frames) - 2 * _ENDS
        words = f"({left_out} frames are left out)"
        gap = traceback.FrameSummary(_GAP_FILE, 0, words, lookup_line=False, line="")
        frames = [*frames[:_ENDS], gap, *frames[-_ENDS:]]
    return traceback.StackSummary.from_list(frames)


def _is_host(frame: traceback.FrameSummary) -> bool:
    return Path(frame.filename).parent == _HOST

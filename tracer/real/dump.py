"""Reads the dump of a monitor process: which thread stood where when it ended.

Owns the layout that Python's faulthandler writes. Knows no process.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import PurePath
from typing import Final

from rhscheck.tracer.events import Operation

_FRAME: Final = re.compile(r'  File "(.*)", line (\d+) in (.*)')
_ENTRY_FUNCTIONS: Final[dict[Operation, str]] = {
    "Open": "open",
    "Close": "close",
    "Online": "online",
    "Offline": "offline",
    "Terminate": "terminate",
    "LooksAlive": "looks_alive",
    "IsAlive": "is_alive",
    "ResourceControl": "resource_control",
}


@dataclass(frozen=True, slots=True)
class Frame:
    """One line of a stack."""

    file: str
    line: int
    function: str

    def __str__(self) -> str:
        return f"{PurePath(self.file).name} line {self.line} in {self.function}"


@dataclass(frozen=True, slots=True)
class ThreadStack:
    """A thread, its innermost frame first. `current`: the one that the process died in."""

    current: bool
    frames: tuple[Frame, ...]


def read_dump(text: str) -> tuple[ThreadStack, ...]:
    """The threads of the last dump in `text`; what is cut off or something else is skipped."""
    stacks: list[ThreadStack] = []
    frames: list[Frame] = []
    current = open_stack = False
    for line in [*text.splitlines(), ""]:
        found = _FRAME.fullmatch(line)
        if found is not None and open_stack:
            frames.append(Frame(found[1], int(found[2]), found[3]))
            continue
        if open_stack:
            stacks.append(ThreadStack(current, tuple(frames)))
            frames, open_stack = [], False
        if line.endswith("(most recent call first):"):
            current, open_stack = line.startswith("Current thread"), True
        elif line.startswith(("Timeout", "Fatal Python error")):
            stacks = []
    return tuple(stacks)


def guilty(stacks: tuple[ThreadStack, ...], operation: Operation | None) -> tuple[Frame, ...]:
    """The frames of the plug-in in the thread that hung or crashed, innermost first.

    With an `operation`, its thread is looked for; else that of any call, or of the import of a
    plug-in, the current one first.
    Code of Python's own library is left out where the plug-in's own code called it.
    """
    function = None if operation is None else _ENTRY_FUNCTIONS[operation]
    found: list[tuple[int, tuple[Frame, ...]]] = []
    for stack in stacks:
        at = next(
            (n for n, frame in enumerate(stack.frames) if _is_host(frame) or _imports(frame)), None
        )
        if at is None:
            continue
        own = stack.frames[:at]
        while own and _is_importlib(own[-1]):
            own = own[:-1]
        if not own:
            continue
        if PurePath(own[-1].file).name == "threading.py":
            continue  # the host itself waits, in Terminate, for a call or a worker
        wanted = function is not None and own[-1].function == function
        base = PurePath(stack.frames[at].file).parents[1] / "plugin.py"  # entry points by default
        if len(own) > 1 and PurePath(own[-1].file) == base:
            own = own[:-1]
        found.append((2 * wanted + stack.current, own))
    if not found:
        return ()
    _, frames = max(found, key=lambda one: one[0])
    folder = PurePath(frames[-1].file).parent
    inner = next(n for n, frame in enumerate(frames) if PurePath(frame.file).parent == folder)
    return frames[inner:]


def crashed_operation(stacks: tuple[ThreadStack, ...]) -> Operation | None:
    """The entry point that the thread in which the process died was in; None if it was in none."""
    for stack in stacks:
        at = next((n for n, frame in enumerate(stack.frames) if _is_host(frame)), 0)
        if stack.current and at:
            for operation, function in _ENTRY_FUNCTIONS.items():
                if stack.frames[at - 1].function == function:
                    return operation
    return None


def crashed_in_worker(stacks: tuple[ThreadStack, ...]) -> bool:
    """Whether the process died in the worker of a pending Online or Offline."""
    for stack in stacks:
        at = next((n for n, frame in enumerate(stack.frames) if _is_host(frame)), 0)
        if stack.current and at:
            return stack.frames[at].function == "_work"
    return False


def starting_a_thread(stacks: tuple[ThreadStack, ...]) -> bool:
    """Whether the host waits for a thread to begin: without memory for it, it never does."""
    return any(
        PurePath(above.file).name == "threading.py"
        and above.function == "start"
        and PurePath(frame.file).name == "hosting.py"
        for stack in stacks
        for above, frame in pairwise(stack.frames)
    )


def _imports(frame: Frame) -> bool:
    """Whether the frame is where the host imports a plug-in."""
    return PurePath(frame.file).name == "plugin_loading.py" and frame.function in (
        *("_load_module", "_import_file"),
    )


def _is_importlib(frame: Frame) -> bool:
    return frame.file.startswith("<frozen importlib") or frame.function == "import_module"


def _is_host(frame: Frame) -> bool:
    """Whether the frame is where the host calls a plug-in."""
    return PurePath(frame.file).name == "hosting.py" and frame.function in (
        *("_enter", "_open", "_terminate", "_work"),
    )

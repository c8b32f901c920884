"""A second process that decides some of the rules while this one decides the others.

Owns starting it, what is sent each way, and that nothing of it is left behind: it ends when it is
closed, and when this process ends in whatever way. What it does not answer (it was killed, it
failed, it could not be started) is for this process to decide, so an error shows where it can be
seen. Which rules go together is no difference to their answers. Knows no rendering, and not how
a rule is decided.

The process is started anew on every platform: a copy of this one would have copies of the locks of
threads that it does not have. It imports nothing of the program that uses rhscheck.
"""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import IO

from rhscheck.checker.answer import Answer, Open, Task
from rhscheck.checker.bounded_rules import by_bounded_checking
from rhscheck.checker.budget import Budget
from rhscheck.checker.established import Established
from rhscheck.checker.every_n import EveryN, for_every_number
from rhscheck.checker.process import end_with_parent
from rhscheck.checker.rule_result import result_of
from rhscheck.checker.verdict import Result
from rhscheck.spec.system import Assumption, Early, LeadsTo, Rule, System, Within

_ENOUGH_RULES = 6  # with a clock of their own; fewer are decided before a process is ready
_ENOUGH_TRANSITIONS = 40
_COLLECT_AFTER = 1_000_000  # objects more than there were: what is made stays, and has few cycles
# That it ends with this process is settled before the half a second in which it loads the rest.
_COMMAND = (
    "from rhscheck.checker.process import end_with_parent; end_with_parent(); "
    "from rhscheck.checker.sharing import main; main()"
)
_WINDOWS_PROCESS_GROUP = 0x200  # CREATE_NEW_PROCESS_GROUP


@dataclass(frozen=True, slots=True)
class Share:
    """A task for another process; `left_s`: the seconds it may take, None for no limit.

    `rules` may be about liveness, too. `engine`: the only one that may decide; None: as needed.
    `certificate`: whether to send back what was established. `thorough`: as in `Task`.
    """

    system: System
    rules: tuple[Rule, ...]
    assumptions: tuple[Assumption, ...]
    n: int | None
    depth: int
    limit: int
    left_s: float | None
    certificate: bool
    thorough: bool
    engine: str | None


@dataclass(frozen=True, slots=True)
class Decided:
    """What was found about the rules of a share; `live`: about those that are about liveness."""

    answers: dict[str, Answer | Open]
    seconds: dict[str, float]
    live: dict[str, Result]
    established: tuple[Established, ...]


def second_share(task: Task, *, bounded: bool = False) -> tuple[Rule, ...]:
    """The rules of `task` that a second process may take; none where it would not pay.

    `bounded`: by bounded checking, where each rule takes time of its own, a timed one the most.
    """
    own = [rule for rule in task.rules if isinstance(rule.obligation, Within | Early)]
    if len(own) < _ENOUGH_RULES or len(task.system.transitions) < _ENOUGH_TRANSITIONS:
        return ()
    if bounded:
        return tuple(own)
    early = [rule for rule in own if isinstance(rule.obligation, Early)]
    within = [rule for rule in own if isinstance(rule.obligation, Within)]
    return tuple(within[len(within) // 3 :] + early)


class SecondProcess:
    """A process that decides `rules` of `task`; a context manager, which ends it."""

    def __init__(self, task: Task, rules: Sequence[Rule], engine: str | None) -> None:
        share = Share(
            task.system, tuple(rules), task.assumptions, task.n, task.depth, task.limit,
            task.budget.left(), task.established is not None, task.thorough, engine,
        )  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None
        # Ctrl-C reaches every process of the terminal's group; this one is ended by the first.
        windows = sys.platform == "win32"
        with contextlib.suppress(OSError):  # no process to be had, or it is gone already
            self._process = subprocess.Popen(
                # -P: what lies in the current directory is not imported.
                [sys.executable, "-P", "-c", _COMMAND],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                process_group=None if windows else 0,
                creationflags=_WINDOWS_PROCESS_GROUP if windows else 0,
            )
            # In a thread: the share is larger than a pipe, and the process is not yet listening.
            threading.Thread(
                target=_send, args=(self._process.stdin, pickle.dumps(share)), daemon=True
            ).start()

    def __enter__(self) -> SecondProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def result(self) -> Decided | None:
        """What it found, waiting for it; None if it ended without an answer."""
        if self._process is None or self._process.stdout is None:
            return None
        try:
            decided = pickle.load(self._process.stdout)
        except (EOFError, OSError, pickle.UnpicklingError):
            return None
        return decided if isinstance(decided, Decided) else None

    def close(self) -> None:
        """End the process, whatever it does."""
        if self._process is None:
            return
        self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):  # what was not written has no reader any more
                    stream.close()
        self._process.wait()
        self._process = None


def _send(stream: IO[bytes] | None, content: bytes) -> None:
    """Write `content`; if nobody reads it, nobody answers either."""
    if stream is not None:
        with contextlib.suppress(OSError, ValueError):  # ended, or closed by `close`
            stream.write(content)
            stream.flush()


# ---- in the second process -----------------------------------------------------------------------
def main() -> None:
    """Decide the share that is on standard input, and write what was found to standard output."""
    status = 1
    end_with_parent()
    gc.set_threshold(_COLLECT_AFTER)
    try:
        share = pickle.load(sys.stdin.buffer)
        threading.Thread(target=_end_with_the_first, daemon=True).start()
        rules = tuple(rule for rule in share.rules if not isinstance(rule.obligation, LeadsTo))
        task = Task(
            share.system, rules, share.assumptions, share.n, share.depth, share.limit,
            Budget(share.left_s), _silent, [] if share.certificate else None,
            thorough=share.thorough,
        )  # fmt: skip
        found = EveryN(task)
        decide = by_bounded_checking if share.engine == "bmc" else for_every_number
        decide(task, task.rules, found)
        live = {
            rule.id: result_of(task, share.engine, found, rule)
            for rule in share.rules
            if isinstance(rule.obligation, LeadsTo)
        }
        established = tuple(task.established or ())
        decided = Decided(found.answers, found.seconds, live, established)
        sys.stdout.buffer.write(pickle.dumps(decided))
        sys.stdout.buffer.flush()
        status = 0
    finally:
        # An orderly end would wait for the thread that waits for the first process to end.
        os._exit(status)


def _end_with_the_first() -> None:
    """The first process may be killed; Z3 would go on here until its question is answered."""
    sys.stdin.buffer.read()  # nothing more is written: returns when the first process has ended
    os._exit(1)


def _silent(_line: str) -> None:
    """Nobody sees what the second process does."""

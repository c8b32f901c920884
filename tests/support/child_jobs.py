"""Jobs for the tests of `rhscheck.checker.process`; as a program, a tree of processes."""

from __future__ import annotations

import ctypes
import os
import sys
import time

from rhscheck.checker.answer import Answer
from rhscheck.checker.process import Crew, Emit, Job, Sent, _own_resident_mb
from rhscheck.checker.race import Answered, Work
from rhscheck.checker.session import Found, Line
from rhscheck.checker.verdict import ProvedFor
from rhscheck.checker.verify import Options
from rhscheck.spec.system import System

TREE = __file__


class RefusedError(Exception):
    def __init__(self) -> None:
        super().__init__("no")
        self.why = "because"


def count(number: int, emit: Emit) -> int:
    for value in range(number):
        emit(value)
    return number


def prints(emit: Emit) -> str:
    os.write(1, b"chatter\n")
    sys.stdout.write("more\n")
    return "quiet"


def fails(emit: Emit) -> None:
    raise RefusedError


def exits(status: int, emit: Emit) -> None:
    os._exit(status)


def spins(emit: Emit) -> None:
    while True:
        pass


def holds_the_lock(seconds: int, emit: Emit) -> None:
    """Work in a library that lets no other thread of Python run (not on Windows)."""
    emit(os.getpid())
    ctypes.PyDLL(None).sleep(seconds)


def sleeps(seconds: float, emit: Emit) -> str:
    time.sleep(seconds)
    return "slept"


def grows(megabytes: int, emit: Emit) -> None:
    held = []
    for _ in range(megabytes):
        held.append(b"x" * (1 << 20))
        time.sleep(0.002)
    time.sleep(30)


def own_memory(emit: Emit) -> float:
    return _own_resident_mb()


def session(emit: Emit) -> int:
    return os.getsid(0)


def stubborn_session(system: System, options: Options, soft_end: float | None, emit: Emit) -> None:
    """A verification that finds one answer and then listens to nobody."""
    assert soft_end is not None
    emit(Line("at work"))
    emit(Found("One", Answer(ProvedFor(2), "zones")))
    time.sleep(600)


def entrant(work: Work, emit: Emit) -> None:
    """An engine in a race: zones dies of `One` and never ends, bmc decides everything."""
    for question in work.questions:
        if work.engine == "zones":
            if question.rule.id == "One":
                os._exit(3)
            time.sleep(600)
        time.sleep(0.3)  # so that the other one is at work
        emit(Answered(question.rule.id, Answer(ProvedFor(2), "bmc"), ()))


def inner(emit: Emit) -> None:
    """A process that starts another, tells both ids, and waits for ever."""
    with Crew() as crew:
        crew.start("leaf", Job("child_jobs:leaf", ()))
        for _, message in crew.messages():
            if isinstance(message, Sent):
                emit((os.getpid(), message.value))


def leaf(emit: Emit) -> None:
    emit(os.getpid())
    spins(emit)


def main() -> None:
    try:
        with Crew() as crew:
            crew.start("inner", Job("child_jobs:inner", ()))
            for _, message in crew.messages():
                if isinstance(message, Sent) and isinstance(message.value, tuple):
                    sys.stdout.write(f"{message.value[0]} {message.value[1]}\n")
                    sys.stdout.flush()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()

"""Work on many items in several processes, with the answers in the order of the items.

Owns the processes: they start afresh (`spawn`, the same on every system), are killed when the
caller stops, and end by themselves when this process is gone, however it went: each waits on a pipe
whose other end only we hold. Knows nothing of what is worked on.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import traceback
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

# What a process ends with if it is told to from outside. (Windows does not tell.)
_FROM_OUTSIDE = frozenset(
    -signal.Signals[name]
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGKILL")
    if name in signal.Signals.__members__
)
T = TypeVar("T")
R = TypeVar("R")


class WorkerError(Exception):
    """A worker process failed; the message holds its own traceback, or says how it ended."""


class WorkerKilled(Exception):  # noqa: N818 - it is what somebody did, no error
    """Somebody ended a worker process: the user, or a system that has no memory left."""


def each(work: Callable[[T], R], items: Sequence[T], jobs: int) -> Generator[R, None, None]:
    """`work(item)` for every item, in order, with at most `jobs` processes; one: in this process.

    `work` and the items have to be picklable, `work` a function of a module or a `partial` of one.
    Raises WorkerError where `work` fails in another process (MemoryError for want of memory), and
    WorkerKilled where that was ended from outside.
    """
    if jobs <= 1 or len(items) <= 1:
        yield from map(work, items)
        return
    crew = _Crew(work, min(jobs, len(items)))
    try:
        yield from crew.answers(items)
    finally:
        crew.stop()


@dataclass(slots=True)
class _Worker:
    process: BaseProcess
    pipe: Connection
    lifeline: Connection
    at: int | None = None  # the item it works on


class _Crew(Generic[T, R]):
    def __init__(self, work: Callable[[T], R], number: int) -> None:
        import multiprocessing

        context = multiprocessing.get_context("spawn")
        self._workers: list[_Worker] = []
        try:
            for _ in range(number):
                ours, theirs = context.Pipe()
                watched, lifeline = context.Pipe(duplex=False)
                process = context.Process(target=_serve, args=(theirs, watched, work), daemon=True)
                process.start()
                theirs.close()
                watched.close()
                self._workers.append(_Worker(process, ours, lifeline))
        except BaseException:
            self.stop()
            raise

    def answers(self, items: Sequence[T]) -> Iterator[R]:
        from multiprocessing.connection import wait

        ready: dict[int, R] = {}
        todo = iter(range(len(items)))
        for worker in self._workers:
            self._next(worker, items, todo)
        for wanted in range(len(items)):
            while wanted not in ready:
                busy = {worker.pipe: worker for worker in self._workers if worker.at is not None}
                for pipe in wait(list(busy)):
                    worker = busy[pipe]  # type: ignore[index]
                    assert worker.at is not None
                    ready[worker.at] = self._answer(worker)
                    self._next(worker, items, todo)
            yield ready.pop(wanted)

    def _next(self, worker: _Worker, items: Sequence[T], todo: Iterator[int]) -> None:
        worker.at = next(todo, None)
        if worker.at is not None:
            with contextlib.suppress(BrokenPipeError):  # what it died of is told when it is read
                worker.pipe.send(items[worker.at])

    def _answer(self, worker: _Worker) -> R:
        try:
            outcome, value = worker.pipe.recv()
        except (EOFError, ConnectionError):
            worker.process.join()
            status = worker.process.exitcode
            if status in _FROM_OUTSIDE:
                raise WorkerKilled(f"a worker process was ended (signal {-status})") from None
            raise WorkerError(f"a worker process ended unexpectedly (status {status})") from None
        match outcome:
            case "done":
                return value  # type: ignore[no-any-return]
            case "memory":
                raise MemoryError
            case _:
                raise WorkerError(f"a worker process failed:\n{value}")

    def stop(self) -> None:
        """Kill what is left and wait for its end."""
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            worker.process.join()
            worker.pipe.close()
            worker.lifeline.close()


def _serve(pipe: Connection, lifeline: Connection, work: Callable[[T], R]) -> None:
    """What a worker process does: items in, answers out, until nobody is there any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; ours stops us
    from rhscheck.checker.process import end_with_parent

    end_with_parent()
    threading.Thread(target=_die_with, args=(lifeline,), daemon=True).start()
    while True:
        try:
            item = pipe.recv()
        except (EOFError, OSError):
            return
        answer: tuple[str, object]
        try:
            answer = ("done", work(item))
        except MemoryError:
            answer = ("memory", None)
        except Exception:
            answer = ("failed", traceback.format_exc())
        pipe.send(answer)


def _die_with(lifeline: Connection) -> None:
    """End this process when the other end of the pipe is closed."""
    with contextlib.suppress(EOFError, OSError):
        lifeline.recv()
    os._exit(1)

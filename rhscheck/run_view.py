"""What a real run shows while it goes on: a live table on a terminal, one line an event in a pipe.

Owns the board (the latest of every resource), the words for news, and that a reader who stops
reading never stops the cluster. Knows nothing of files, signals or exit statuses.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, assert_never

from rhscheck import run_table, terminal
from rhscheck.options import Out
from rhscheck.tracer.events import ResourceFailed
from rhscheck.tracer.real.journal import Entry, RcmEntry
from rhscheck.tracer.real.news import GroupNews, LogNews, MonitorNews, News, ResourceNews

MAX_UNREAD: Final = 10_000  # lines
UNREAD_S: Final = 5.0  # how long the end of a run waits for a reader


@dataclass(slots=True)
class Line:
    """The latest of one resource."""

    group: str
    monitor: str
    state: str
    since_us: int
    why: str
    failures: int = 0


@dataclass(slots=True)
class Board:
    """What is known of the cluster, from the news."""

    resources: dict[str, Line]
    pids: dict[str, int] = field(default_factory=dict)
    # By resource: what it said last, and by its reason for a state what it had said before that.
    said: dict[str, str] = field(default_factory=dict)
    reasons: dict[tuple[str, str], str] = field(default_factory=dict)
    deaths: int = 0  # of monitor processes that did not end when asked to

    def count(self, step: Entry) -> None:
        """Count failures; what a dying monitor took along did not fail."""
        if isinstance(step, RcmEntry):
            for effect in step.effects:
                if isinstance(effect, ResourceFailed):
                    self.resources[effect.res].failures += 1

    def take(self, news: News) -> None:
        """Note what changed."""
        match news:
            case ResourceNews():
                if news.state.endswith("CallIssued"):
                    self.said.pop(news.resource, None)
                elif news.resource in self.said:
                    self.reasons[news.resource, news.why] = self.said[news.resource]
                failures = self.resources[news.resource].failures
                self.resources[news.resource] = Line(
                    news.group, news.monitor, news.state, news.at_us, news.why, failures
                )
            case LogNews(resource=resource, text=text) if resource:
                self.said[resource] = text.partition("\n")[0]
            case MonitorNews(pid=None):
                self.pids.pop(news.monitor, None)
                self.deaths += news.unexpected
            case MonitorNews(pid=pid) if pid is not None:
                self.pids[news.monitor] = pid
            case _:
                pass

    def explained(self, resource: str, why: str) -> str:
        """A reason with what the plug-in itself had said before, if it had said anything."""
        for (name, reason), said in self.reasons.items():
            if name == resource and reason and why.endswith(reason):
                return f"{why}; the last it said: {said}"
        return why


def news_text(news: News) -> str:
    """A piece of news; every line of it says when, and of whom."""
    at = clock_text(news.at_us)
    match news:
        case ResourceNews():
            why = f" ({news.why})" if news.why else ""
            return f"{at}  {news.resource}: {news.state}{why}"
        case GroupNews():
            return f"{at}  group {news.group}: {news.state}"
        case MonitorNews(pid=None):
            dump = f"; its threads: {news.dump}" if news.dump else ""
            return f"{at}  monitor {news.monitor} is gone: {news.why}{dump}"
        case MonitorNews():
            return f"{at}  monitor {news.monitor} started, process {news.pid}"
        case LogNews():
            mark = f"{at}  [{news.resource}] " if news.resource else f"{at}  "
            return mark + news.text.replace("\n", f"\n{mark}")
        case _:
            assert_never(news)


def clock_us(began: float) -> int:
    """Microseconds since `began`, which `time.monotonic` gave."""
    return int((time.monotonic() - began) * 1_000_000)


def clock_text(time_us: int) -> str:
    """A time since the start as hh:mm:ss.mmm."""
    seconds, rest = divmod(time_us, 1_000_000)
    minutes, second = divmod(seconds, 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{second:02}.{rest // 1000:03}"


@contextlib.contextmanager
def view(board: Board, out: Out) -> Iterator[Callable[[News], None]]:
    """How news are shown: a live table on a terminal, lines in a pipe, nothing where not wanted."""
    if out.json or out.quiet:
        yield lambda _news: None
        return
    if out.path is None and terminal.is_interactive():
        with _live_table(board, color=out.color) as show:
            yield show
        return
    with _Printer(lambda news: terminal.write_line(news_text(news))) as printer:
        yield printer.tell


class _Printer:
    """Shows news in a thread of its own: a reader that stops reading must not stop RCM.

    What it has not read while `MAX_UNREAD` more came is not shown, and that is said.
    """

    def __init__(self, show: Callable[[News], None]) -> None:
        self._show = show
        self._news: queue.Queue[News | None] = queue.Queue(MAX_UNREAD)
        self._lost = 0
        self._error: terminal.OutputError | None = None
        self._thread = threading.Thread(target=self._run, name="printer", daemon=True)

    def __enter__(self) -> _Printer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Show the rest, as long as somebody reads it. Raises OutputError."""
        with contextlib.suppress(queue.Full):
            self._news.put(None, timeout=UNREAD_S)
            self._thread.join(UNREAD_S)
        if self._error is not None:
            raise self._error

    def tell(self, news: News) -> None:
        """Have the news shown. Never blocks."""
        if self._lost:
            news_lost = LogNews(news.at_us, "", f"{self._lost} lines were not read and are lost")
            with contextlib.suppress(queue.Full):
                self._news.put_nowait(news_lost)
                self._lost = 0
        try:
            self._news.put_nowait(news)
        except queue.Full:
            self._lost += 1

    def _run(self) -> None:
        while (news := self._news.get()) is not None:
            try:
                self._show(news)
            except terminal.OutputError as error:
                self._error = error
                return


def _row(board: Board, name: str, line: Line, now_us: int) -> tuple[str, ...]:
    since = clock_text(max(now_us - line.since_us, 0)).partition(".")[0]
    pid = board.pids.get(line.monitor)
    shown = "-" if pid is None else str(pid)
    why = line.why.replace("\n", " ")
    return (line.group, name, line.state, since, str(line.failures), line.monitor, shown, why)


@contextlib.contextmanager
def _live_table(board: Board, *, color: bool) -> Iterator[Callable[[News], None]]:
    from rich.console import Console  # noqa: PLC0415  a pipe or a script never needs it
    from rich.live import Live  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    began = time.monotonic()
    console = Console(highlight=False, no_color=not color)

    def table() -> Table:
        now_us = clock_us(began)
        rows = [_row(board, name, line, now_us) for name, line in list(board.resources.items())]
        room = run_table.widths(rows, console.width)
        made = Table(box=None, padding=(0, run_table.GAP, 0, 0), pad_edge=False)
        for head, width in zip(run_table.HEADS, room, strict=True):
            if width:
                made.add_column(run_table.shortened(head, width), no_wrap=True, min_width=width)
        for row in rows:
            style = {"Online": "green", "Failed": "red"}.get(row[2], "")
            cells = zip(row, room, strict=True)
            # As text: a name or a reason may hold what rich takes for markup.
            shown = [Text(run_table.shortened(cell, width)) for cell, width in cells if width]
            shown[sum(width > 0 for width in room[: run_table.STATE])].stylize(style)
            made.add_row(*shown)
        return made

    with Live(console=console, get_renderable=table, refresh_per_second=4) as live:

        def show(news: News) -> None:
            # States are in the table; why something had to be terminated would be gone at once.
            if not isinstance(news, ResourceNews | GroupNews) or (
                isinstance(news, ResourceNews) and news.state in ("Terminating", "Failed")
            ):
                console.print(news_text(news), markup=False, soft_wrap=True)

        with _Printer(show) as printer:
            yield printer.tell
        live.refresh()

"""Runs as sequence charts for the terminal, and as trace events.

One column an actor and one an instance; a call in flight is a bar in the column of its instance.
Times stand where they change, beside each step what it changed and the line of the spec it comes
from. Owns the drawing only: the steps come from a `Run` that has been checked, the words about
states from `traces.wording`, the reasons from `spec.broken`.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import PurePosixPath

from rhscheck.spec.broken import Moment, why
from rhscheck.spec.expr import Expr
from rhscheck.spec.ground import Ground, GroundTransition
from rhscheck.spec.semantics import Run, State, Time, duration
from rhscheck.spec.source import Span
from rhscheck.spec.system import CALL_EXPIRED, CALL_IDLE, TIME, Rule
from rhscheck.traces.format import event_fields
from rhscheck.traces.mapping import Recorder
from rhscheck.traces.story import Row, changes, chosen, home, involved, rows_of
from rhscheck.traces.wording import clock_time, instance_name, short_name

MIN_WIDTH = 40
_MARGIN = 2  # columns for the loop of a run that never ends
_LEAST_TEXT = 26  # columns for words before instances are abbreviated


@dataclass(frozen=True, slots=True)
class Style:
    """How a chart is drawn: its width in columns, with box characters or ASCII, with colour."""

    width: int = 80
    boxes: bool = True
    colour: bool = False


def can_show_boxes(encoding: str | None) -> bool:
    """Whether text in `encoding` (as of `sys.stdout.encoding`) can hold the box characters."""
    try:
        "".join(_BOXES.values()).encode(encoding or "ascii")
    except (LookupError, UnicodeEncodeError):
        return False
    return True


def run_events(
    ground: Ground, run: Run, resources: Mapping[str, str] | None = None
) -> list[dict[str, object]]:
    """The visible steps of a run as rhs-trace/1 events, each a JSON object in canonical key order.

    `resources` names instances (`{"IP Address": "Resource[1]"}`). Times count from the start.
    """
    recorder = Recorder(ground, resources=resources)
    events = []
    now: Time = 0
    for step in run.steps:
        now += step.delay
        if step.transition is not None:
            event = recorder.record(now, ground.transitions[step.transition])
            if event is not None:
                events.append(event_fields(event))
    return events


def render_run(
    ground: Ground,
    run: Run,
    style: Style,
    *,
    rule: Rule | None = None,
    bad: Expr | None = None,
    verdict: str = "violated",
    loop: int | None = None,
) -> str:
    """The chart of `run`, lines ended by a line feed.

    `loop`: the steps from this number on repeat for ever, which is drawn; if it is their number,
    nothing happens any more.

    With `rule` the chart ends with its sentence and what its formula says in the last step; `bad`
    is its woven formula, if `ground` is woven. Raises IllegalRun if the semantics does not allow
    the run: what is not possible is not drawn.
    """
    rows = rows_of(ground, run)
    chart = _Chart(ground, rows, style, loop)
    lines = list(chart.lines())
    if rule is not None:
        head = f'{rule.id} "{rule.sentence}"' if rule.sentence else rule.id
        lines += [
            "",
            *chart.conclusion(f"{head} is {verdict}", rule, _last(ground, run, rows), bad),
        ]
    text = "\n".join(line.rstrip() for line in lines) + "\n"
    return text if style.boxes else text.encode("ascii", "replace").decode("ascii")


# ---- the drawing -------------------------------------------------------------------------------
_BOXES = {
    **{"from": "●", "line": "─", "to": "▶", "start": "┬", "body": "│", "end": "┴"},
    **{"late": "╎", "expire": "x", "cross": "┼", "mark": "●", "clock": "◷"},
    **{"again": "╭", "around": "│", "back": "╰"},
}
_ASCII = {
    **{"from": "o", "line": "-", "to": ">", "start": "+", "body": "|", "end": "+"},
    **{"late": ":", "expire": "x", "cross": "+", "mark": "*", "clock": "*"},
    **{"again": "+", "around": "|", "back": "+"},
}


@dataclass(slots=True)
class _Lane:
    """The column of an instance: its bars stand at `left`, `left + 2`, …, one for each call."""

    name: str
    tag: str
    left: int = 0
    slots: int = 1
    bars: dict[int, int] = field(default_factory=dict)  # slot -> position in Ground.slots

    def free(self) -> int:
        """The first slot without a bar."""
        return next(number for number in range(len(self.bars) + 1) if number not in self.bars)

    def column(self, slot: int) -> int:
        """Where the slot stands."""
        return self.left + 2 * slot


class _Chart:
    """Lays out and draws the rows of one run."""

    def __init__(self, ground: Ground, rows: Sequence[Row], style: Style, loop: int | None) -> None:
        self.ground = ground
        self.rows = rows
        self.style = style
        self.loop = loop
        # A loop stands in the left margin.
        self.width = max(style.width, MIN_WIDTH) - (0 if loop is None else _MARGIN)
        self.marks = _BOXES if style.boxes else _ASCII
        unit = ground.system.unit_us
        self.times = [clock_time(Fraction(row.time) * unit) for row in rows]
        acting = {row.transition.actor for row in rows if row.transition is not None}
        declared = [actor.name for actor in ground.system.actors if actor.name in acting]
        others = sorted(acting - set(declared) - {TIME})
        self.actors = [*(name for name in declared if name != TIME), *others]
        self.lanes = [_Lane(name, name) for name in involved(ground, rows)]
        self._place()

    def _place(self) -> None:
        """Give every column its place; abbreviate the instances if words would not fit beside."""
        self._count_slots()
        self.left = max((len(time) for time in self.times), default=12) + 2
        if self._columns() > self.width - _LEAST_TEXT:
            for number, lane in enumerate(self.lanes, start=1):
                lane.tag = str(number)
        at = self.left
        self.actor_at: dict[str, int] = {}
        for name in self.actors:
            self.actor_at[name] = at + (len(name) - 1) // 2
            at += max(len(name), 3) + 2
        for lane in self.lanes:
            bars = 2 * lane.slots - 1
            lane.left = at + max(0, (len(lane.tag) - bars) // 2)
            at += max(len(lane.tag), bars) + 2
        self.text_at = at
        # Where even that leaves no room, words stand below the drawing.
        self.below = self.text_at > self.width - _LEAST_TEXT
        self.words_at = 4 if self.below else self.text_at

    def _columns(self) -> int:
        actors = sum(max(len(name), 3) + 2 for name in self.actors)
        return (
            self.left
            + actors
            + sum(max(len(lane.tag), 2 * lane.slots - 1) + 2 for lane in self.lanes)
        )

    def _count_slots(self) -> None:
        """How many bars each lane needs, found by drawing once without a canvas."""
        for row in self.rows:
            for lane in self.lanes:
                lane.slots = max(lane.slots, len(lane.bars) + 1)
            self._advance(row)
        for lane in self.lanes:
            lane.slots = max([lane.slots, *(slot + 1 for slot in lane.bars)])
            lane.bars.clear()

    def _calls(self, state: State, lane: _Lane) -> list[int]:
        return [
            at
            for at, slot in enumerate(self.ground.slots)
            if slot.variable.role == "call"
            and state.values[at] != CALL_IDLE
            and instance_name(slot.variable.machine, slot.index) == lane.name
        ]

    def _advance(self, row: Row) -> tuple[dict[str, list[int]], dict[str, list[int]]]:
        """Bring the bars up to the state after `row`; the slots that started and ended, by lane."""
        started: dict[str, list[int]] = {}
        ended: dict[str, list[int]] = {}
        for lane in self.lanes:
            calls = self._calls(row.after, lane)
            for slot in [slot for slot, at in lane.bars.items() if at not in calls]:
                del lane.bars[slot]
                ended.setdefault(lane.name, []).append(slot)
            for at in calls:
                if at not in lane.bars.values():
                    # Not in a slot that ends in this step: its end is drawn there.
                    taken = [*lane.bars, *ended.get(lane.name, [])]
                    slot = next(n for n in range(len(taken) + 1) if n not in taken)
                    lane.bars[slot] = at
                    started.setdefault(lane.name, []).append(slot)
                    lane.slots = max(lane.slots, slot + 1)
        return started, ended

    def lines(self) -> Iterator[str]:
        """The chart, line by line."""
        tagged = [lane for lane in self.lanes if lane.tag != lane.name]
        if tagged:
            yield from self._wrapped(", ".join(f"{lane.tag} = {lane.name}" for lane in tagged), 0)
        margin = "" if self.loop is None else " " * _MARGIN
        yield margin + self._coloured(self._header()[: self.width].rstrip(), "1")
        if self.rows:
            names = [lane.name for lane in self.lanes]
            free = chosen(self.ground, self.rows[0].before, names)
            if free:
                for line in self._wrapped(f"initially {', '.join(free)}", self.words_at):
                    yield margin + line
        shown = ""
        for number, (row, time) in enumerate(zip(self.rows, self.times, strict=True)):
            block = self._step(row, time if time != shown else "")
            shown = time
            if self.loop is None:
                yield from block
            else:
                yield from self._in_margin(block, number)
        if self.loop is not None:
            yield from self._for_ever(self.loop)

    def _in_margin(self, block: Iterator[str], number: int) -> Iterator[str]:
        """The lines of a step, with the part of the loop beside them."""
        assert self.loop is not None
        for line_number, line in enumerate(block):
            mark = " "
            if number >= self.loop:
                first = number == self.loop and line_number == 0
                mark = self.marks["again" if first else "around"]
            yield f"{mark:<{_MARGIN}}{line}"

    def _for_ever(self, loop: int) -> Iterator[str]:
        """The end of a run that never ends."""
        text = "nothing happens any more, and time passes for ever"
        mark = " "
        if loop < len(self.rows):
            start = self.rows[loop].time - self.rows[loop].delay
            period = duration(self.rows[-1].time - start, self.ground.system.unit_us)
            text, mark = f"and so on for ever, every {period}", self.marks["back"]
        for line in self._wrapped(text, self.words_at):
            yield f"{mark:<{_MARGIN}}{line}"
            mark = " "

    def _header(self) -> str:
        canvas = [" "] * self.text_at
        for name in self.actors:
            at = self.actor_at[name] - (len(name) - 1) // 2
            canvas[at : at + len(name)] = name
        for lane in self.lanes:
            middle = lane.left + lane.slots - 1
            at = max(0, middle - (len(lane.tag) - 1) // 2)
            canvas[at : at + len(lane.tag)] = lane.tag
        return "".join(canvas)

    def _bars(self, canvas: list[str], row: Row) -> None:
        """Draw the bars of the calls in flight after `row`."""
        for lane in self.lanes:
            for slot, at in lane.bars.items():
                late = row.after.values[at] == CALL_EXPIRED
                canvas[lane.column(slot)] = self.marks["late" if late else "body"]

    def _step(self, row: Row, time: str) -> Iterator[str]:
        canvas = [" "] * self.text_at
        canvas[: len(time)] = time
        before = {lane.name: dict(lane.bars) for lane in self.lanes}
        started, ended = self._advance(row)
        self._bars(canvas, row)
        for lane in self.lanes:
            for slot in ended.get(lane.name, []):
                canvas[lane.column(slot)] = self.marks["end"]
            for slot in started.get(lane.name, []):
                canvas[lane.column(slot)] = self.marks["start"]
        if row.transition is not None:
            self._arrow(canvas, row.transition, before)
        words = self._words(row)
        blank = [" "] * self.text_at
        self._bars(blank, row)
        if self.below:
            yield "".join(canvas)[: self.width]
            yield from words
            return
        for number, text in enumerate(words):
            yield "".join(canvas if number == 0 else blank) + text

    def _arrow(
        self,
        canvas: list[str],
        transition: GroundTransition,
        before: Mapping[str, Mapping[int, int]],
    ) -> None:
        """From the actor to the bar that starts or ends, or to a mark of its own.

        `before` are the bars of each lane before the step.
        """
        lane = next(lane for lane in self.lanes if lane.name == home(transition))
        label = transition.label
        bars = {**before[lane.name], **lane.bars}
        slot: int | None = None
        if label.kind in ("call", "return", "expiry"):
            names = {one: short_name(self.ground.slots[at]) for one, at in bars.items()}
            slot = next((one for one, name in names.items() if name == label.name), None)
        if slot is None:
            slot = next(number for number in range(len(bars) + 1) if number not in bars)
            mark = "clock" if transition.actor == TIME else "mark"
            canvas[lane.column(slot)] = self.marks[mark]
        elif label.kind == "expiry":
            canvas[lane.column(slot)] = self.marks["expire"]
        start = self.actor_at.get(transition.actor)
        if start is None:
            return
        tip = lane.column(slot) - 1
        canvas[start] = self.marks["from"]
        for at in range(start + 1, tip):
            canvas[at] = self.marks["line"] if canvas[at] == " " else self.marks["cross"]
        canvas[tip] = self.marks["to"]

    # ---- words ---------------------------------------------------------------------------------
    def _words(self, row: Row) -> list[str]:
        """The label with its source line, then what changed."""
        room = self.width - self.words_at
        if row.transition is None:
            waited = duration(row.delay, self.ground.system.unit_us)
            return self._wrapped(f"nothing happens for {waited}", self.words_at, cut=True)
        label = row.transition.label
        source = _source(row.transition.template.span)
        head = label.short
        for other in row.transition.also:
            head += f" + {other}"
        texts = textwrap.wrap(head, room) or [""]
        if source and len(texts[-1]) + 2 + len(source) <= room:
            texts[-1] += " " * (room - len(texts[-1]) - len(source)) + self._coloured(source, "2")
        elif source:
            texts.append(" " * max(0, room - len(source)) + self._coloured(source, "2"))
        for change in changes(self.ground, row):
            texts += textwrap.wrap(change, room, initial_indent="  ", subsequent_indent="    ")
        indent = " " * self.words_at if self.below else ""
        return [indent + text for text in texts]

    def _wrapped(self, text: str, indent: int, *, cut: bool = False) -> list[str]:
        """Lines that fit the width, indented; with `cut` for appending to a drawing."""
        lead = " " * indent
        found = textwrap.wrap(text, self.width - indent)
        return found if cut and not self.below else [lead + line for line in found]

    # ---- the end -------------------------------------------------------------------------------
    def conclusion(self, head: str, rule: Rule, last: Moment, bad: Expr | None) -> Iterator[str]:
        """`head` with the rule's place, and what the rule's formula says in the last step."""
        place = _source(rule.span)
        head += f" ({place})" if place else ""
        for line in textwrap.wrap(head, self.width):
            yield self._coloured(line, "31")
        for text in why(last, rule, bad):
            yield from textwrap.wrap(
                text, self.width, initial_indent="  ", subsequent_indent="      "
            )

    def _coloured(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.style.colour else text


def _last(ground: Ground, run: Run, rows: Sequence[Row]) -> Moment:
    """The last step of the run, or its initial state."""
    if not rows:
        return Moment(ground, run.initial, None, run.initial)
    return Moment(ground, rows[-1].before, rows[-1].transition, rows[-1].after)


def _source(span: Span) -> str:
    """`rhs.sm:41`, empty if the span is nowhere."""
    name = PurePosixPath(span.path.replace("\\", "/")).name
    return f"{name}:{span.line}" if span.line else ""

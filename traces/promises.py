"""What the header of a recording promises, held against the spec that is to judge it.

Owns the options of a judgement, which engine they and the header ask for, and what the header makes
of the recording as a whole: whether it can be judged at all, and what it may lack. Follows nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import UNSET

from rhscheck.spec.system import System
from rhscheck.traces.engine import Engine, Setting
from rhscheck.traces.format import Header
from rhscheck.traces.mapping import trace_parameters
from rhscheck.traces.possible import TooManyStates
from rhscheck.traces.unseen import Unseen, labels_in, unknown_labels, unseen_of
from rhscheck.traces.verdicts import Recording
from rhscheck.traces.wording import parameter_text


class ReplayError(Exception):
    """The recording cannot be held against this spec at all; the message says why."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a recording is to be held against a spec.

    `slack_us`: how late a step may be (trace time); None: what the header says. `unseen`: events
    (kind, name or None for all of the kind) that may happen without a line about them, because
    the log does not always have one; what the header says of such, and the trace block's `hide`,
    come on top. Where either says so, a header that does not claim to be complete lacks these
    events only. `n`: the number of instances; None: what the header says, or else as many as are
    mentioned. `counted`: numbers that are left out are those of lines that are missing; in a part
    of a recording they are not.
    """

    slack_us: int | None = None
    unseen: Unseen = ()
    n: int | None = None
    counted: bool = True


def setting_of(header: Header | None, options: Options, system: System) -> Setting:
    """What an engine for this recording has to be made for."""
    head = header or Header()
    count = options.n if options.n is not None else head.n if isinstance(head.n, int) else None
    slack = head.slack_us if options.slack_us is None else options.slack_us
    unseen = dict.fromkeys((*options.unseen, *unseen_of(labels_in(head), system)))
    return Setting(count, slack, tuple(unseen))


def time_out_parameter(system: System, limit: str) -> str | None:
    """The parameter that a header's time-out binds: by its name, or its first words.

    `CallTimeout` may be called `call`, `LooksAliveInterval` `looksalive` (notes on the format).
    """
    for constant in system.constants:
        if constant.is_time and limit == constant.name:
            return constant.name
    for constant in system.constants:
        short = constant.name.lower().removesuffix("timeout").removesuffix("interval")
        if constant.is_time and limit.lower() == short:
            return constant.name
    return None


def hold(
    header: Header | None, system: System, engine: Engine, options: Options, recording: Recording
) -> bool:
    """Note what the header makes of the recording; whether it may lack any line.

    Raises ReplayError if the spec has no run at all.
    """
    ours = engine.world.ground.system
    if header is None:
        recording.stop("there is no readable header: nobody says that the trace is complete")
        return False
    named = header.spec.removesuffix(".sm")
    if named and named != ours.name:
        recording.stop(f"the header names another spec: {named}, not {ours.name}")
        return False
    _compare(header, system, ours, recording)
    if recording.stopped:
        return False
    labels = labels_in(header)
    declared = bool(options.unseen or header.unseen is not UNSET) and not header.lossy
    lossy = header.lossy or (not header.complete and not declared)
    if lossy:
        recording.lacks("the recording may lack events: nothing is held against their absence")
    elif not header.complete:
        recording.lacks("events of some kinds leave no line in this recording")
    unknown = unknown_labels(labels, system)
    if unknown:
        taken = dict.fromkeys(f"`{label.partition(' ')[0]} *`" for label in unknown)
        recording.notes.append(
            f"the header says that {', '.join(f'`{one}`' for one in unknown)} may leave no line, "
            f"which {ours.name} does not have: taken as {', '.join(taken)}"
        )
    if header.start != "initial":
        recording.lacks("the recording does not begin with the run: it may begin in any state")
    try:
        if not engine.initial:
            raise ReplayError(f"the spec {ours.name} has no initial state")
    except TooManyStates:
        recording.stop("the spec has more initial states than can be followed")
    return lossy


def _compare(header: Header, system: System, used: System, recording: Recording) -> None:
    sums = (header.spec_sha256, system.source_sha256)
    if all(sums) and sums[0] != sums[1]:
        recording.notes.append("the trace was made for another text of the spec (SHA-256 differs)")
    ours = trace_parameters(system)
    for parameter, value in header.params.items():
        if parameter in ours and ours[parameter] != value:
            theirs = parameter_text(used, parameter, value)
            here = parameter_text(used, parameter, ours[parameter])
            recording.notes.append(
                f"the trace was made with {parameter} = {theirs}, the spec has {here}"
            )
    for limit, millis in header.timeouts_ms.items():
        name = time_out_parameter(system, limit)
        if name is None or ours[name] != millis * 1000:
            recording.stop(f"the header's time-out {limit} = {millis} ms is not the spec's")

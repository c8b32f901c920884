"""What goes wrong in a simulated run: kinds of faults, where they strike, plans for seeds.

Owns the catalogue of faults and which of them break a promise of the plug-in. A plan is data; what
a fault does is `tracer.plugin_model`'s and the simulator's.

Seed 0 has no fault. The next seeds have one fault each, every kind at every site it fits; then all
pairs of those and random plans take turns. So a range of seeds from 0 tries them systematically.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

from rhscheck.tracer.events import Operation

Kind = Literal[
    "hang",  # the call never returns
    "hang-until-terminate",
    "error",
    "slow",  # returns a little before its time is up
    "too-slow",  # returns a little after its time was up
    "late-worker",  # … and says then that a worker goes on
    "crash",  # an unhandled exception: the process is lost
    "monitor-killed",  # while the call runs
    "monitor-frozen",
    "pipe-cut",  # in the middle of a line
    "silent",  # the worker says nothing more
    "almost-silent",  # the worker reports just before the silence is too long
    "barely-silent",  # … and just after
    "worker-fails",
    "same-checkpoint",
    "wrong-state",
    "application-dies",
    "dump-fails",
    "dump-hangs",
    "dump-slow",  # written a little before its time is up
    "dump-too-slow",  # … and after it
    # what a plug-in has promised not to do
    "early-status",
    "double-status",
    "status-after-terminate",
    "status-after-close",
    "terminate-does-not-wait",
]
DumpKind = Literal["dump-fails", "dump-hangs", "dump-slow", "dump-too-slow"]

BREAKS_PROMISE: Final[frozenset[Kind]] = frozenset(
    (
        *("early-status", "double-status", "status-after-terminate", "status-after-close"),
        "terminate-does-not-wait",
    )
)

_PROCESS: Final[tuple[Kind, ...]] = ("crash", "monitor-killed", "monitor-frozen", "pipe-cut")
_CALL: Final[tuple[Kind, ...]] = ("hang", "error", "slow", "too-slow", *_PROCESS)
_OPERATION: Final[tuple[Kind, ...]] = (
    *_CALL,
    "hang-until-terminate",
    "late-worker",
    "silent",
    "almost-silent",
    "barely-silent",
    "worker-fails",
    "same-checkpoint",
    "wrong-state",
    "early-status",
    "double-status",
    "status-after-terminate",
)
FITTING: Final[Mapping[Operation, tuple[Kind, ...]]] = {
    "Open": _CALL,
    # void: it cannot say that it failed
    "Close": ("hang", "slow", "too-slow", *_PROCESS, "status-after-close"),
    "Online": _OPERATION,
    "Offline": _OPERATION,
    "Terminate": ("hang", "slow", "too-slow", *_PROCESS, "terminate-does-not-wait"),
    "LooksAlive": (*_CALL, "hang-until-terminate", "application-dies"),
    "IsAlive": (
        *(*_CALL, "hang-until-terminate", "application-dies"),
        *("dump-fails", "dump-hangs", "dump-slow", "dump-too-slow"),
    ),
    "ResourceControl": (*_CALL, "hang-until-terminate"),
}
# Random plans: one call in so many has a fault.
_RARITY: Final = 12


@dataclass(frozen=True, slots=True)
class Fault:
    """`kind` strikes at the `visit`-th call of `op` of resource `res` (counted from 1)."""

    res: str
    op: Operation
    visit: int
    kind: Kind

    def __str__(self) -> str:
        return f"{self.kind} in {self.op} {self.visit} of {self.res}"


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """The faults of one run. `random_seed`: beside them, calls fail at random from this seed."""

    faults: tuple[Fault, ...] = ()
    random_seed: str | None = None
    promises_kept: bool = False  # leave out what a plug-in has promised not to do


def single_faults(resources: Sequence[str], *, visits: int = 2) -> tuple[Fault, ...]:
    """Every kind of fault at every site, the first visits of all sites first."""
    return tuple(
        Fault(res, op, visit, kind)
        for visit in range(1, visits + 1)
        for op in get_args(Operation)
        for kind in FITTING[op]
        for res in resources
    )


def plan_for(seed: int, resources: Sequence[str], *, promises_kept: bool = False) -> FaultPlan:
    """The plan of a seed: none, each single fault, then pairs and random plans in turns."""
    singles = [
        one
        for one in single_faults(resources)
        if not (promises_kept and one.kind in BREAKS_PROMISE)
    ]
    if seed == 0:
        return FaultPlan(promises_kept=promises_kept)
    if 0 < seed <= len(singles):
        return FaultPlan((singles[seed - 1],), promises_kept=promises_kept)
    if seed % 2:
        return FaultPlan((), f"{seed}:faults", promises_kept)
    pair = _pair(singles, (seed - len(singles)) // 2)
    return FaultPlan(pair, promises_kept=promises_kept)


def _pair(singles: Sequence[Fault], turn: int) -> tuple[Fault, ...]:
    """The pair of this turn: every pair comes once, and soon ones differ in both of their faults.

    Pairs are numbered row by row, (0,1) (0,2) (1,2) (0,3) …, and visited with a stride that has no
    divisor in common with their number, near the golden section of it.
    """
    number = len(singles) * (len(singles) - 1) // 2
    stride = int(number * 0.618) or 1
    while math.gcd(stride, number) != 1:
        stride += 1
    at = turn * stride % number
    second = (1 + math.isqrt(8 * at + 1)) // 2
    return singles[at - second * (second - 1) // 2], singles[second]


class FaultSource:
    """Answers, call by call, which fault strikes. One random stream a resource."""

    def __init__(self, plan: FaultPlan, res: str) -> None:
        self._planned = {(one.op, one.visit): one.kind for one in plan.faults if one.res == res}
        self._random = (
            None if plan.random_seed is None else random.Random(f"{plan.random_seed}:{res}")
        )
        self._promises_kept = plan.promises_kept
        self._visits: dict[Operation, int] = {}
        self.struck: list[Fault] = []
        self._res = res

    def strike(self, op: Operation) -> Kind | None:
        """The fault of the next call of `op`, None for a call that goes well."""
        visit = self._visits[op] = self._visits.get(op, 0) + 1
        kind = self._planned.get((op, visit))
        if kind is None and self._random is not None and not self._random.randrange(_RARITY):
            kind = self._random.choice(FITTING[op])
            if self._promises_kept and kind in BREAKS_PROMISE:
                kind = None
        if kind is not None:
            self.struck.append(Fault(self._res, op, visit, kind))
        return kind

"""A spec made ready for judging recordings: compiled once, used for any number of them.

Owns what follows from the System alone: whether instances are followed one by one, the sets of
possible states with all that was ever worked out about them, the states a run may begin in, and all
states there are (SEMANTICS section 6: "Unknown start, gaps and resynchronisation begin from all
states of the receptive System"). It has seen no recording.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from rhscheck.spec.compiled import compile_ground
from rhscheck.spec.expr import StepKind
from rhscheck.spec.ground import ground
from rhscheck.spec.semantics import initial_states
from rhscheck.spec.system import CALL_IDLE, System
from rhscheck.traces.apart import apart
from rhscheck.traces.kept import kept_receptive
from rhscheck.traces.paths import Paths
from rhscheck.traces.places import Places, Values
from rhscheck.traces.possible import MAX_STATES, Possibilities, Step, TooManyStates
from rhscheck.traces.receptive import Receptive
from rhscheck.traces.rounds import Rounds

_MOST_ANYWHERE = 64


@dataclass(frozen=True, slots=True)
class Setting:
    """What an engine depends on beside the System.

    `n`: instances followed together, None: as many as there are, one by one if that is possible.
    `slack_us`: how late steps may be. `unseen`: events that may happen without a line about them.
    """

    n: int | None = None
    slack_us: int = 0
    unseen: tuple[tuple[StepKind, str | None], ...] = ()


class Engine:
    """One System under one setting. Raises ValueError if there is no System of so many instances.

    `alone`: each instance of `world.family` is followed by itself.
    """

    def __init__(self, system: System, setting: Setting = Setting()) -> None:
        self.system = system
        self.setting = setting
        found = apart(system)
        count = 1 if found is not None else setting.n or 1
        self.world: Receptive = kept_receptive(
            system, count, slack_us=setting.slack_us, unseen=setting.unseen, alone=found
        )
        self.alone = found is not None
        self.places = Places(self.world)
        self.sets = Possibilities(self.places)
        self.paths = Paths(self.sets)
        self.rounds = Rounds()
        self._numbers: dict[object, int] = {}
        self._anywhere: dict[object, Step] = {}
        self.hits = tuple(duty.hits for duty in self.world.duties)

    def number(self, meaning: object) -> int:
        """A number for what an event says, the same for every recording."""
        return self._numbers.setdefault(meaning, len(self._numbers))

    @cached_property
    def initial(self) -> tuple[Values, ...]:
        """The values of every initial state. Raises TooManyStates."""
        found: dict[Values, None] = {}
        for state in initial_states(self.world.ground):
            found[state.values] = None
            if len(found) > MAX_STATES:
                raise TooManyStates
        return tuple(found)

    @cached_property
    def shares_unseen(self) -> bool:
        """Whether what instances share may change without a line about it."""
        world, family = self.world, self.world.family
        shared = {one.name for one in self.system.variables if one.family != family}
        return self.alone and any(
            world.ground.slots[slot].variable.name in shared
            for at in world.hidden
            for slot, _ in world.ground.transitions[at].updates
        )

    def begin(self, *, aged: bool) -> Step:
        """The initial states at a moment; `aged`: the run may have begun any time before."""
        return self.sets.of(self.initial, aged=aged)

    @cached_property
    def everything(self) -> tuple[Values, ...]:
        """All states of the receptive System (times aside), observers innocent.

        Raises TooManyStates.
        """
        bare = ground(self.world.bare, self.world.ground.n)
        successors = compile_ground(bare).successors_untimed
        work = [state.values for state in initial_states(bare)]
        seen = dict.fromkeys(work)
        while work:
            for _, after in successors(work.pop()):
                if after not in seen:
                    seen[after] = None
                    work.append(after)
                    if len(seen) > MAX_STATES:
                        raise TooManyStates
        innocent = dict(self.world.innocent)
        # The woven Ground has the variables of the bare one, and observers.
        source = [
            bare.slot_of.get((slot.variable.name, slot.index)) for slot in self.world.ground.slots
        ]
        return tuple(
            sorted(
                tuple(
                    innocent.get(at, 0) if place is None else values[place]
                    for at, place in enumerate(source)
                )
                for values in seen
            )
        )

    @cached_property
    def _lasting(self) -> int:
        """The rules (as bits) that some state breaks by itself."""
        found = 0
        for values in self.everything:
            found |= self.places.broken(values)[0]
        return found

    @cached_property
    def calls(self) -> tuple[int, ...]:
        """The slots that say whether a call is in flight."""
        slots = self.world.ground.slots
        return tuple(at for at, slot in enumerate(slots) if slot.variable.role == "call")

    def anywhere(self, books: tuple[tuple[int, ...], ...], told: int) -> Step:
        """Where a run may be after something that no state allows, or where lines are missing.

        Anywhere; and each of `books` (values of `calls`) may be true of the calls in flight,
        wherever the run is: the bookkeeping of calls is applied by force (SEMANTICS section 6).
        `told`: rules (as bits) that are known to be broken. Its moment is now. Raises
        TooManyStates.
        """
        calls = self.calls
        books = tuple(sorted({book for book in books if any(one != CALL_IDLE for one in book)}))
        # Only a rule about states can still be broken then; what breaks in steps is forgotten.
        told &= self._lasting
        key = (books, told)
        known = self._anywhere.get(key)
        if known is not None:
            return known
        found = dict.fromkeys(self.everything)
        for book in books:
            for values in self.everything:
                forced = list(values)
                for at, value in zip(calls, book, strict=True):
                    forced[at] = value
                found[tuple(forced)] = None
                if len(found) > MAX_STATES:
                    raise TooManyStates
        step = self.sets.of(found, aged=True, told=told)
        if len(self._anywhere) >= _MOST_ANYWHERE:
            self._anywhere.clear()
        self._anywhere[key] = step
        return step

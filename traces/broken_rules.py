"""Which rules are broken where a unit may be, since which line, and by whom.

A rule that is broken in some possible states is suspected, in all of them certain; a later line may
decide which (SEMANTICS section 6). Owns the findings about rules, and blame for them. What the spec
does not allow at all is `traces.inspect`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from rhscheck.traces.blame import Fault, Wording
from rhscheck.traces.edits import SeenLine
from rhscheck.traces.engine import Engine
from rhscheck.traces.follow import Follower
from rhscheck.traces.possible import Node, Step
from rhscheck.traces.repairs import SETTLING, Repairs
from rhscheck.traces.report import Finding
from rhscheck.traces.units import Site, Unit
from rhscheck.traces.verdicts import Recording

_MOST_NODES: Final = 100


class BrokenRules:
    """The rules that the units of one recording break.

    `add` records a finding about a unit, which was certain at some time.
    """

    def __init__(
        self,
        engine: Engine,
        wording: Wording,
        recording: Recording,
        repairs: Repairs,
        add: Callable[[Unit, Finding, int], object],
    ) -> None:
        self._engine = engine
        self._duties = engine.world.duties
        # What happens without a line, whenever, is no better than what is not known.
        self._unseen = bool(engine.setting.unseen)
        self.wording = wording
        self._recording = recording
        self._repairs = repairs
        self._add = add
        self._forgotten: dict[Node, Step] = {}

    def inspect(
        self, unit: Unit, site: Site, origin: Follower | None = None, line: SeenLine | None = None
    ) -> None:
        """Record which rules are now broken in all, or in some, possible states.

        A rule that becomes certain is reported where it was first suspected, if it was known then
        where the unit was. `origin`: where that was before `line`.
        """
        follower = unit.follower
        if follower is None:
            return
        node = follower.node
        if unit.lost:
            if node.some:
                # Of a unit that may be anywhere it is the same node again and again.
                step = self._forgotten.get(node)
                if step is None:
                    if len(self._forgotten) >= _MOST_NODES:
                        self._forgotten.clear()
                    step = self._engine.sets.without(node, node.some, self._engine.hits)
                    self._forgotten[node] = step
                follower.put(step)
            return
        if not node.some and not unit.suspected:
            return
        for bit in _bits(node.some):
            if bit not in unit.suspected:
                unit.suspected[bit] = site
                known = origin is not None and len(origin.node.items) == 1
                vague = self._unseen or (unit.partial and not known)
                unit.vague = unit.vague & ~(1 << bit) | vague << bit
        for bit in [one for one in unit.suspected if not node.some >> one & 1]:
            del unit.suspected[bit]
        if node.certain:
            own = origin is not None and line is not None and self._repairs.open(unit, origin, line)
            if unit.settling and not own:
                unit.settling = SETTLING
            self.report(unit, node.certain, site, own=own)
            follower.put(self._engine.sets.without(node, node.certain, self._engine.hits))

    def report(self, unit: Unit, bits: int, site: Site, *, own: bool) -> None:
        """Rules that are broken now, in every state, by something that the spec allows.

        `own`: it is a fault of its own, from which lines are aligned.
        """
        follower = unit.follower
        assert follower is not None
        mended = self._repairs.mending(Fault(), unit) if own else Fault()
        culprits = self._culprits(bits)
        for bit in self._ordered(bits):
            where = unit.suspected.pop(bit, site)
            if unit.vague >> bit & 1:
                where = site  # all who kept it until now break it here
            actors = culprits or self._earlier(unit, bit) or where.actors
            fault = replace(mended, actors=actors)
            unit.prove(bit, site.time_us)
            told = self._tell(unit, follower, where, bit, fault, site.time_us)
            if own:
                unit.told.append(told)

    def refuse(self, unit: Unit, before: Follower, site: Site, broken: int, fault: Fault) -> None:
        """Report what the spec does not allow: by the rules `broken` by it, or by none.

        `before`: where the unit was when it stopped being possible.
        """
        culprits = self._culprits(broken)
        for bit in self._ordered(broken):
            blamed = replace(fault, actors=culprits or fault.actors)
            unit.prove(bit, site.time_us)
            unit.told.append(self._tell(unit, before, site, bit, blamed, site.time_us))
        if not broken:
            unit.told.append(self._tell(unit, before, site, None, fault, site.time_us))

    def _tell(
        self,
        unit: Unit,
        follower: Follower,
        site: Site,
        bit: int | None,
        fault: Fault,
        proven: int,
    ) -> object:
        """Add a finding; of what is the same as before the states are not listed again."""
        finding = self.wording.finding(unit, follower, site, bit, fault, states=False)
        if not self._recording.repeats(replace(finding, resource=unit.title or finding.resource)):
            finding = replace(finding, possible=self.wording.possible(unit, follower))
        return self._add(unit, finding, proven)

    def innocent(self, unit: Unit, before: Follower, after: Follower) -> Iterator[Follower]:
        """`before` without the states in which a rule had been broken that is certain only `after`.

        Only of rules that were suspected because nobody knew where the unit was. That no innocent
        state allows what comes later does not prove them broken: that may be wrong by itself, and
        the complete recording would say so (SEMANTICS section 6: it never contradicts a definite
        verdict).
        """
        late_found = sum(1 << bit for bit in unit.suspected) & unit.vague & after.node.certain
        if not late_found:
            return
        for rules in (late_found, *(1 << bit for bit in _bits(late_found))):
            innocent = before.copy()
            innocent.put(self._engine.sets.innocent(before.node, rules))
            if innocent.node.items:
                yield innocent

    def or_before(self, unit: Unit, rules: int, fault: Fault) -> Fault:
        """`fault`; or one of the suspected rules was broken before, and all else is right."""
        actors, unmet = dict.fromkeys(fault.actors), []
        for bit, site in unit.suspected.items():
            duty = self._duties[bit]
            if not rules >> bit & 1:
                continue
            actors.update(dict.fromkeys(site.actors if duty.actor is None else (duty.actor,)))
            unmet.append(f"unless line {site.line} broke {duty.id}")
        return replace(fault, actors=tuple(actors), unmet=(*fault.unmet, *unmet))

    def _culprits(self, bits: int) -> tuple[str, ...]:
        """Whose promises are among these duties: they answer for what follows from it at once."""
        actors = (self._duties[bit].actor for bit in _bits(bits))
        return tuple(dict.fromkeys(one for one in actors if one is not None))

    def _earlier(self, unit: Unit, bit: int) -> tuple[str, ...]:
        """Whoever did what was wrong before, if it alone can have led to this broken rule.

        The event is one that the spec allows. No run in which all is right breaks a rule that is
        proved, so the event's own actor may have done what it always does.
        """
        if not self._duties[bit].proved:
            return ()
        found = [
            one
            for one in self._recording.found
            if one.verdict == "violated" and one.resource == (unit.title or unit.name)
        ]
        actors = [one.candidates if one.actor is None else (one.actor,) for one in found]
        return tuple(dict.fromkeys(name for names in actors for name in names))

    def _ordered(self, bits: int) -> list[int]:
        """Assumptions first: they decide about blame."""
        return sorted(_bits(bits), key=lambda bit: self._duties[bit].actor is None)


def _bits(mask: int) -> list[int]:
    return [bit for bit in range(mask.bit_length()) if mask >> bit & 1]

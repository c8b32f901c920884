"""What an assumption is worth: the rules that hold with it and are broken without it.

Owns that comparison. Doing without an assumption only adds behaviour, so a safety rule that holds
without it holds with it, too; only rules that are broken or open without it are looked at again,
with it. The runs are those of the verification without it: shortest, and checked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rhscheck.checker.verdict import Result, name
from rhscheck.spec.system import Can

# Decides rules (ids) without some assumptions (ids).
Decide = Callable[[tuple[str, ...], tuple[str, ...]], Sequence[Result]]


@dataclass(frozen=True, slots=True)
class Protected:
    """A rule that is not kept without some assumptions.

    `kept` and `broken`: the verdicts with them and without them. `by`: the assumptions that are
    enough to break it when one of them alone is missing; none of several: they do it together.
    """

    rule: str
    kept: Result
    broken: Result
    by: tuple[str, ...]

    @property
    def certain(self) -> bool:
        """It holds with the assumptions and is broken without them; else one is not decided."""
        return name(self.kept.verdict) == "proved" and name(self.broken.verdict) == "violated"

    @property
    def broken_anyway(self) -> bool:
        """The assumptions do not help: it is broken with them, too."""
        return name(self.kept.verdict) == "violated"


def protected(
    results: Sequence[Result], without: tuple[str, ...], decide: Decide
) -> tuple[Protected, ...]:
    """The rules among `results` (the verdicts `without` these assumptions) that are not proved.

    `decide` is asked about those again. Permissions are no matter of protection.
    """
    lost = [
        one
        for one in results
        if not isinstance(one.rule.obligation, Can) and name(one.verdict) != "proved"
    ]
    if not lost or not without:
        return ()
    ids = tuple(one.rule.id for one in lost)
    kept = {one.rule.id: one for one in decide(ids, ())}
    sound = tuple(rule for rule in ids if name(kept[rule].verdict) == "proved")
    alone: dict[str, list[str]] = {rule: [] for rule in ids}
    for assumption in without if sound else ():
        found = results if len(without) == 1 else decide(sound, (assumption,))
        for one in found:
            if one.rule.id in sound and name(one.verdict) == "violated":
                alone[one.rule.id].append(assumption)
    return tuple(
        Protected(one.rule.id, kept[one.rule.id], one, tuple(alone[one.rule.id])) for one in lost
    )

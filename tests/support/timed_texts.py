"""Spec texts drawn from a seed, made of what can stop time and what can keep it going.

Deadlines of every kind (`within`, timers, time-outs of calls, raw clocks, urgent steps), conditions
on other instances, steps that reset other instances or move a shared machine, shared variables that
saturate, and what is assumed of an actor. All small enough for every region to be looked at.
"""

from __future__ import annotations

from random import Random
from typing import TypeVar

_T = TypeVar("_T")


def timed_text(seed: int) -> str:
    """The spec of `seed`: a shared machine `S` and the instances of `M`."""
    return _Text(Random(seed)).drawn()


class _Text:
    def __init__(self, random: Random) -> None:
        self.random = random
        self.steps = 0
        self.quantified = self.maybe(0.5)
        self.resetting = self.maybe(0.35)
        self.calling = self.maybe(0.25)
        self.turned = self.turns()
        self.kinds = self.one(("", "within"), ("", "urgent"), ("", "urgent", "within", "after"))

    def maybe(self, chance: float) -> bool:
        return self.random.random() < chance

    def one(self, *choices: _T) -> _T:
        return self.random.choice(choices)

    # -- conditions and effects --------------------------------------------------------------------
    def atom(self, own: bool, clock: str | None) -> str:
        if clock is not None and self.maybe(0.35):
            return f"{clock} {self.one('<=', '>=', '<', '>')} {self.one(1, 2)}s"
        if self.quantified and self.maybe(0.3):
            return self.one(
                "(exists j in M: (in j.B))", "(exists j in M: (j.a))", "(forall j in M: (j.a))",
                "(forall j in M: (not in j.B))",
            )  # fmt: skip
        shared = ("flag", "not flag", "count >= 1", "count == 0", "in S.U", "not in S.U")
        mine = ("a", "not a", "in A", "in B", "left == 1", "left != 0", "left == 0")
        choices: tuple[str, ...] = (*shared, *mine) if own else shared
        return self.one(*choices)

    def condition(self, own: bool, clock: str | None = None) -> str:
        parts = [self.atom(own, clock) for _ in range(self.one(0, 1, 1, 2))]
        if parts and self.maybe(0.15):
            parts[0] = f"({parts[0]} or {self.atom(own, clock)})"
        return " and ".join(parts)

    def effects(self, own: bool, clock: str | None) -> str:
        made = []
        if own and self.maybe(0.5):
            others = ("(exists j in M: (in j.B))",) if self.quantified else ()
            made.append("a = " + self.one("true", "false", "not a", *others))
        if own and self.maybe(0.25):
            made.append("left = " + self.one("0", "2", "left + 1", "left - 1"))
        if self.maybe(0.4):
            made.append("flag = " + self.one("true", "false", "not flag"))
        if self.maybe(0.3):
            made.append("count = " + self.one("0", "count + 1", "count - 1"))
        if clock is not None and self.maybe(0.3):
            made.append(f"{clock} = 0")
        return " { " + ", ".join(made) + " }" if made else ""

    def turn(self) -> tuple[str, str, str, str]:
        """What an instance waits for, and the state, the effects and what else ends it."""
        return self.one(*self.turned)

    def turns(self) -> tuple[tuple[str, str, str, str], ...]:
        """Of one thing that is turned over and over in this text, or of several."""
        things = [
            (("flag", "", " { flag = false }", ""), ("not flag", "", " { flag = true }", "")),
            (("a", "", " { a = false }", ""), ("not a", "", " { a = true }", "")),
            (
                ("count == 0", "", " { count = count + 1 }", ""),
                ("count >= 1", "", " { count = count - 1 }", ""),
            ),
            (
                ("left == 0", "", " { left = left - 1 }", ""),
                ("left >= 1", "", " { left = left - 1 }", ""),
            ),
            (("in S.U", "", "", " sync S.up"), ("in S.V", "", "", " sync S.down")),
        ]
        if self.quantified:
            seen = "(exists j in M: (in j.B))"
            things += [
                (
                    (f"a and {seen}", "", " { a = false }", ""),
                    (f"not a and {seen}", "", " { a = true }", ""),
                ),
                (
                    ("left == 0", "", f" {{ a = {seen} }}", ""),
                    ("not a", "", f" {{ a = {seen} }}", ""),
                ),
            ]
        if self.resetting:
            things += [(("in A", " -> B", "", " resets M where in B"),) * 2]
        chosen = self.random.sample(things, 1 if self.maybe(0.6) else 3)
        return tuple(turn for thing in chosen for turn in thing)

    # -- lines -------------------------------------------------------------------------------------
    def step(
        self, own: bool, states: tuple[str, ...], clock: str | None, kinds: tuple[str, ...]
    ) -> str:
        self.steps += 1
        kind, actor = self.one(*kinds), self.one("H", "D")
        head = {
            "": f"by {actor}",
            "urgent": f"urgent by {actor}",
            "within": f"within {self.one(1, 2)}s by {actor}",
            "after": f"after {self.one(1, 2)}s by {actor}",
        }[kind]
        asked = self.condition(own, clock if kind in ("", "after") else None)
        to = f" -> {self.one(*states)}" if self.maybe(0.5) else ""
        effects = self.effects(own, clock)
        moves = f" sync S.{self.one('up', 'down')}" if own and self.maybe(0.2) else ""
        if own and self.maybe(0.5 if kind in ("urgent", "within") else 0.25):
            turned, to, effects, moves = self.turn()
            asked = f"{turned} and {asked}" if asked and self.maybe(0.3) else turned
        when = f" when {asked}" if asked else ""
        resets = ""
        if self.resetting and "resets" not in moves and self.maybe(0.25):
            whose = self.one("in B", "a", "in A", "true")
            resets = f" resets M where {whose}"
        return f"    {head}: e{self.steps}{when}{to}{effects}{moves}{resets}"

    def deadline(self, own: bool, states: tuple[str, ...], clock: str) -> list[str]:
        """A deadline of a raw clock, and most often a step that may end it."""
        asked, bound = self.condition(own), self.one(1, 2, 3)
        made = [f"    deadline {clock} <= {bound}s{f' when {asked}' if asked else ''} by D"]
        if self.maybe(0.85):
            self.steps += 1
            reached = f"{clock} >= {bound}s" if self.maybe(0.6) else ""
            guard = " and ".join(part for part in (asked, reached) if part)
            then = self.one(
                f" -> {self.one(*states)}", f" {{ {clock} = 0 }}", " { a = not a }" if own else "",
                " { flag = not flag }", " { count = count + 1 }",
            )  # fmt: skip
            made.append(f"    by D: e{self.steps}{f' when {guard}' if guard else ''}{then}")
        return made

    # -- machines ----------------------------------------------------------------------------------
    def shared(self) -> list[str]:
        clock = "w" if self.maybe(0.3) else None
        made = ["shared machine S {", *(["  clock w"] if clock else [])]
        for name, moved, other in (("U", "up", "V"), ("V", "down", "U")):
            made += [f"  {'initial ' if name == 'U' else ''}state {name} {{"]
            made += [f"    on {moved} -> {other}"]
            if self.maybe(0.4):
                made.append(self.step(False, ("U", "V"), clock, self.kinds))
            if clock is not None and self.maybe(0.4):
                made += self.deadline(False, ("U", "V"), clock)
            made.append("  }")
        return [*made, "}"]

    def instances(self) -> list[str]:
        states = self.one(("A", "B"), ("A", "B", "C"))
        suspended = " requires in S.U" if self.maybe(0.15) else ""
        made = [f"machine M[i in 1..N]{suspended} {{"]
        made += [f"  var a : bool = {self.one('false', 'true')}", "  var left : 0..2 = 0"]
        if self.calling:
            made += ["  late return Go(*)", f"  on timeout Go -> {self.one(*states)}"]
        for name in states:
            made += [f"  {'initial ' if name == 'A' else ''}state {name} {{"]
            # Where a reset leads to, nothing may run already.
            timed = not (self.resetting and name == "A")
            clock = f"x{name}" if timed and self.maybe(0.6) else None
            made += [f"    clock {clock}"] if clock else []
            kinds = self.kinds if timed else ("", "urgent")
            made += [self.step(True, states, clock, kinds) for _ in range(self.one(1, 1, 2))]
            if clock is not None and self.maybe(0.5):
                made += self.deadline(True, states, clock)
            elif timed and self.maybe(0.2):
                made += [f"    timer t{name} = {self.one(1, 2)}s"]
                made += [f"    on t{name} -> {self.one(*states)}"]
            if self.calling and (name == "A" or self.maybe(0.5)):
                made += [f"    by H: call Go when not inflight(Go) -> {self.one(*states)}"]
            made.append("  }")
        made += [f"  by H: lift{self.when('in S.U')} sync S.up"]
        made += [f"  by D: drop{self.when('in S.V')} sync S.down"]
        return [*made, "}"]

    def when(self, first: str) -> str:
        more = self.condition(True)
        return f" when {first}{f' and {more}' if more else ''}"

    def promises(self) -> list[str]:
        held = self.one("in A", "in B", "a", "not a", "flag", "in S.U")
        said = self.one(
            f"never event drop and {held}",
            f"never event drop while {held}",
            f"when {held} leads to event drop or {self.one('in A', 'not a')} within 2s",
        )
        return ["rules M {", f'  assume P "a promise" of D: {said}', "}"]

    def drawn(self) -> str:
        lines = ["spec drawn", "actors { host H, plugin D }"]
        lines += ["entry Go returns { ok } timeout 2s"] if self.calling else []
        lines += ["var flag : bool = false", "var count : 0..2 = 0"]
        lines += [*self.shared(), *self.instances()]
        lines += self.promises() if self.maybe(0.3) else []
        return "\n".join(lines) + "\n"

"""The codes of diagnostics: the only list there is.

Owns number, title, explanation and example of each (`rhscheck explain CODE`). Codes by hundreds:
0xx text, 1xx names, 2xx types and assignments, 3xx what can happen, 4xx settings. A number never
changes its meaning.
"""

from __future__ import annotations

import enum
import textwrap


class Code(enum.Enum):
    """Every diagnostic: number, title, explanation, and an example of bad and good."""

    SYNTAX = (
        "SM001",
        "the text does not follow the grammar",
        "The parser met a word or sign that cannot stand here. The message lists what "
        "could. A rule clause or a transition ends at the end of its line; a line may be "
        "continued after `and`, `or`, a comma or an opening bracket.",
        "by M: go when k = 1 -> S",
        "by M: go when k == 1 -> S",
    )

    ENCODING = (
        "SM002",
        "the file is not UTF-8 text",
        "Specs are UTF-8, with or without a byte order mark. Save the file again as UTF-8.",
        "a file saved as Latin-1 or UTF-16",
        "the same file saved as UTF-8",
    )

    EMPTY = (
        "SM003",
        "the spec is empty",
        "A spec starts with `spec NAME` and declares at least one machine.",
        "# only a comment",
        "spec door\nmachine Door {\n  initial state Shut\n}",
    )

    TOO_LARGE = (
        "SM004",
        "the spec is too large",
        "Texts over 1 MB are refused, so that a wrong file cannot stop the tool. Split a "
        "large spec with `use`.",
        "one file of 2 MB",
        'use "types.sm"\nuse "rules.sm"',
    )

    TOO_DEEP = (
        "SM005",
        "brackets or blocks are nested too deep",
        "More than 100 levels of brackets or blocks are refused. Give parts a name or "
        "flatten them.",
        "not (not (not (not (…))))",
        "k or (l and m)",
    )

    USE = (
        "SM006",
        "a used file cannot be read",
        '`use "other.sm"` takes a path relative to the file that uses it. Files must not '
        "use each other in a circle.",
        'use "missing.sm"',
        'use "../shared/types.sm"',
    )

    NO_MACHINE = (
        "SM007",
        "the spec declares no machine",
        "Without a machine nothing happens and nothing can be checked.",
        "spec door\nactors { host H }",
        "spec door\nactors { host H }\nmachine Door {\n  initial state Shut\n}",
    )

    TOO_MANY = (
        "SM008",
        "a line stands for too many cases",
        "`any`, `for … in entries`, definitions within definitions and quantifiers within"
        " quantifiers multiply. What would have to be written out in thousands of cases "
        "is refused.",
        "by M: draw { a = any, b = any, c = any }   # each of 0..99",
        "by M: draw_a { a = any }\nby M: draw_b { b = any }",
    )

    UNKNOWN_NAME = (
        "SM101",
        "this name is not declared",
        "States, entries, events, variables, parameters and actors are separate "
        "namespaces; the message says which kind was looked for.",
        "return Online(succes) -> Online",
        "return Online(success) -> Online",
    )

    DUPLICATE = (
        "SM102",
        "this name is declared twice",
        "Within one namespace every name is declared once. Both places are shown.",
        "var k : bool = false\nvar k : 0..3 = 0",
        "var k : bool = false\nvar tries : 0..3 = 0",
    )

    AMBIGUOUS_NAME = (
        "SM103",
        "this state name fits several states",
        "A state may be named by the end of its path when that is unique (`Pending` for "
        "`Onlining.Pending`). Here several states end like that; write more of the path.",
        "by M: go -> Pending              # Onlining.Pending and Offlining.Pending",
        "by M: go -> Onlining.Pending",
    )

    UNUSED = (
        "SM104",
        "declared but never used",
        "Nothing refers to this declaration, so changing it changes no verdict. Remove it"
        " or use it.",
        "timer silence = 3m",
        "timer silence = 3m\non silence -> Failed",
    )

    MISSING_OWNER = (
        "SM105",
        "it is not clear which instance is meant",
        "Outside a machine a name like `in Online` needs an instance: write `i.Online` "
        "under `for i in Resource`, or put the rule into `rules Resource { … }`.",
        "rule R: never in Failed",
        "rules Resource {\n  rule R: never in Failed\n}",
    )

    TYPE = (
        "SM201",
        "this expression has the wrong type",
        "Conditions are Boolean; numbers compare with numbers, members of an enumeration "
        "with members of the same enumeration, clocks and parameters with times.",
        "by M: go when tries",
        "by M: go when tries == 3",
    )

    ASSIGNED_TWICE = (
        "SM202",
        "a step assigns this variable twice",
        "The effects of a step happen at once, so a variable can get one value only.",
        "by M: go { k = 1, k = 2 }",
        "by M: go { k = 2 }",
    )

    RANGE = (
        "SM203",
        "this value is outside the variable's range",
        "A bounded integer holds the values of its type only.",
        "var tries : 0..3 = 7",
        "var tries : 0..7 = 7",
    )

    UNIT = (
        "SM204",
        "a time needs a unit, a number none",
        "Write `5m`, `300ms`, `60s`, `2h`; plain integers are numbers, not times.",
        "timer silence = 3",
        "timer silence = 3m",
    )

    INITIAL_STATE = (
        "SM205",
        "a machine or composite state needs exactly one initial state",
        "Mark one of the states `initial`; a single state needs no mark.",
        "machine Door {\n  state Open\n  state Shut\n}",
        "machine Door {\n  state Open\n  initial state Shut\n}",
    )

    CONSTANT_ANY = (
        "SM206",
        "a variable that is reset needs a definite initial value",
        "`resets` puts every variable that is ever assigned back to its initial value; "
        "with `any` there is no such value. Give one, or never assign the variable.",
        "var k : bool = any               # and somewhere { k = true }",
        "var k : bool = false",
    )

    NOT_CONSTANT = (
        "SM207",
        "this must be a constant",
        "Bounds of clocks, time-outs and integer types are fixed when the spec is read.",
        "var k : 0..3 = tries             # another variable",
        "param First = 2\nvar k : 0..3 = First",
    )

    NOT_BOOLEAN_STEP = (
        "SM208",
        "a step formula cannot stand here",
        "`start`, `return`, `timeout`, `event`, `enter`, `leave` and `reset` speak of a "
        "step; guards, invariants and initial conditions speak of a state.",
        "by M: go when start(Online)",
        "by M: go when inflight(Online)",
    )

    STATE_RULE = (
        "SM209",
        "this clause needs an event",
        "`before`, `after` and `within` speak about something that happens in a step, "
        "such as `start(Online)`.",
        "never start(IsAlive) before in Online",
        "only in Online: start(IsAlive)",
    )

    ASSUMPTION_ACTOR = (
        "SM210",
        "an assumption must be about its actor's own steps",
        "Only a step or a missed deadline of the named actor may falsify an assumption; "
        "otherwise verification would silently forbid what somebody else does.",
        "assume D1 of DLL: never start(Online) while k",
        "assume M1 of RCM: never start(Online) while k",
    )

    UNHANDLED = (
        "SM301",
        "a return or callback can happen where no state handles it",
        "A plug-in may return from a call with any result while the call is in flight, "
        "and call back while the callback's condition holds. Handle it (`return X(v) …`, "
        "`late return X(v)`), or, if the plug-in must not do it, say so with `assume`.",
        "state Failed                     # Online may still be in flight",
        "state Failed {\n  late return Online(*)\n}",
    )

    AMBIGUOUS = (
        "SM302",
        "two transitions compete for the same event",
        "Both can be taken in a reachable state and lead to different results. If the "
        "choice is meant, write it as one transition with `-> A | B`; otherwise make the "
        "conditions exclusive.",
        "by M: go -> A\nby M: go -> B",
        "by M: go -> A | B",
    )

    SHADOWED = (
        "SM303",
        "an inner transition always takes precedence over this one",
        "An enabled inner transition overrides an outer one on the same event. This one "
        "is overridden everywhere, so it is dead text.",
        "state Up {\n  by M: go -> A\n  initial state In { by M: go -> B }\n}",
        "state Up {\n  initial state In { by M: go -> B }\n}",
    )

    UNREACHABLE = (
        "SM304",
        "this state cannot be reached",
        "No run enters it, whatever the timing. A transition into it is missing or has a "
        "condition that never holds.",
        "state Repair                     # no transition leads here",
        "by M: mend -> Repair",
    )

    NEVER_FIRES = (
        "SM305",
        "this transition can never be taken",
        "Its condition holds in no reachable state. Rules about it hold for no good reason.",
        "by M: go when k and not k -> S",
        "by M: go when k -> S",
    )

    TIMELOCK = (
        "SM306",
        "time stops",
        "A state is reachable in which neither a step nor a delay is possible; everything"
        " that says `within` would hold vacuously.",
        "deadline x <= 5s                 # and no step is possible at 5 s",
        "deadline x <= 5s\nby RHS: give_up when x == 5s -> Failed",
    )

    FORCED_ACTOR = (
        "SM307",
        "an actor without a deadline is forced to act",
        "No time can pass and every possible step belongs to an actor that owns no "
        "deadline here: a hung plug-in would be made to return.",
        "urgent by RHS: poll when k       # only a return of the DLL makes `k` false",
        "by RHS: poll when k",
    )

    ZENO = (
        "SM308",
        "infinitely many steps in no time",
        "The host can go round in a circle without time passing and without anybody else acting.",
        "urgent by RHS: retry -> Same     # again and again, without time passing",
        "timer pause = 5s\non pause -> Same",
    )

    VACUOUS_ASSUMPTION = (
        "SM309",
        "this assumption never binds",
        "Removing it changes nothing that can happen, so no verdict relies on it.",
        "assume D1 of DLL: never return Close(pending)   # Close has no such result",
        "# nothing: leave the assumption out",
    )

    UNDECIDED = (
        "SM310",
        "a property is expected to stay undecided",
        "`expect …: unknown` counts as met, but the property is neither proved nor refuted.",
        "expect L1: unknown",
        "expect L1: proved",
    )

    VACUOUS_RULE = (
        "SM311",
        "what this rule is about never happens",
        "The rule holds because its premise is never true, not because anybody keeps to it. "
        "A name is wrong, or a transition is missing or has a condition that never holds.",
        "rule R1: never start(Close) while in Repair      # nothing leads to Repair",
        "rule R1: never start(Close) while in Running",
    )

    NO_WITNESS = (
        "SM312",
        "no run uses this permission",
        "`can …` is a promise that something is possible. It is impossible, or no run was found.",
        "rule P1: can in Repair           # nothing leads to Repair",
        "by M: mend -> Repair",
    )

    SETTING_NAME = (
        "SM401",
        "there is no such parameter or reading",
        "`--set NAME=VALUE` takes the parameters and readings that the spec declares.",
        "rhscheck verify rhs --set CalTimeout=5m",
        "rhscheck verify rhs --set CallTimeout=5m",
    )

    SETTING_VALUE = (
        "SM402",
        "this value does not fit the parameter",
        "Times need a unit, numbers none, readings take one of their options.",
        "rhscheck verify rhs --set CallTimeout=5",
        "rhscheck verify rhs --set CallTimeout=5m",
    )

    @property
    def number(self) -> str:
        """As it is shown and asked for: `SM101`."""
        return self.value[0]

    @property
    def title(self) -> str:
        """What is wrong, in half a sentence."""
        return self.value[1]

    @property
    def explanation(self) -> str:
        """Why, and an example: paragraphs divided by blank lines, no line end at the end."""
        _, _, text, bad, good = self.value
        return (
            f"{text}\n\nInstead of\n\n{textwrap.indent(bad, '    ')}"
            f"\n\nwrite\n\n{textwrap.indent(good, '    ')}"
        )

"""Single-edit mutants of rhs.sm: which text is changed, and which rule must notice.

Each mutant is one replacement of a text that occurs exactly once. `rule` is the rule (or
permission) that has to refute it; `length` the least number of steps of a counterexample with `n`
instances, None for permissions (shown impossible) and liveness. `clocks`: without which the timing
of some shorter run would look possible; the referee of the lengths keeps these.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources


@dataclass(frozen=True)
class Mutant:
    name: str
    old: str
    new: str
    rule: str
    length: int | None = None
    n: int = 1
    clocks: tuple[str, ...] = ()


def mutated(mutant: Mutant) -> str:
    """The text of rhs.sm with the mutant's edit."""
    text = (resources.files("rhscheck.spec.library") / "rhs.sm").read_text(encoding="utf-8")
    if text.count(mutant.old) != 1:
        raise ValueError(f"{mutant.name}: the text to change occurs {text.count(mutant.old)} times")
    return text.replace(mutant.old, mutant.new)


SAFETY = (
    Mutant("control-before-open", "    by RCM: call Open -> Opening\n",
           "    by RCM: call Open -> Opening\n    by RCM: call ResourceControl\n", "R1", 1),
    Mutant("control-while-opening", "    return Open(failure) -> Unopened",
           "    by RCM: call ResourceControl\n    return Open(failure) -> Unopened", "R1strict", 2),
    Mutant("close-beside-a-control", "call Close when quiet", "call Close", "R2", 4),
    Mutant("reopened-after-close", "  final state Closed ",
           "  state Closed { by RCM: call Open -> Opening } ", "R2last", 5),
    Mutant("worker-outlives-terminate", "(inflight(Online, Offline) or worker))\n        or",
           "inflight(Online, Offline))\n        or", "R2worker", 7),
    Mutant("online-outlives-terminate", "(inflight(Online, Offline) or worker))\n        or",
           "worker)\n        or", "P3", 5),
    Mutant("terminate-while-opening", "    return Open(failure) -> Unopened",
           "    by RCM: call Terminate\n    return Open(failure) -> Unopened", "R3", 2),
    Mutant("terminate-while-closing", "    return Close(success) -> Closed",
           "    by RCM: call Terminate\n    return Close(success) -> Closed", "R3", 4),
    Mutant("control-not-in-the-lane", "lane serial = { ResourceControl, IsAlive",
           "lane serial = { IsAlive", "R4", 4),
    Mutant("poll-not-in-the-lane", "lane serial = { ResourceControl, IsAlive, LooksAlive,",
           "lane serial = { ResourceControl, IsAlive,", "R4", 7),
    Mutant("control-in-progress", "    by RCM: call ResourceControl when slot ",
           "    by RCM: call ResourceControl ", "R6", 4),
    Mutant("control-while-failed", "never start(ResourceControl) while in Failed",
           "never start(ResourceControl) while in Closing", "R4strict", 5),
    Mutant("poll-while-failed", "      initial state Waiting ",
           "      initial state Waiting { every IsAliveInterval by RHS: call IsAlive when slot } ",
           "R5", 6),
    Mutant("poll-while-offlining", "    state Offlining { ",
           "    state Offlining { every IsAliveInterval by RHS: call IsAlive when slot\n",
           "P11", 8),
    Mutant("poll-while-pending", "        on onlineSilence -> Waiting",
           "        on onlineSilence -> Waiting\n"
           "        every LooksAliveInterval by RHS: call LooksAlive when slot", "R5", 6),
    Mutant("silence-not-restarted",
           " restart on SetResourceStatus(pending)\n        on onlineSilence",
           "\n        on onlineSilence", "P1[onlineSilence]", 6, 1,
           ("Resource.timer.onlineSilence",)),
    Mutant("silence-too-short", "timer onlineSilence = PendingTimeout",
           "timer onlineSilence = IsAliveInterval", "P1[onlineSilence]", 5),
    Mutant("silence-too-long", "timer offlineSilence = PendingTimeout",
           "timer offlineSilence = CallTimeout", "B2[Offlining.Pending]", 6),
    Mutant("failed-forgets-terminate", "      initial state Waiting ",
           "      initial state Waiting { by RCM: call Close when quiet -> Closing } ", "P2", 5),
    Mutant("late-report-revives", "      initial state Waiting ",
           "      initial state Waiting {"
           " SetResourceStatus(success) -> Online.Polled { worker = false } } ",
           "P2stale", 6),
    Mutant("failure-not-confirmed",
           "{ inLooksAlive = LooksAliveFailure == sameCall } then call IsAlive", "-> Waiting",
           "P4", 7),
    Mutant("online-deadlock-kills-rhs", "on timeout Online -> Waiting ",
           "on timeout Online -> Waiting sync host.crash ", "P5", 4),
    Mutant("control-deadlock-survives", "LooksAlive, IsAlive, ResourceControl sync host.crash",
           "LooksAlive, IsAlive sync host.crash", "P5other", 4),
    Mutant("terminate-deadlock-survives", "on timeout Open, Close, Terminate, LooksAlive",
           "on timeout Open, Close, LooksAlive", "B3[Terminate]", 6, 1,
           ("Resource.call.Terminate.clock", "Resource.call.Online.clock")),
    Mutant("open-deadlock-survives", "on timeout Open, Close, Terminate, LooksAlive",
           "on timeout Close, Terminate, LooksAlive", "P5other", 2),
    Mutant("handle-and-polls", "      state Watched { ",
           "      state Watched { every LooksAliveInterval by RHS: call LooksAlive when slot\n",
           "P6", 6),
    Mutant("looks-alive-too-often", "every LooksAliveInterval by RHS", "every QuickReturn by RHS",
           "P6early", 6),
    Mutant("looks-alive-too-seldom", "every LooksAliveInterval by RHS",
           "every IsAliveInterval by RHS", "P6late", 5),
    Mutant("is-alive-too-often", "every IsAliveInterval by RHS", "every LooksAliveInterval by RHS",
           "P6earlyIsAlive", 6),
    Mutant("is-alive-starves", "{ isAliveFirst, eitherFirst } = isAliveFirst",
           "{ isAliveFirst, eitherFirst } = eitherFirst", "P6lateIsAlive", 10, 1,
           ("Resource.call.LooksAlive.clock", "Resource.call.ResourceControl.clock",
            "Resource.every.IsAlive@Opened.Online.Polled",
            "Resource.every.LooksAlive@Opened.Online.Polled")),
    Mutant("death-resets-nothing", " resets Resource where host == p", "", "P7", 3),
    Mutant("death-forgets-the-second", "resets Resource where host == p",
           "resets Resource where host == p and i == 1", "P7every", 3, 2),
    Mutant("death-resets-everyone", "resets Resource where host == p", "resets Resource", "P7only",
           3, 2),
    Mutant("failure-is-not-followed-up", " == sameCall } then call IsAlive", " == sameCall }",
           "P10", 7),
    Mutant("online-deadlock-unnoticed",
           "        on timeout Online -> Waiting    # \"RHS notifies RCM. RCM is expected to issue"
           " a Terminate call.\"\n", "", "B1[Online]", 4, 1, ("Resource.call.Online.clock",)),
    Mutant("dump-too-slow", "within DumpTimeout by RHS: exit",
           "within 2 * DumpTimeout by RHS: exit", "B4", 5),
)  # fmt: skip

PERMISSIONS = (
    Mutant("terminate-waits-for-online", "or not in Failed) and not in Terminating",
           "or not in Failed) and not in Terminating and not inflight(Online)", "R3can[Online]"),
    Mutant("terminate-waits-for-the-slot", "or not in Failed) and not in Terminating",
           "or not in Failed) and not in Terminating and free(serial)", "P9"),
    Mutant("no-control-while-pending", "by RCM: call ResourceControl when slot ",
           "by RCM: call ResourceControl when slot and not worker ", "R6can[Onlining.Pending]"),
    Mutant("no-control-while-offlining", "by RCM: call ResourceControl when slot ",
           "by RCM: call ResourceControl when slot and not in Offlining ",
           "P8[Offlining.Pending]"),
)  # fmt: skip

# What only liveness sees: each breaks its rule in a run that never ends.
LIVENESS = (
    Mutant("terminate-is-forgotten", "      -> Failed.Terminating\n    by RHS",
           "\n    by RHS", "L1"),
    Mutant("terminate-changes-nothing", "        return Terminate(success) -> Offline",
           "        return Terminate(success) -> Waiting", "L1"),
    Mutant("unfair-terminate", "fair RCM: call Terminate, recover", "fair RCM: recover", "L1"),
    Mutant("terminate-waits-for-the-worker", "or not in Failed) and not in Terminating",
           "or not in Failed) and not in Terminating and not worker", "L2"),
    Mutant("unfair-recovery", "fair RCM: call Terminate, recover", "fair RCM: call Terminate",
           "L3"),
)  # fmt: skip

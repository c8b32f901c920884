"""Cluster logs made up from the published shapes of lines, whole and damaged. For tests only."""

from __future__ import annotations

import random
from collections.abc import Sequence

USUAL = (
    "INFO  [RCM] Res r{n}: Offline -> OnlineCallIssued( StateUnknown )",
    "INFO  [RCM] TransitionToState(r{n}) Offline-->OnlineCallIssued.",
    "INFO  [RCM] Issuing Online(r{n}) to RHS.",
    "INFO  [RCM] HandleMonitorReply: ONLINERESOURCE for 'r{n}', gen(0) result 997/0.",
    "INFO  [RCM] TransitionToState(r{n}) OnlineCallIssued-->OnlinePending.",
    "INFO  [RHS] Resource r{n} called SetResourceStatusEx: checkpoint {k}. Old state "
    "OnlinePending, new state OnlinePending, AppSpErrorCode 0, Flags 0, nores=false",
    "INFO  [RHS] Resource r{n} has come online. RHS is about to report status change to RCM",
    "INFO  [RCM] TransitionToState(r{n}) OnlinePending-->Online.",
    "INFO  [RCM] Issuing Offline(r{n}) to RHS.",
    "INFO  [RHS] Resource r{n} has come offline. RHS is about to report resource status to RCM.",
    "INFO  [RCM] HandleMonitorReply: TERMINATERESOURCE for 'r{n}', gen(1) result 0/0.",
    "INFO  [RES] Physical Disk <r{n}>: all is well {k}",
    "INFO  [RES] Generic Script <r{n}>: Entering Online function of [r{n} (S:\\x.js)].",
    "INFO  [RES] Generic Script <r{n}>: Entering Terminate function of [r{n} (S:\\x.js)].",
    "INFO  [GUM] Node 2: nothing that concerns a resource",
)
LOUD = (
    "ERR   [RHS] RhsCall::DeadlockMonitor: Call ISALIVE timed out by 16 milliseconds for resource "
    "'r{n}'.",
    "ERR   [RHS] RhsCall::DeadlockMonitor: Call ONLINERESOURCE timed out for resource 'r{n}'.",
    "ERR   [RHS] Resource r{n} handling deadlock. Cleaning current operation.",
    "ERR   [RHS] WER report is submitted. Result : WerReportQueued.",
    "WARN  [RHS] Cluster service has terminated. Cluster.Service.Running.Event got signaled.",
    "WARN  [RCM] rcm::RcmResource::HandleMonitorReply: Resource 'r{n}' has crashed or deadlocked; "
    "marking it to run in a separate monitor.",
    "INFO  [RCM] rcm::RcmMonitor::RestartResources: Monitor restart for resource r{n}",
    "INFO  rcm::RcmMonitor::RestartResources[RCM] rcm::RcmMonitor::RestartResources: Monitor "
    "restart for resource r{n}",
    "WARN  [RHS] Resource r{n} IsAlive has indicated failure.",
    "ERR   [RES] Physical Disk <r{n}>: no answer {k}",
    "ERR   [RES] Physical Disk: no answer {k}",
    "ERR   [RHS] Online for resource r{n} failed.",
    "ERR   [RHS] Error 5023 from ResourceControl for resource r{n}.",
    "INFO  [RCM] Separate monitor flag has changed for resource 'r{n}'.  Now hosted by RHS "
    "process 0",
    "INFO  [RCM] rcm::RcmResource::ReattachToMonitorProcess: (r{n}, Online)",
    "INFO  [RCM] Created monitor process 6656 / 0x1a00",
    "INFO  [RCM] rcm::RcmMonitor::RecoverProcess: Recovering monitor process 6916 / 0x1b04",
    "INFO  [RES] Generic Script <r{n}>: Entering Close function of [r{n} (S:\\x.js)].",
    "ERR   [RHS] Resource r{n} handling deadlock. Cleaning current operation and terminating RHS "
    "process.",
    "INFO  [RHS] Resource r{n} called SetResourceStatusEx: checkpoint {k}. Old state Online, new "
    "state Failed, AppSpErrorCode 0, Flags 0, nores=false",
    "ERR   [RHS] Offline for resource r{n} failed.",
    "ERR   [RES] Physical Disk <r{n}>: OnlineThread: Error 123 bringing resource online.",
    "ERR   [RCM] Arbitrating resource 'r{n}' returned error 121",
    "INFO  [RCM] HandleMonitorReply: ONLINERESOURCE for 'r{n}', gen(0) result 0/0.",
    "WARN  [RCM] HandleMonitorReply: OFFLINERESOURCE for 'r{n}', gen(0) result 5018/0.",
    "WARN  [RCM] HandleMonitorReply: ONLINERESOURCE for 'r{n}', gen(0) result 5910/0.",
    "INFO  [RCM] HandleMonitorReply: FAILURENOTIFICATION for 'r{n}', gen(0) result 1/0.",
    "INFO  [RHS] a message that nobody knows {k}",
)
_STEPS_MS = (0, 1, 5, 1000, 20_000, 100_000)


def log_lines(
    rng: random.Random, count: int, *, resources: int = 4, loud: float = 0.15
) -> list[str]:
    """Lines in which `resources` resources go their way; the time now and then goes back."""
    lines, now = [], 36_000_000
    for _ in range(count):
        now += rng.choice(_STEPS_MS)
        if rng.random() < 0.03:
            now = max(0, now - rng.choice((5, 500, 3000, 90_000)))
        text = rng.choice(LOUD if rng.random() < loud else USUAL)
        text = text.format(n=rng.randrange(resources), k=rng.randrange(4))
        pid = "00000fe4" if "[RCM]" in text else rng.choice(("00001a00", "00001b04"))
        seconds, millis = divmod(now, 1000)
        clock = f"{seconds // 3600 % 24:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{millis:03}"
        day = 6 + seconds // 86_400
        lines.append(f"{pid}.{rng.randrange(64):08x}::2024/05/{day:02}-{clock} {text}")
    return lines


def damaged(rng: random.Random, lines: Sequence[str]) -> list[str]:
    """The lines with some cut, lost, doubled, wrapped, redacted or in the wrong place."""
    found = list(lines)
    for _ in range(rng.randrange(6)):
        if not found:
            break
        at = rng.randrange(len(found))
        to = min(len(found), at + rng.randrange(1, 6))
        line = found[at]
        place = rng.randrange(len(line) + 1)
        match rng.randrange(12):
            case 0:
                del found[at:to]
            case 1:
                found[at:at] = found[at:to]
            case 2:
                found[at:to] = found[at:to][::-1]
            case 3:
                found[at] = " ".join(line.split())
            case 4:
                found[at] = line.partition(" ")[2]
            case 5:
                found[at] = line.replace("::20", "::*<DateTime>* 20")
            case 6:
                found[at : at + 1] = [line[:place], line[place:]]
            case 7:
                odd = ("...", "", "[=== Cluster Logs ===]", "[=== System ===]", "x\0\x1b[31m")
                found.insert(at, rng.choice(odd))
            case 8:
                found[at] = line[:place]
            case 9:
                found[at] = line.replace("INFO", "WARN")
            case 10:
                found[at] = "[System] " + line
            case _:
                found[at] = line.replace("] ", "] [RHS] ", 1)
    return found

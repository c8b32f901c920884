"""The transition table of one resource as RCM sees it: in which state which message means what.

Owns the table as data; what the names in its cells do is `tracer.rcm_core`'s. It is total: messages
of a monitor may be overtaken by commands, so every message has a cell in every state. What RCM
*wants* of a resource is no message; it follows from all states together (`tracer.rcm_core`).
`due Offline` is the one timer: no message has answered an Offline in time.

The states are those of cluster.log where one is known (`OnlineCallIssued` …). `Closed` is the end
of the node's shutdown, so the end of the monitor changes nothing of it any more; a resource whose
Close was refused, because something of it still runs, is closed by that end and named as not clean.
"""

from __future__ import annotations

from typing import Final, Literal, get_args

from rhscheck.tracer.table import parse

RcmState = Literal[
    "Initializing",  # not open in any monitor process
    "Opening",
    "Offline",
    "OnlineCallIssued",
    "OnlinePending",
    "Online",
    "OfflineCallIssued",
    "OfflinePending",
    "Terminating",
    "Closing",
    "Closed",
]

_SETTLED: Final = """
                         Initializing  Opening      Offline  Terminating  Closing  Closed
reply Open               .             opened       .        .            .        .
reply Open refused       .             open_failed  .        .            .        .
reply Close              .             .            .        .            closed   .
reply Close refused      .             .            .        .            closed   .
reply Online             .             .            .        .            .        .
reply Online refused     .             .            .        .            .        .
reply Offline            .             .            .        .            .        .
reply Offline refused    .             .            .        .            .        .
reply Terminate          .             .            .        terminated   .        .
notice Online            .             .            .        .            .        .
notice OnlinePending     .             .            .        .            .        .
notice Offline           .             .            .        .            .        .
notice OfflinePending    .             .            .        .            .        .
notice Failed            .             .            .        .            .        .
lost                     .             lost         lost     lost         lost     .
due Offline              .             .            .        .            .        .
"""

_MOVING: Final = """
                   OnlineCallIssued  OnlinePending  Online  OfflineCallIssued  OfflinePending
reply Open               .           .              .       .                  .
reply Open refused       .           .              .       .                  .
reply Close              .           .              .       .                  .
reply Close refused      .           .              .       .                  .
reply Online             online      .              .       .                  .
reply Online refused     refused     .              .       .                  .
reply Offline            .           .              .       offline            .
reply Offline refused    .           .              .       failed             failed
reply Terminate          .           .              .       .                  .
notice Online            online      online         .       .                  .
notice OnlinePending     pending     .              .       .                  .
notice Offline           .           .              .       offline            offline
notice OfflinePending    .           .              .       pending            .
notice Failed            failed      failed         failed  failed             failed
lost                     lost        lost           lost    lost               lost
due Offline              .           .              .       overdue            .
"""

RCM_TABLE: Final = parse(get_args(RcmState), _SETTLED, _MOVING)

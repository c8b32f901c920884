"""The transition table of one resource in RHS: in which state which occurrence leads to what.

Owns the table as data; what the names in its cells do is `tracer.rhs_core`'s. It is total: every
state has a cell for every occurrence, also where nothing happens, so that nothing is left to what
the code happens to do.

Occurrences: a command of RCM (`Open` …), the return of a call (`return Open` …), a call that is out
of time (`timeout Online`, `timeout Offline`, `timeout other`), `status` (SetResourceStatus),
`signal` (health handle), and the three timers `silence`, `due LooksAlive`, `due IsAlive`.

    .            nothing: it comes too late, or cannot come
    refuse       answered with 5023 at once, no call is made
    failed       answered with 5038: the resource has failed, only Terminate helps
    late         a call that outlived the state that made it is over
    absorb       a report nobody waits for; SetResourceStatus answers "terminate"
"""

from __future__ import annotations

from typing import Final, get_args

from rhscheck.tracer.events import ResourceState
from rhscheck.tracer.table import parse

_OPENING_AND_ENDING: Final = """
                         Unopened  Opening  Offline   Failed     Terminating  Closing  Closed
Open                     open      refuse   refuse    refuse     refuse       refuse   refuse
Close                    refuse    refuse   close     refuse     refuse       refuse   refuse
Online                   refuse    refuse   online    failed     failed       refuse   refuse
Offline                  refuse    refuse   already   failed     failed       refuse   refuse
Terminate                refuse    refuse   nothing   terminate  join         refuse   refuse
ResourceControl          refuse    refuse   control   failed     failed       refuse   refuse
return Open              .         opened   .         .          .            .        .
return Close             .         .        .         .          .            closed   .
return Online            .         .        late      late       late         .        .
return Offline           .         .        late      late       late         .        .
return Terminate         .         .        .         .          terminated   .        .
return LooksAlive        .         .        late      late       late         .        .
return IsAlive           .         .        late      late       late         .        .
return ResourceControl   .         .        controlled  controlled  controlled  .      .
timeout Online           .         .        expired   expired    expired      .        .
timeout Offline          .         .        expired   expired    expired      .        .
timeout other            .         die      die       die        die          die      .
status                   absorb    absorb   absorb    absorb     absorb       absorb   absorb
signal                   .         .        .         .          .            .        .
silence                  .         .        .         .          .            .        .
due LooksAlive           .         .        .         .          .            .        .
due IsAlive              .         .        .         .          .            .        .
"""

_IN_SERVICE: Final = """
                         Onlining    OnlinePending  Online       Offlining   OfflinePending
Open                     refuse      refuse         refuse       refuse      refuse
Close                    refuse      refuse         refuse       refuse      refuse
Online                   refuse      refuse         already      refuse      refuse
Offline                  refuse      refuse         offline      refuse      refuse
Terminate                terminate   terminate      terminate    terminate   terminate
ResourceControl          queue       control        control      queue       control
return Open              .           .              .            .           .
return Close             .           .              .            .           .
return Online            completed   late           late         late        late
return Offline           late        late           late         completed   late
return Terminate         .           .              .            .           .
return LooksAlive        late        late           looked       late        late
return IsAlive           late        late           checked      late        late
return ResourceControl   controlled  controlled     controlled   controlled  controlled
timeout Online           deadlock    expired        expired      expired     expired
timeout Offline          expired     expired        expired      deadlock    expired
timeout other            die         die            die          die         die
status                   latch       report         absorb       latch       report
signal                   .           .              signalled    .           .
silence                  .           silent         .            .           silent
due LooksAlive           .           .              looks_due    .           .
due IsAlive              .           .              is_due       .           .
"""

TABLE: Final = parse(get_args(ResourceState), _OPENING_AND_ENDING, _IN_SERVICE)

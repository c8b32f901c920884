"""A small host and plug-in with calls, time-outs, polling and a shared process, for trace tests."""

from rhscheck.spec.load import load_source
from rhscheck.spec.source import Source
from rhscheck.spec.system import System

POLL = """\
spec poll "A host that starts a plug-in and polls it"

param CallTimeout = 10s
param Silence     = 3s
param PollEvery   = 5s

actors { host RHS, manager RCM, plugin DLL }

entry Start returns {success, failure, pending} timeout CallTimeout
entry Poll  returns {success, failure} timeout CallTimeout
callback Report({pending, success}) by DLL while in Starting.Pending

shared machine Process {
  initial state Up { by RHS: crash -> Down }
  state Down { by RCM: reboot -> Up resets Worker }
}

machine Worker[i in 1..N] requires in Process.Up {
  lane serial = { Start, Poll }
  var tries : 0..3 = 0

  initial state Idle {
    by RCM: call Start when tries <= 2 -> Starting { tries = tries + 1 }
  }
  state Starting {
    on timeout Start -> Failed
    initial state Calling {
      return Start(success) -> Running
      return Start(failure) -> Failed
      return Start(pending) -> Pending
    }
    state Pending {
      timer silence = Silence restart on Report(pending)
      on silence -> Failed
      Report(pending)
      Report(success) -> Running
    }
  }
  state Running {
    every PollEvery by RHS: call Poll when free(serial)
    return Poll(success)
    return Poll(failure) -> Failed
    on timeout Poll -> Failed
  }
  state Failed {
    late return Start(*), Poll(*)
    by RCM: clean -> Idle
  }
}

rules Worker {
  rule R1 "a worker is polled only while it runs":
    only in Running: start(Poll)
  rule R2 "a start is answered in time":
    when start(Start) leads to not inflight(Start) or expired(Start) or
      in Process.Down within CallTimeout
  rule L1 "a failed worker is cleaned":
    when in Failed leads to in Idle
  rule C1 "a worker can run": can in Running
  assume D1 "a plug-in does not fail a poll" of DLL: never return Poll(failure)
}

trace {
  hide due
  code pending = 997
  code failure = other
}
"""


def poll_system(text: str = POLL) -> System:
    return load_source(Source("poll.sm", text)).system

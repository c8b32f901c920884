"""The decisions of RCM, one by one: what it does about each event, exactly."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from rhscheck.tracer.configuration import (
    MINUTE,
    SECOND,
    ClusterConfiguration,
    GroupConfiguration,
    ResourceConfiguration,
    RestartIntensity,
    RestartPolicy,
    Timeouts,
)
from rhscheck.tracer.events import (
    INVALID_STATE,
    Bring,
    Command,
    Control,
    ControlDone,
    Finished,
    FromMonitor,
    GroupChanged,
    Handover,
    KillMonitor,
    MonitorExited,
    MonitorStarted,
    MoveGroup,
    Notice,
    PeerDown,
    Persist,
    RcmEffect,
    RcmEvent,
    Received,
    Recovered,
    Reply,
    ResourceChanged,
    ResourceFailed,
    Send,
    SendPeer,
    Shutdown,
    Start,
    StartMonitor,
    Stop,
    Tick,
)
from rhscheck.tracer.rcm_core import RcmCore
from rhscheck.tracer.rcm_failures import offline_limit_us

A = ResourceConfiguration("a", "g")
B_NEEDS_A = ResourceConfiguration("b", "g", depends_on=("a",))


@dataclass
class Bench:
    """A core with obedient monitors: what it asks for succeeds at once, unless told otherwise."""

    configuration: ClusterConfiguration
    node: str = "node1"
    now: int = 0
    obeys: bool = True
    core: RcmCore = field(init=False)
    log: list[str] = field(default_factory=list)
    effects: list[RcmEffect] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.core = RcmCore(self.configuration, self.node)

    def give(self, event: RcmEvent) -> list[str]:
        """Give the event, obey what follows; the commands in order."""
        before = len(self.log)
        work = [event]
        while work:
            for effect in self.core.step(work.pop(0), self.now):
                self.effects.append(effect)
                match effect:
                    case StartMonitor(monitor=monitor, epoch=epoch):
                        self.log.append(f"start {monitor}#{epoch}")
                        work.append(MonitorStarted(monitor, epoch))
                    case Send(monitor=monitor, epoch=epoch, message=Command() as command):
                        recover = " recover" if command.recover else ""
                        self.log.append(f"{command.op} {command.res}{recover}")
                        if self.obeys:
                            work += [Received(monitor, epoch, one) for one in obeyed(command)]
                    case Send(monitor=monitor, epoch=epoch, message=Stop()):
                        self.log.append(f"stop {monitor}#{epoch}")
                        work.append(MonitorExited(monitor, epoch, "stop"))
                    case _:
                        pass
        return self.log[before:]

    def tell(self, message: FromMonitor, monitor: str = "shared", epoch: int = 1) -> list[str]:
        return self.give(Received(monitor, epoch, message))

    def wait(self, until_us: int) -> list[str]:
        """Tick whenever the core wants it, up to a time."""
        done: list[str] = []
        while self.core.next_due_us is not None and self.core.next_due_us <= until_us:
            self.now = max(self.now, self.core.next_due_us)
            done += self.give(Tick())
        self.now = until_us
        return done

    def last_request(self) -> int:
        """The number of the last command that a monitor was sent."""
        sent = self.last(Send)
        assert isinstance(sent, Send)
        assert isinstance(sent.message, Command)
        return sent.message.request

    def last(self, kind: type) -> RcmEffect:
        return [one for one in self.effects if isinstance(one, kind)][-1]


def obeyed(command: Command) -> list[FromMonitor]:
    reply = Reply(command.request, command.res, command.op, 0)
    match command.op:
        case "Online":
            return [Notice(command.res, "Online", "Online succeeded"), reply]
        case "Offline" | "Terminate":
            return [Notice(command.res, "Offline", "done"), reply]
        case _:
            return [reply]


def started(*resources: ResourceConfiguration, **options: object) -> Bench:
    bench = Bench(ClusterConfiguration(resources or (A,), **options))  # type: ignore[arg-type]
    bench.give(Start())
    return bench


FAILED = Notice("a", "Failed", "IsAlive confirmed the failure")


# ---- groups and dependencies -------------------------------------------------------------------
def test_a_group_comes_online_in_the_order_of_its_dependencies() -> None:
    bench = started(B_NEEDS_A, A)
    assert bench.log == ["start shared#1", "Open a", "Open b", "Online a", "Online b"]
    assert bench.last(GroupChanged) == GroupChanged("g", "Pending", "Online")


def test_and_goes_offline_in_the_opposite_order() -> None:
    assert started(B_NEEDS_A, A).give(Bring("g", "offline")) == ["Offline b", "Offline a"]


def test_a_group_stays_in_its_persistent_state() -> None:
    bench = started(A, groups=(GroupConfiguration("g", persistent="offline"),))
    assert bench.log == ["start shared#1", "Open a"]
    assert bench.give(Bring("g", "online")) == ["Online a"]
    assert Persist("g", "online") in bench.effects


def test_what_depends_on_a_failed_resource_goes_offline_and_comes_back_after_it() -> None:
    bench = started(A, B_NEEDS_A)
    assert bench.tell(FAILED) == ["Terminate a", "Offline b"]
    assert bench.wait(SECOND) == ["Online a", "Online b"]


def test_a_dependency_waits_until_what_needs_it_is_offline() -> None:
    bench = started(A, B_NEEDS_A)
    bench.obeys = False
    assert bench.give(Bring("g", "offline")) == ["Offline b"]
    assert bench.tell(Notice("b", "OfflinePending", "pending")) == []
    assert bench.tell(Notice("b", "Offline", "done")) == ["Offline a"]


def test_a_pending_online_that_is_not_wanted_any_more_is_terminated() -> None:
    bench = started(groups=(GroupConfiguration("g", persistent="offline"),))
    bench.obeys = False
    bench.give(Bring("g", "online"))
    bench.tell(Notice("a", "OnlinePending", "pending"))
    assert bench.give(Bring("g", "offline")) == ["Terminate a"]


# ---- an Offline that nothing is heard of -------------------------------------------------------
# Twice `call`, an IsAlive, a LooksAlive and another IsAlive, and the grace.
LIMIT = 2 * 5 * MINUTE + 2 * MINUTE + 5 * SECOND + SECOND


def test_an_offline_without_an_answer_is_given_up_and_terminated() -> None:
    """Health checks that take longer than their interval starved it until the second Ctrl-C."""
    bench = started(A, B_NEEDS_A)
    bench.obeys = False
    assert bench.give(Shutdown()) == ["Offline b"]
    assert bench.core.next_due_us == LIMIT
    assert bench.wait(LIMIT - 1) == []
    bench.obeys = True
    assert bench.wait(LIMIT) == [
        *("Terminate b", "Close b", "Offline a", "Close a", "stop shared#1"),
    ]
    said = [one for one in bench.effects if isinstance(one, ResourceChanged) and one.res == "b"]
    assert [one.why for one in said if one.target == "Terminating"] == [
        "no answer to Offline in 726 s; health checks that take longer than their interval leave "
        "it no room"
    ]
    assert bench.effects[-1] == Finished()


def test_an_offline_has_no_more_time_than_its_calls() -> None:
    times = Timeouts(call_us=SECOND, looks_alive_us=2 * SECOND, is_alive_us=60 * MINUTE)
    assert offline_limit_us(times) == 6 * SECOND  # five calls of a second, and the grace


def test_an_answered_offline_is_waited_for_no_longer() -> None:
    bench = started(A)
    bench.obeys = False
    bench.give(Bring("g", "offline"))
    bench.tell(Notice("a", "OfflinePending", "pending"))
    assert bench.core.next_due_us is None
    assert bench.wait(10 * LIMIT) == []


def test_an_answer_that_crosses_the_terminate_changes_nothing() -> None:
    bench = started(A)
    bench.obeys = False
    bench.give(Bring("g", "offline"))
    offline = bench.last_request()
    assert bench.wait(LIMIT) == ["Terminate a"]
    terminate = bench.last_request()
    assert bench.tell(Notice("a", "Offline", "done")) == []
    assert bench.tell(Reply(offline, "a", "Offline", 0)) == []
    bench.give(Bring("g", "online"))
    assert bench.tell(Reply(terminate, "a", "Terminate", 0)) == ["Online a"]


def test_controls_that_were_asked_for_before_the_offline_have_their_time() -> None:
    bench = started(A)
    bench.obeys = False
    bench.give(Control(7, "a", 42))
    control = bench.last_request()
    bench.give(Bring("g", "offline"))
    assert bench.wait(LIMIT - 1) == []
    bench.tell(Reply(control, "a", "ResourceControl", 0))
    assert bench.wait(2 * LIMIT - 2) == []
    assert bench.wait(2 * LIMIT - 1) == ["Terminate a"]


def test_an_offline_in_a_monitor_that_dies_is_lost_with_it() -> None:
    bench = started(A)
    bench.obeys = False
    bench.give(Bring("g", "offline"))
    bench.wait(LIMIT - SECOND)
    bench.tell(Notice("a", "Online", "LooksAlive did not return", "LooksAlive", dying=True))
    assert bench.wait(LIMIT) == []
    bench.give(MonitorExited("shared", 1, "deadlock"))
    assert bench.wait(3 * LIMIT) == ["start shared#2", "Open a recover"]


def test_a_group_that_is_to_move_does_not_wait_for_an_offline_without_an_answer() -> None:
    bench = started(A, **TWO)
    bench.obeys = False
    assert bench.give(MoveGroup("g", "node2")) == ["Offline a"]
    assert bench.wait(LIMIT) == ["Terminate a"]
    bench.tell(Reply(bench.last_request(), "a", "Terminate", 0))
    assert bench.last(SendPeer) == SendPeer("node2", Handover("g", "online"))


# ---- restart policy ----------------------------------------------------------------------------
def test_a_failure_is_terminated_at_once_and_restarted_after_the_delay() -> None:
    bench = started()
    assert bench.tell(FAILED) == ["Terminate a"]
    assert bench.wait(499_999) == []
    assert bench.wait(500_000) == ["Online a"]


def test_one_failure_too_many_gives_up_and_tries_again_after_the_retry_period() -> None:
    policy = RestartPolicy(threshold=1, retry_us=10 * MINUTE)
    bench = started(ResourceConfiguration("a", "g", restart=policy))
    bench.tell(FAILED)
    assert bench.wait(SECOND) == ["Online a"]
    assert bench.tell(FAILED) == ["Terminate a"]
    assert bench.last(GroupChanged) == GroupChanged("g", "Pending", "Failed")
    assert bench.wait(10 * MINUTE) == []
    assert bench.wait(11 * MINUTE) == ["Online a"]


def test_failures_outside_the_period_do_not_count() -> None:
    policy = RestartPolicy(threshold=1, period_us=MINUTE)
    bench = started(ResourceConfiguration("a", "g", restart=policy))
    bench.tell(FAILED)
    bench.wait(MINUTE)
    bench.tell(FAILED)
    assert bench.wait(2 * MINUTE) == ["Online a"]


def test_a_resource_that_is_not_to_be_restarted_stays_failed() -> None:
    bench = started(ResourceConfiguration("a", "g", restart=RestartPolicy(action="none")))
    assert bench.tell(FAILED) == ["Terminate a"]
    assert bench.wait(120 * MINUTE) == []
    assert bench.give(Bring("g", "online")) == ["Online a"]


def test_a_failure_while_going_offline_is_terminated_and_not_restarted() -> None:
    bench = started()
    bench.obeys = False
    bench.give(Bring("g", "offline"))
    assert bench.tell(FAILED) == ["Terminate a"]
    request = bench.last_request()
    assert bench.tell(Reply(request, "a", "Terminate", 0)) == []
    assert bench.wait(MINUTE) == []


def test_a_refused_online_counts_as_a_failure_without_a_terminate() -> None:
    bench = started(groups=(GroupConfiguration("g", persistent="offline"),))
    bench.obeys = False
    bench.give(Bring("g", "online"))
    request = bench.last_request()
    assert bench.tell(Reply(request, "a", "Online", INVALID_STATE)) == []
    assert bench.wait(SECOND) == ["Online a"]


# ---- monitors ----------------------------------------------------------------------------------
C_ALONE = ResourceConfiguration("c", "h", monitor="flaky")


def test_after_a_crash_everything_in_the_monitor_is_opened_again_to_recover() -> None:
    bench = started(A, B_NEEDS_A, C_ALONE)
    assert bench.give(MonitorExited("shared", 1, "killed")) == []
    assert Recovered("shared", 1) in bench.effects
    assert bench.wait(SECOND) == [
        *("start shared#2", "Open a recover", "Open b recover", "Online a", "Online b"),
    ]


def test_the_culprit_of_a_deadlock_gets_a_monitor_of_its_own() -> None:
    bench = started(A, ResourceConfiguration("d", "g"))
    bench.tell(Notice("a", "Online", "IsAlive did not return", "IsAlive", dying=True))
    bench.give(MonitorExited("shared", 1, "deadlock"))
    assert bench.wait(SECOND) == [
        *("start shared#2", "Open d recover", "Online d"),
        *("start a (own)#1", "Open a recover", "Online a"),
    ]


def test_a_dying_monitor_that_does_not_end_is_killed() -> None:
    bench = started()
    bench.tell(Notice("a", "Online", "IsAlive did not return", "IsAlive", dying=True))
    bench.wait(61 * SECOND)
    assert bench.last(KillMonitor) == KillMonitor("shared", 1, "it should have ended by itself")


def test_a_monitor_that_dies_too_often_is_left_alone_for_a_while() -> None:
    limits = RestartIntensity(restarts=1, period_us=MINUTE, delay_us=0)
    bench = started(A, monitor_restarts=limits)
    bench.give(MonitorExited("shared", 1, "killed"))
    assert bench.log[-3:] == ["start shared#2", "Open a recover", "Online a"]
    assert bench.give(MonitorExited("shared", 2, "killed")) == []
    assert bench.last(GroupChanged) == GroupChanged("g", "Online", "Failed")
    assert bench.wait(59 * SECOND) == []


def test_a_monitor_that_may_not_be_restarted_is_left_alone_when_it_dies() -> None:
    """It was an IndexError that ended RCM: there is no first restart to count a period from."""
    limits = RestartIntensity(restarts=0, period_us=MINUTE, delay_us=0)
    bench = started(A, monitor_restarts=limits)
    assert bench.give(MonitorExited("shared", 1, "killed")) == []
    assert bench.last(GroupChanged) == GroupChanged("g", "Online", "Failed")
    assert bench.wait(59 * MINUTE) == []
    assert bench.wait(60 * MINUTE) == ["start shared#2", "Open a recover", "Online a"]


def test_messages_of_a_process_that_is_gone_are_ignored() -> None:
    bench = started()
    bench.give(MonitorExited("shared", 1, "killed"))
    bench.wait(SECOND)
    assert bench.tell(FAILED, epoch=1) == []
    assert bench.tell(FAILED, epoch=2) == ["Terminate a"]


# ---- controls ----------------------------------------------------------------------------------
def test_a_control_is_answered() -> None:
    bench = started()
    assert bench.give(Control(7, "a", 42)) == ["ResourceControl a"]
    assert bench.last(ControlDone) == ControlDone(7, "a", 0)


def test_a_failed_resource_gets_no_control() -> None:
    bench = started()
    bench.obeys = False
    bench.tell(FAILED)
    assert bench.give(Control(7, "a", 42)) == []
    assert bench.last(ControlDone) == ControlDone(7, "a", INVALID_STATE)


def test_a_control_that_dies_with_its_monitor_is_answered() -> None:
    bench = started()
    bench.obeys = False
    bench.give(Control(7, "a", 42))
    bench.give(MonitorExited("shared", 1, "killed"))
    assert bench.last(ControlDone) == ControlDone(7, "a", INVALID_STATE)


# ---- two nodes ---------------------------------------------------------------------------------
TWO = {"nodes": ("node1", "node2")}


def other(*resources: ResourceConfiguration) -> Bench:
    bench = Bench(ClusterConfiguration(resources or (A,), nodes=("node1", "node2")), "node2")
    bench.give(Start())
    return bench


def test_only_the_owner_opens_a_group() -> None:
    assert other().log == []


def test_a_moved_group_is_offline_here_before_the_other_node_has_it() -> None:
    bench = started(A, B_NEEDS_A, **TWO)
    assert bench.give(MoveGroup("g", "node2")) == ["Offline b", "Offline a"]
    assert bench.effects[-2:] == [
        SendPeer("node2", Handover("g", "online")),
        GroupChanged("g", "Pending", "elsewhere"),
    ]
    assert other().give(Handover("g", "online")) == ["start shared#1", "Open a", "Online a"]


def test_too_many_failures_move_the_group() -> None:
    policy = RestartPolicy(threshold=0)
    bench = started(ResourceConfiguration("a", "g", restart=policy), **TWO)
    assert bench.tell(FAILED) == ["Terminate a"]
    assert bench.last(SendPeer) == SendPeer("node2", Handover("g", "online", (0,)))


def test_a_group_that_was_moved_too_often_stays() -> None:
    policy = RestartPolicy(threshold=0)
    group = GroupConfiguration("g", failovers=1)
    bench = started(ResourceConfiguration("a", "g", restart=policy), groups=(group,), **TWO)
    bench.tell(FAILED)
    bench.now = MINUTE
    bench.give(Handover("g", "online", (0,)))
    assert bench.tell(FAILED) == ["Terminate a"]
    assert bench.last(GroupChanged) == GroupChanged("g", "Pending", "Failed")


def test_the_groups_of_a_dead_node_are_taken_over() -> None:
    assert other().give(PeerDown("node1")) == ["start shared#1", "Open a", "Online a"]


# ---- the end -----------------------------------------------------------------------------------
def test_shutdown_takes_offline_closes_and_stops_in_order() -> None:
    bench = started(A, B_NEEDS_A)
    assert bench.give(Shutdown()) == [
        *("Offline b", "Close b", "Offline a", "Close a", "stop shared#1"),
    ]
    assert bench.effects[-1] == Finished()


def test_shutdown_of_a_node_that_owns_nothing() -> None:
    bench = other()
    bench.give(Shutdown())
    assert bench.effects[-1] == Finished()


def test_a_monitor_that_does_not_start_does_not_keep_the_node() -> None:
    """Whoever broke off a run whose plug-in hung when it was imported waited for minutes."""
    core = RcmCore(ClusterConfiguration((A,)), "node1")
    assert core.step(Start(), 0) == [StartMonitor("shared", 1)]
    core.step(Shutdown(), SECOND)
    assert core.next_due_us == 2 * SECOND
    assert core.step(Tick(), 2 * SECOND) == [
        KillMonitor("shared", 1, "it had not started when the run was to end")
    ]
    assert core.step(MonitorExited("shared", 1, "killed"), 2 * SECOND) == [Finished()]


def test_a_monitor_that_is_up_late_is_stopped_as_any_other() -> None:
    core = RcmCore(ClusterConfiguration((A,)), "node1")
    core.step(Start(), 0)
    core.step(Shutdown(), SECOND)
    core.step(MonitorStarted("shared", 1), 2 * SECOND)
    assert core.step(Tick(), 2 * SECOND) == []
    assert core.step(MonitorExited("shared", 1, "stop"), 2 * SECOND) == [Finished()]


def test_what_cannot_be_closed_does_not_keep_the_node() -> None:
    bench = started()
    bench.give(Bring("g", "offline"))
    bench.obeys = False
    assert bench.give(Shutdown()) == ["Close a"]
    request = bench.last_request()
    assert bench.tell(Reply(request, "a", "Close", INVALID_STATE)) == ["stop shared#1"]


def test_what_is_not_in_order_at_the_end_is_named_with_the_reason() -> None:
    never = RestartPolicy(action="none")
    resources = [ResourceConfiguration(name, name, restart=never) for name in ("a", "b", "c", "d")]
    bench = started(*resources, ResourceConfiguration("e", "e", monitor="own"))
    bench.tell(Notice("a", "Failed", "Online returned 5"))
    bench.give(Bring("b", "offline"))
    bench.obeys = False
    bench.give(Shutdown())
    asked = {
        (one.message.res, one.message.op): one.message.request
        for one in bench.effects
        if isinstance(one, Send) and isinstance(one.message, Command)
    }
    bench.tell(Reply(asked["a", "Close"], "a", "Close", 0))
    bench.tell(Reply(asked["b", "Close"], "b", "Close", INVALID_STATE))
    bench.tell(Notice("c", "Failed", "Offline returned 6"))
    bench.give(MonitorExited("shared", 1, "killed by SIGKILL"))
    bench.give(MonitorExited("own", 1, "killed by SIGSEGV"))
    assert bench.effects[-1] == Finished(
        (
            ("a", "it had failed: Online returned 5"),
            ("b", "Close was refused with 5023: something of it still ran"),
            ("c", "Offline returned 6"),
            ("d", "its monitor is gone: killed by SIGKILL"),
            ("e", "its monitor is gone: killed by SIGSEGV"),
        )
    )
    failed = [one for one in bench.effects if isinstance(one, ResourceFailed)]
    assert failed == [
        ResourceFailed("a", "Online returned 5"),
        ResourceFailed("c", "Offline returned 6"),
    ]


def test_a_closed_resource_stays_closed() -> None:
    bench = started(A, B_NEEDS_A)
    bench.give(Shutdown())
    shown = [one for one in bench.effects if isinstance(one, ResourceChanged)]
    assert [(one.res, one.target) for one in shown[-2:]] == [("a", "Closing"), ("a", "Closed")]
    assert ("b", "Closed") in [(one.res, one.target) for one in shown]


# ---- wrong use ---------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("event", "message"),
    [
        (Bring("x", "online"), "there is no group x"),
        (MoveGroup("g", "x"), "there is no node x"),
        (Control(1, "x", 1), "there is no resource x"),
        (MonitorStarted("x", 1), "there is no monitor x"),
    ],
)
def test_names_that_do_not_exist(event: RcmEvent, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        started().give(event)


def test_time_does_not_go_back() -> None:
    core = RcmCore(ClusterConfiguration((A,)), "node1")
    core.step(Start(), 5)
    with pytest.raises(ValueError, match="time goes back from 5 to 4"):
        core.step(Tick(), 4)

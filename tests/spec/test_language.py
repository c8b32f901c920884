"""What each construct of the language means: a small spec, and exactly what it can do.

In labels `!` marks what no state handles (a receptiveness error), `~` what is absorbed because the
process is going down.
"""

import pytest
from play import Play, loaded

HEAD = """spec t
actors { host H, manager M, plugin D }
entry X, Y returns { ok, bad } timeout 5m
entry Z returns { ok }
callback Report({ fine, slow }) by D while inflight(X)
"""


def machine(body: str, more: str = "") -> str:
    return f"{HEAD}{more}\nmachine A {{\n{body}\n}}\n"


# ---- states and precedence ---------------------------------------------------------------------
def test_nested_states_start_in_their_initial_leaf_and_inner_handlers_come_first() -> None:
    play = Play(
        machine("""
        initial state Out {
          by M: go -> Other
          by M: only_out -> Other
          initial state In {
            by M: go -> In2
            state Deep
          }
          state In2
        }
        state Other
        """)
    )
    assert play["A.state"] == "Out.In.Deep"
    assert play.can() == ["only_out", "go"]
    assert len(play.outcomes("go")) == 1
    assert play.fork().do("go")["A.state"] == "Out.In2"
    # In In2 nothing inner handles `go`: the outer handler does.
    assert play.do("go", "go")["A.state"] == "Other"


def test_an_inner_handler_overrides_only_while_its_condition_holds() -> None:
    play = Play(
        machine("""
        var k : bool = false
        by M: flip { k = true }
        by M: go -> Other
        initial state In {
          by M: go when k -> Inner
        }
        state Inner
        state Other
        """)
    )
    assert play.fork().do("go")["A.state"] == "Other"
    play.do("flip")
    assert len(play.outcomes("go")) == 1
    assert play.do("go")["A.state"] == "Inner"


def test_an_inner_handler_that_is_not_due_yet_overrides_nothing() -> None:
    play = Play(
        machine("""
        by M: go -> Other
        initial state In {
          after 5s by M: go -> Inner
        }
        state Inner
        state Other
        """)
    )
    assert play.fork().do("go")["A.state"] == "Other"
    play.wait("5s")
    assert len(play.outcomes("go")) == 1
    assert play.do("go")["A.state"] == "Inner"


def test_a_due_every_does_not_hide_the_outer_call_before_it_is_due() -> None:
    play = Play(
        machine("""
        late return X(*)
        by M: call X
        initial state In {
          every 5s by H: call X
        }
        """)
    )
    assert play.can() == ["call X"]
    assert play.outcomes("call X")[0].actor == "M"
    play.wait("5s").do("due X")
    assert [t.actor for t in play.outcomes("call X")] == ["H"]


def test_an_inner_handler_whose_partner_is_not_ready_overrides_nothing() -> None:
    play = Play(
        machine(
            """
            by M: go -> Other
            initial state In {
              by M: go -> Inner sync Light.turn
            }
            state Inner
            state Other
            """,
            """
            shared machine Light {
              initial state Red { by M: on_light -> Green }
              state Green { on turn -> Red }
            }
            """,
        )
    )
    assert play.fork().do("go")["A.state"] == "Other"
    play.do("on_light")
    assert len(play.outcomes("go")) == 1
    play.do("go")
    assert (play["A.state"], play["Light.state"]) == ("Inner", "Red")


def test_two_handlers_of_one_state_are_a_choice() -> None:
    play = Play(
        machine("""
        initial state S {
          by M: go -> T
          by M: go -> U
        }
        state T
        state U
        """)
    )
    assert [play.fork().do("go", choice=k)["A.state"] for k in (0, 1)] == ["T", "U"]


def test_a_target_choice_is_one_outcome_each() -> None:
    play = Play(machine("initial state S { by M: go -> T | U }\nstate T\nstate U"))
    assert [play.fork().do("go", choice=k)["A.state"] for k in (0, 1)] == ["T", "U"]
    assert len(play.outcomes("go")) == 2


# ---- calls -------------------------------------------------------------------------------------
def test_a_call_is_in_flight_until_it_returns_and_only_once_at_a_time() -> None:
    play = Play(
        machine("""
        initial state S {
          by M: call X
          return X(ok) -> T
          return X(bad)
        }
        state T
        """)
    )
    assert play.can() == ["call X"]
    play.do("call X")
    assert play["A.call.X"] == "running"
    assert play.can() == ["return X(ok)", "return X(bad)"]
    assert play.fork().do("return X(ok)")["A.state"] == "T"
    play.do("return X(bad)")
    assert (play["A.state"], play["A.call.X"]) == ("S", "idle")


def test_a_return_outlives_the_state_and_late_handles_it() -> None:
    play = Play(
        machine("""
        initial state S {
          by M: call X
          by M: leave_it -> T
          return X(*)
        }
        state T { late return X(ok) }
        """)
    )
    play.do("call X", "leave_it")
    assert play["A.call.X"] == "running"
    assert play.can() == ["return X(ok)", "!return X(bad)"]
    play.do("return X(ok)")
    assert (play["A.state"], play["A.call.X"]) == ("T", "idle")


def test_a_late_handler_yields_to_an_enabled_plain_one() -> None:
    play = Play(
        machine("""
        initial state S {
          by M: call X
          return X(ok) -> T
          late return X(*)
        }
        state T
        """)
    )
    play.do("call X")
    assert play.can() == ["return X(ok)", "return X(bad)"]
    assert len(play.outcomes("return X(ok)")) == 1
    assert play.do("return X(ok)")["A.state"] == "T"


def test_a_return_whose_guard_is_false_is_unhandled_not_forbidden() -> None:
    play = Play(
        machine("""
        var k : bool = false
        by M: flip { k = true }
        initial state S {
          by M: call X
          return X(ok) when k -> T
          return X(bad)
        }
        state T
        """)
    )
    play.do("call X")
    assert play.can() == ["flip", "return X(bad)", "!return X(ok)"]
    play.do("flip")
    assert play.can() == ["flip", "return X(ok)", "return X(bad)"]


def test_expiry_is_always_a_step_and_the_return_may_still_win_at_the_bound() -> None:
    play = Play(
        machine("""
        initial state S {
          by M: call X
          return X(*)
        }
        """)
    )
    play.do("call X")
    assert play.limit() == "300s"
    play.wait("5m")
    assert play.limit() == "0s"
    assert play.can() == ["return X(ok)", "return X(bad)", "timeout X"]
    play.do("timeout X")
    # Nothing handles it: the call is marked, still in flight, without a clock.
    assert (play["A.state"], play["A.call.X"], play.limit()) == ("S", "expired", "any")
    assert play.can() == ["return X(ok)", "return X(bad)"]
    assert play.do("return X(ok)")["A.call.X"] == "idle"


def test_a_handled_expiry_moves_and_marks_the_call() -> None:
    play = Play(
        machine("""
        initial state S {
          by M: call X
          return X(*)
          on timeout X, Y -> T
        }
        state T {
          by M: call Y
          late return X(*), Y(*)
        }
        """)
    )
    play.do("call X").wait("5m").do("timeout X")
    assert (play["A.state"], play["A.call.X"]) == ("T", "expired")
    # In T nobody handles the expiry of Y.
    play.do("call Y").wait("5m").do("timeout Y")
    assert (play["A.state"], play["A.call.Y"]) == ("T", "expired")


def test_an_expiry_whose_partner_is_not_ready_still_happens() -> None:
    play = Play(
        machine(
            "initial state S { by M: call X }\nlate return X(*)\n"
            "on timeout X -> T sync Light.turn\nstate T",
            "shared machine Light {\n state Dark { on turn -> Dark }\n"
            "initial state Off { by M: lit -> Dark } }",
        )
    )
    play.do("call X").wait("5m")
    dark = play.fork().do("timeout X")
    assert (dark["A.state"], dark["A.call.X"]) == ("S", "expired")
    assert play.do("lit", "timeout X")["A.state"] == "T"


def test_expired_calls_hold_a_lane_only_if_it_says_so() -> None:
    body = """
        lane l = {{ X, Y }} {holds}
        by M: call X when free(l)
        by M: call Y when free(l)
        late return X(*), Y(*)
        """
    for holds, then in (
        ("", ["call Y"]),
        ("holds expired", []),
        ("holds expired when k", ["call Y"]),
        ("holds expired when not k", []),
    ):
        flag = "\nvar k : bool = false\nby M: set { k = true }"
        play = Play(machine(body.format(holds=holds) + flag))
        play.do("call X")
        assert "call Y" not in play.can()
        play.wait("5m").do("timeout X")
        assert [label for label in play.can() if label.startswith("call")] == then


def test_predicates_of_calls() -> None:
    play = Play(
        machine("""
        initial state S {
          by M: call X
          by M: a when inflight(X, Y)
          by M: b when expired(X)
          by M: c when quiet
          by M: call Y
          late return X(*), Y(*)
        }
        """)
    )
    assert play.can() == ["call X", "c", "call Y"]
    play.do("call X")
    assert play.can() == ["a", "call Y", "return X(ok)", "return X(bad)"]
    play.wait("5m").do("timeout X")
    assert play.can() == ["a", "b", "call Y", "return X(ok)", "return X(bad)"]


# ---- callbacks -----------------------------------------------------------------------------------
def test_a_callback_comes_whenever_its_condition_holds() -> None:
    play = Play(
        machine("""
        initial state S {
          by M: call X
          return X(*)
          Report(fine) -> T
        }
        state T { late Report(*)\n late return X(*) }
        """)
    )
    assert play.can() == ["call X"]
    play.do("call X")
    assert play.can() == ["return X(ok)", "return X(bad)", "Report(fine)", "!Report(slow)"]
    play.do("Report(fine)")
    assert play.can() == ["Report(fine)", "Report(slow)", "return X(ok)", "return X(bad)"]


def test_a_callback_without_arguments() -> None:
    play = Play(
        "spec t\nactors { plugin D }\ncallback Ping by D\n"
        "machine A {\n initial state S { Ping() -> T }\n state T\n}\n"
    )
    assert play.can() == ["Ping"]
    assert play.do("Ping").can() == ["!Ping"]


# ---- chained calls and polling -------------------------------------------------------------------
POLLING = """
        lane l = { X, Y, Z }
        initial state On {
          every 60s by H: call X when free(l)
          every 5s by H: call Y when free(l)
          by M: call Z when free(l)
          by M: stop -> Off
          return X(*), Z(*)
          return Y(ok)
          return Y(bad) then call X
        }
        state Off { late return X(*), Y(*), Z(*)\n by M: begin -> On }
        """


def test_every_becomes_due_exactly_and_then_takes_the_lane_at_once() -> None:
    play = Play(machine(POLLING))
    assert (play.can(), play.limit()) == (["call Z", "stop"], "5s")
    play.wait("5s")
    assert (play.can(), play.limit()) == (["due Y", "call Z", "stop"], "0s")
    play.do("due Y")
    # Due, and the lane is free: nobody else may take the lane, and no time passes.
    assert (play.can(), play.limit()) == (["call Y", "stop"], "0s")
    play.do("call Y")
    assert (play.can(), play.limit()) == (["stop", "return Y(ok)", "return Y(bad)"], "5s")


def test_a_due_every_waits_for_its_lane_and_its_clock_stands() -> None:
    play = Play(machine(POLLING))
    play.do("call Z").wait("5s").do("due Y")
    assert play.limit() == "55s"  # until the other poll is due
    play.wait("30s")
    assert play.can() == ["stop", "return Z(ok)"]
    play.do("return Z(ok)")
    assert (play.can(), play.limit()) == (["call Y", "stop"], "0s")
    play.do("call Y", "return Y(ok)")
    assert play.limit() == "5s"  # counted from the start of this call


def test_two_due_polls_take_the_lane_in_either_order() -> None:
    play = Play(machine(POLLING))
    play.do("call Z").wait("5s").do("due Y").wait("55s").do("due X", "return Z(ok)")
    assert play.can() == ["call X", "call Y", "stop"]


def test_a_chained_call_is_a_step_of_its_own_without_delay_before_anyone_in_its_lane() -> None:
    play = Play(machine(POLLING))
    play.wait("5s").do("due Y", "call Y", "return Y(bad)")
    assert (play.can(), play.limit()) == (["stop", "call X"], "0s")
    assert play["A.call.X"] == "idle"
    chained = play.outcomes("call X")[0]
    assert chained.actor == "H"
    after = play.fork().do("call X")
    assert after["A.call.X"] == "running"
    # Chained calls do not reset the period of X: 60 s after entering On it is due.
    assert after.wait("5s").do("due Y").limit() == "50s"


def test_leaving_the_state_cancels_what_is_chained_and_due() -> None:
    play = Play(machine(POLLING))
    play.wait("5s").do("due Y", "call Y", "return Y(bad)", "stop")
    assert (play.can(), play.limit()) == (["begin"], "any")
    play.do("begin")
    assert (play.can(), play.limit()) == (["call Z", "stop"], "5s")


def test_a_chained_call_waits_for_its_lane() -> None:
    play = Play(
        machine("""
        lane l = { X, Y }
        initial state S {
          by M: call Y when free(l)
          by M: call X when free(l)
          by M: poke then call X
          return X(*), Y(*)
        }
        """)
    )
    play.do("call Y", "poke")
    assert play.limit() == "300s"
    play.do("return Y(ok)")
    assert (play.can(), play.limit()) == (["poke", "call X"], "0s")
    assert play.outcomes("call X")[0].actor == "H"


def test_then_with_a_target_belongs_to_the_target() -> None:
    play = Play(
        machine("""
        initial state S { by M: go -> T then call X }
        state T { by M: away -> S\n late return X(*) }
        """)
    )
    play.do("go")
    assert (play.can(), play.limit()) == (["away", "call X"], "0s")
    play.do("away")
    assert (play.can(), play.limit()) == (["go"], "any")


def test_due_and_owed_in_conditions_and_rules() -> None:
    play = Play(
        machine("""
        late return X(*)
        initial state S {
          every 5s by H: call X when k
          by M: seen when due(X)
        }
        var k : bool = false
        by M: set { k = true }
        """)
    )
    assert "seen" not in play.can()
    play.wait("5s").do("due X")
    # Its condition is false: it stays due, and time goes on.
    assert (play.can(), play.limit()) == (["seen", "set"], "any")
    play.do("set")
    assert (play.can(), play.limit()) == (["call X", "seen", "set"], "0s")


# ---- time ----------------------------------------------------------------------------------------
def test_a_timer_fires_exactly_and_restarts_on_what_it_names() -> None:
    play = Play(
        machine("""
        initial state S {
          timer silence = 3m restart on Report(slow), tick
          on silence -> T
          by M: tick
          by M: call X
          late return X(*)
          Report(*)
        }
        state T
        """)
    )
    assert play.limit() == "180s"
    play.wait("2m").do("tick")
    assert play.limit() == "180s"
    play.do("call X").wait("1m").do("Report(fine)")
    assert play.limit() == "120s"
    play.do("Report(slow)").wait("3m")
    assert "timer silence" in play.can()
    assert play.limit() == "0s"
    assert play.do("timer silence")["A.state"] == "T"


def test_a_timer_restarts_with_its_state_and_when_it_is_set_to_zero() -> None:
    play = Play(
        machine("""
        initial state S {
          timer t = 10s
          on t -> T
          by M: again -> S
          by M: zero { t = 0 }
          by M: stay
        }
        state T
        """)
    )
    play.wait("4s").do("stay")
    assert play.limit() == "6s"
    play.do("zero")
    assert play.limit() == "10s"
    play.wait("4s").do("again")
    assert play.limit() == "10s"


def test_a_timer_restarts_on_chained_calls_timeouts_and_synchronised_events() -> None:
    play = Play(
        machine(
            """
            initial state S {
              timer t = 10m restart on call X, timeout X, knocked
              on t -> T
              by M: go then call X
              on knocked
              late return X(*)
            }
            state T
            """,
            "shared machine B { by M: knock sync A.knocked }",
        )
    )
    play.wait("4m").do("go", "call X")
    assert play.limit() == "300s"
    play.wait("5m").do("timeout X")
    assert play.limit() == "600s"
    play.wait("1m").do("knock")
    assert play.limit() == "600s"


def test_within_is_somewhere_up_to_its_bound_and_after_from_its_bound_on() -> None:
    play = Play(
        machine("""
        initial state S { within 2s by H: go -> T }
        state T { after 3s by H: back -> S }
        """)
    )
    assert (play.can(), play.limit()) == (["go"], "2s")
    play.wait("2s")
    assert (play.can(), play.limit()) == (["go"], "0s")
    play.do("go")
    assert (play.can(), play.limit()) == ([], "any")
    play.wait("3s")
    assert (play.can(), play.limit()) == (["back"], "any")


def test_raw_clocks_and_deadlines() -> None:
    play = Play(
        machine("""
        clock x
        clock y
        initial state S {
          deadline x <= 5s when k by M
          by M: go when x >= 2s and x - y > 1s { x = 0 }
          by M: reset_y { y = 0 }
          by M: relax { k = false }
        }
        var k : bool = true
        """)
    )
    assert play.limit() == "5s"
    play.wait("2s")
    assert play.can() == ["reset_y", "relax"]
    play.do("reset_y")
    assert play.can() == ["go", "reset_y", "relax"]
    play.do("go")
    assert play.limit() == "5s"
    assert play.do("relax").limit() == "any"


def test_a_clock_restarts_on_what_it_names() -> None:
    play = Play(
        machine("""
        clock record restart on call X, tick
        by M: tick
        by M: look when record >= 3s
        by M: call X
        late return X(*)
        """)
    )
    assert "look" not in play.can()
    assert "look" in play.wait("3s").can()
    assert "look" not in play.do("call X").can()
    assert "look" in play.wait("3s").can()
    assert "look" not in play.do("tick").can()


def test_a_strict_deadline_keeps_its_bound_out_of_reach() -> None:
    play = Play(machine("clock x\ninitial state S {\n deadline x < 5s\n by M: go { x = 0 }\n}"))
    assert play.limit() == "< 5s"
    with pytest.raises(AssertionError):
        play.wait("5s")


def test_an_urgent_transition_lets_no_time_pass_while_it_is_enabled() -> None:
    play = Play(
        machine(
            """
            var k : bool = false
            by M: set { k = true }
            initial state S { urgent by H: go when k -> T sync Light.turn }
            state T
            """,
            "shared machine Light {\n initial state Off { by M: lit -> On }\n"
            "state On { on turn }\n}",
        )
    )
    assert play.limit() == "any"
    assert play.do("set").limit() == "any"  # its partner is not ready
    assert play.do("lit").limit() == "0s"
    assert play.do("go").limit() == "any"


def test_the_unit_is_the_common_divisor_of_all_constants() -> None:
    text = "spec t\nactors { M }\nparam Short = 300ms\nparam Long = 5m\nmachine A {\n" \
           " initial state S { after Short by M: a\n within Long by M: b }\n}\n"  # fmt: skip
    assert loaded(text).system.unit_us == 300_000
    assert loaded(text, {"Short": "7ms"}).system.unit_us == 1_000
    play = Play(text)
    assert (play.can(), play.limit()) == (["b"], "300s")
    assert play.wait("300ms").can() == ["a", "b"]


# ---- data ----------------------------------------------------------------------------------------
def test_effects_read_the_state_before_and_saturate() -> None:
    play = Play(
        machine("""
        var a : 0..3 = 1
        var b : 0..3 = 2
        by M: swap { a = b, b = a }
        by M: add { a = a + 2 }
        """)
    )
    play.do("swap")
    assert (play["A.a"], play["A.b"]) == ("2", "1")
    assert play.do("add")["A.a"] == "3"


def test_any_is_every_value_at_the_start_and_in_an_effect() -> None:
    text = machine("var k : { red, green } = any\nvar l : 0..2 = 0\nby M: roll { l = any }")
    assert Play(text)["A.k"] == "red"
    play = Play(text, start={"A.k": "green"})
    assert [play.fork().do("roll", choice=c)["A.l"] for c in range(3)] == ["0", "1", "2"]
    assert len(play.outcomes("roll")) == 3


def test_enumerations_booleans_and_ranges() -> None:
    play = Play(
        machine(
            """
            var c : Colour = green
            var n : 0..5 = 2
            var b : bool = true
            by M: a when c == green and not (c != green)
            by M: b when n >= 2 and n < 3 and n + 1 <= 3 and 5 - n > 2
            by M: c when b implies c == red
            by M: d when b == true
            """,
            "enum Colour { red, green }",
        )
    )
    assert play.can() == ["a", "b", "d"]


# ---- instances, references, shared machines ------------------------------------------------------
HOSTED = """spec t
actors { host H, manager M, plugin D }
entry X returns { ok, bad } timeout 5m
callback Report({ fine }) by D while inflight(X)
shared machine Process[p in 1..2] {
  var alarm : bool = false
  initial state Up { on crash -> Dumping\n by M: warn { alarm = true } }
  state Dumping { within 60s by H: exit -> Gone resets Res where host == p }
  state Gone { by M: recover -> Up }
}
machine Res[i in 1..N] requires host.Up {
  var host : Process = any
  var k : 0..3 = 0
  initial state Idle { by M: call X -> Busy { k = 2 } }
  state Busy {
    timer t = 2m
    on t { t = 0 }
    return X(ok) -> Idle
    return X(bad) -> Idle sync host.crash
    Report(fine)
    on timeout X -> Idle sync host.crash
    by D: look when host.alarm
  }
}
"""


def hosted(first: str = "1", second: str = "1") -> Play:
    return Play(HOSTED, 2, start={"Res.host[1]": first, "Res.host[2]": second})


def test_each_instance_has_its_own_calls_and_clocks() -> None:
    play = hosted()
    assert play.can() == ["1: warn", "2: warn", "1: call X", "2: call X"]
    play.do("1: call X").wait("1m").do("2: call X")
    assert (play["Res.state[1]"], play["Res.state[2]"], play.limit()) == ("Busy", "Busy", "60s")


def test_a_referenced_machine_takes_part_and_what_it_hosts_is_suspended() -> None:
    play = hosted("2", "1")
    play.do("1: call X", "2: call X", "1: return X(bad)")
    step = [play["Process.state[1]"], play["Process.state[2]"], play["Res.state[1]"]]
    assert step == ["Up", "Dumping", "Idle"]
    # Instance 1 is hosted by process 2: it is suspended. Instance 2 goes on.
    assert "1: call X" not in play.can()
    assert "2: return X(ok)" in play.can()
    assert play.limit() == "60s"  # the dump


def test_returns_and_callbacks_are_absorbed_while_the_process_goes_down() -> None:
    play = hosted("1", "1")
    play.do("1: call X", "2: call X", "1: return X(bad)")
    assert play.can() == ["2: warn", "1: exit", "~2: return X(ok)", "~2: return X(bad)",
                          "~2: Report(fine)"]  # fmt: skip
    play.do("~2: Report(fine)", "~2: return X(ok)")
    assert (play["Res.state[2]"], play["Res.call.X[2]"]) == ("Busy", "idle")


def test_resets_puts_back_what_the_process_hosted_and_nothing_else() -> None:
    play = hosted("1", "2")
    play.do("1: call X", "2: call X", "1: return X(bad)", "1: exit")
    assert (play["Res.state[1]"], play["Res.k[1]"], play["Res.host[1]"]) == ("Idle", "0", "1")
    assert (play["Res.state[2]"], play["Res.k[2]"], play["Res.call.X[2]"]) == (
        "Busy",
        "2",
        "running",
    )
    assert "1: call X" not in play.can()
    assert "1: call X" in play.do("1: recover").can()


def test_a_reference_that_is_false_for_nobody_is_true_for_the_one_it_means() -> None:
    play = hosted("2", "1")
    play.do("1: call X", "2: call X", "2: warn")
    assert "1: look" in play.can()
    assert "2: look" not in play.can()


def test_an_optional_reference_and_its_comparison() -> None:
    play = Play(
        """spec t
        actors { P }
        var owner : Proc? = none
        machine Proc[i in 1..N] {
          by P: take when owner == none { owner = i }
          by P: drop when owner == i { owner = none }
          by P: first when forall j in Proc: (i <= j)
          by P: other when exists j in Proc: (j != i and owner == j)
        }
        """,
        2,
    )
    assert play.can() == ["1: take", "2: take", "1: first"]
    play.do("2: take")
    assert play["owner"] == "2"
    assert play.can() == ["2: drop", "1: first", "1: other"]


def test_resets_of_the_own_family_keep_the_step_of_its_owner() -> None:
    play = Play(
        """spec t
        actors { P }
        machine A[i in 1..N] {
          var k : 0..3 = 0
          by P: up { k = 3 }
          initial state S {
            by P: go -> T { k = 1 } resets A where k == 3
          }
          state T
        }
        """,
        2,
    )
    play.do("2: up", "1: go")
    assert (play["A.state[1]"], play["A.k[1]"], play["A.k[2]"]) == ("T", "1", "0")
    play = Play(
        "spec t\nactors { P }\nmachine A[i in 1..N] {\n var k : 0..3 = 0\n by P: up { k = 3 }\n"
        " initial state S { by P: go -> T { k = 1 } resets A }\n state T\n}\n",
        2,
    )
    play.do("1: up", "1: go")
    assert (play["A.state[1]"], play["A.k[1]"]) == ("S", "0")


def test_a_partner_can_reset_and_chain() -> None:
    play = Play(
        """spec t
        actors { host H, plugin D }
        entry X returns { ok }
        machine A { by H: go sync B.hit }
        machine C { var k : bool = false\n by H: set when not k { k = true } }
        machine B {
          late return X(*)
          initial state S { on hit -> T resets C then call X }
          state T
        }
        """
    )
    play.do("set", "go")
    assert (play["B.state"], play["C.k"]) == ("T", "false")
    assert (play.can(), play.limit()) == (["set", "call X"], "0s")


# ---- definitions, readings, files ----------------------------------------------------------------
def test_a_definition_speaks_of_the_instance_that_is_asked() -> None:
    play = Play(
        """spec t
        actors { P }
        machine A[i in 1..N] {
          define ready = in S and not k
          var k : bool = false
          initial state S {
            by P: go when (forall j in A: (j == i or not j.ready)) -> T
            by P: tick { k = true }
          }
          state T
        }
        """,
        2,
    )
    assert play.can() == ["1: tick", "2: tick"]
    assert play.do("2: tick").can() == ["1: go", "1: tick", "2: tick"]


READINGS = """spec t
actors { M }
param Mode : { slow, fast } = slow "which?"
param T = 5s
machine A {
  initial state S {
    by M: walk when Mode == slow
    within T by M: run when Mode == fast
  }
}
"""


def test_readings_and_parameters_are_chosen_by_settings() -> None:
    assert (Play(READINGS).can(), Play(READINGS).limit()) == (["walk"], "any")
    fast = Play(READINGS, settings={"Mode": "fast", "T": "7s"})
    assert (fast.can(), fast.limit()) == (["run"], "7s")
    reading = loaded(READINGS, {"Mode": "fast"}).system.readings[0]
    assert (reading.name, reading.options, reading.chosen, reading.default) == (
        "Mode", ("slow", "fast"), "fast", "slow",
    )  # fmt: skip


def test_deep_conditions_work_up_to_the_limit_of_brackets() -> None:
    deep = "k and (not k or (" * 49 + "k" + "))" * 49
    play = Play(machine(f"var k : bool = true\nby M: go when {deep}"))
    assert play.can() == ["go"]

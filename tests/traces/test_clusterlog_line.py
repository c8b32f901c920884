"""One line of a cluster.log, complete or with parts missing."""

from __future__ import annotations

import pytest

from rhscheck.traces.clusterlog.line import (
    About,
    Line,
    begins_record,
    canonical,
    component,
    have_dates,
    is_legacy,
    parse_line,
    section,
)

TIME = 1_596_676_724_931_000  # 2020/08/06-01:18:44.931


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "00002a54.0000610c::2020/08/06-01:18:44.931 ERR   [RHS] Online failed. ",
            Line(0x2A54, 0x610C, TIME, True, None, "ERR", "[RHS] Online failed."),
        ),
        (
            "2a54.0000ca4::2020/08/06-01:18:44.931 ERR [RHS] x",
            Line(0x2A54, 0xCA4, TIME, True, None, "ERR", "[RHS] x"),
        ),
        (
            "360329 [Operational] 000036ec.000019ac::2020/08/06-01:18:44.931 INFO  The cluster",
            Line(0x36EC, 0x19AC, TIME, True, "Operational", "INFO", "The cluster"),
        ),
        (
            "21:16:18.436 DBG   [SM] x",
            Line(None, None, 76_578_436_000, False, None, "DBG", "[SM] x"),
        ),
        (
            "00001668.00001f88::*<DateTime>* WARN [RES] x",
            Line(0x1668, 0x1F88, None, False, None, "WARN", "[RES] x"),
        ),
        ("WARN lost quorum", Line(None, None, None, False, None, "WARN", "lost quorum")),
        ("[RES] Disk <x>: y", Line(None, None, None, False, None, None, "[RES] Disk <x>: y")),
        (
            "INFO  rcm::RcmResource::OnlineWorker[RCM] Issuing",
            Line(None, None, None, False, None, "INFO",
                 "rcm::RcmResource::OnlineWorker[RCM] Issuing"),
        ),
        (
            "**00002a54.0000610c::2020/08/06-01:18:44.931 ERR   [RHS] Online failed.**",
            Line(0x2A54, 0x610C, TIME, True, None, "ERR", "[RHS] Online failed."),
        ),
        (
            "> > 12: **00002a54.0000610c::2020/08/06-01:18:44.931 ERR   [RHS] x**",
            Line(0x2A54, 0x610C, TIME, True, None, "ERR", "[RHS] x"),
        ),
        (
            "123:00002a54.0000610c::2020/08/06-01:18:44.931 ERR   [RHS] x",
            Line(0x2A54, 0x610C, TIME, True, None, "ERR", "[RHS] x"),
        ),
        ("> **WARN lost quorum**", Line(None, None, None, False, None, "WARN", "lost quorum")),
        ("12 **<DateTime>** INFO x", Line(None, None, None, False, None, "INFO", "x")),
        (
            "7: 21:16:18.436 DBG   [SM] x",
            Line(None, None, 76_578_436_000, False, None, "DBG", "[SM] x"),
        ),
        ("Run the Validate a Configuration wizard", None),
        ("16 milliseconds for resource 'x'.", None),
        ("> quoted", None),
        ("**bold**", None),
        ("", None),
        ("INFOrmation", None),
    ],
)  # fmt: skip
def test_parts_of_a_line(text: str, line: Line | None) -> None:
    assert parse_line(text) == line
    assert begins_record(text) is (line is not None)


@pytest.mark.parametrize(
    ("message", "shown", "name"),
    [
        ("[RCM] Issuing  Online(x)", "[RCM] Issuing Online(x)", "RCM"),
        ("rcm::RcmResource::OnlineWorker[RCM] Issuing", "[RCM] Issuing", "RCM"),
        ("[DM]: Shutting down", "[DM] Shutting down", "DM"),
        ("[CHANNEL 10.0.0.1:~3343~] close", "[CHANNEL 10.0.0.1:~3343~] close", "CHANNEL"),
        ("cxl::ConnectWorker::operator (): GracefulClose(1226)'",
         "cxl::ConnectWorker::operator (): GracefulClose(1226)'", None),
        ("lost quorum", "lost quorum", None),
    ],
)  # fmt: skip
def test_components(message: str, shown: str, name: str | None) -> None:
    assert canonical(message) == shown
    assert component(message) == name


def test_sections() -> None:
    assert section("[=== Cluster Logs ===]") == "Cluster Logs"
    assert section("[=== Microsoft-Windows-FailoverClustering/Operational logs ===]") is not None
    assert section("[RHS] x") is None


def test_formats_before_2008() -> None:
    old = ["378.32c::1999/06/09-18:00:18.874 Cluster service started"]
    assert is_legacy(old)
    assert not is_legacy([*old, "000.000::1999/06/09-18:00:18.874 INFO  x"])
    assert not is_legacy(["00000ccc.00000ca4::2009/10/17-19:20:41.265 [RHS] level removed"])
    assert not is_legacy(["some text"])


def test_what_people_write_into_a_log_does_not_make_it_a_modern_one() -> None:
    old = "378.380::1999/06/09-18:00:50.881 [NM] Forming cluster membership."
    assert is_legacy(["# Windows 2000: no level, no [RES]", old])
    assert is_legacy([old, "378.380::1999/06/09-18:00:50.881 see [RES] text"])
    # A level that was translated.
    assert not is_legacy(["00000df4.00000c04::2009/10/17-19:20:47.093 FEHLER [RHS] x"])
    assert not is_legacy([old, "[RCM] a line that lost its beginning"])
    assert not is_legacy([old, "Resource d called SetResourceStatusEx: checkpoint 5. Old state x"])


def test_dates() -> None:
    clock, dated = "10:00:05.000 INFO  [RHS] x", "4.5::2020/08/06-01:18:44.931 INFO  [RHS] x"
    assert have_dates(["# 2020/08/06-01:18:44.931 is in no line's beginning", clock]) is False
    assert have_dates([clock, clock, dated]) is True
    assert have_dates(["INFO  [RHS] x", "4.5::*<DateTime>* INFO  [RHS] x"]) is None


def test_what_the_header_says() -> None:
    about = About()
    for text in (
        "Build Number 20348",
        "Current node: name (SVR13) id (2)",
        "UTC = localtime + time zone offset;the time zone offset of this machine is 240 minutes.",
        "The logs were generated using local time.",
    ):
        about.learn(text)
    assert about == About("SVR13", "20348", True, "240 minutes")

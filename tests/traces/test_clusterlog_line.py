"""One line of a cluster.log, complete or with parts missing."""

from __future__ import annotations

import pytest

from rhscheck.traces.clusterlog.line import (
    About,
    Line,
    canonical,
    component,
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
        ("Run the Validate a Configuration wizard", None),
        ("", None),
        ("INFOrmation", None),
    ],
)  # fmt: skip
def test_parts_of_a_line(text: str, line: Line | None) -> None:
    assert parse_line(text) == line


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

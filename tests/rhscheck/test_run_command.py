"""`rhscheck run --simulate` as users meet it: what it prints, writes, and how it exits."""

from __future__ import annotations

import functools
import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from planted_bugs import BUGS

from rhscheck import cli, simulated_runs
from rhscheck.tracer.faults import Fault

CLUSTER = """\
[timeouts]
looks_alive = "30s"
is_alive = "100s"

[resource.db]
group = "web"
plugin = "shop:Database"

[resource.site]
group = "web"
plugin = "shop:Site"
depends_on = ["db"]
"""


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "shop.toml"
    path.write_text(CLUSTER, encoding="utf-8")
    return path


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        cli.main(["run", "shop.toml", *words])
    said = capsys.readouterr()
    return int(str(ended.value.code)), said.out, said.err


# What is said of runs that were only watched: what was not judged is no "conforms".
ALONE = (
    "; watched were R1, R1strict, R2, R2last, R3, R4, R5, P7, M1, B, DependencyOrder, Ownership "
    "alone, and no promise of a plug-in: --judge spec judges all"
)
WATCHED = ("--simulate", "--judge", "watch", "--minutes", "5")


@pytest.mark.usefixtures("cluster")
def test_one_seed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, *WATCHED, "--seed", "3") == (
        0,
        "shop.toml: seed 3: 96 events in 5 min 00 s of virtual time, error in Open 1 of db: "
        f"breaks no watched rule{ALONE}\n",
        "",
    )


@pytest.mark.usefixtures("cluster")
def test_a_range_of_seeds(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, *WATCHED, "--seeds", "0-19")
    assert status == 0
    assert out.startswith("shop.toml: seeds 0-19: 20 runs, ")
    assert out.endswith(f": 20 break no watched rule{ALONE}\n")


@pytest.mark.usefixtures("cluster")
def test_the_trace_is_the_same_every_time_and_conforms(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = (
        "--simulate",
        "--judge",
        "watch",
        "--minutes",
        "3",
        "--fault",
        "db:Online:1:hang-until-terminate",
    )
    assert run(capsys, *words, "--trace", "one.jsonl")[0] == 0
    assert run(capsys, *words, "--trace", "two.jsonl")[0] == 0
    assert (tmp_path / "one.jsonl").read_bytes() == (tmp_path / "two.jsonl").read_bytes()
    with pytest.raises(SystemExit) as ended:
        cli.main(["replay", "one.jsonl", "--format", "json"])
    (trace,) = json.loads(capsys.readouterr().out)["traces"]
    assert ended.value.code == 0
    assert (trace["verdict"], trace["findings"]) == ("conforms", [])


@pytest.mark.usefixtures("cluster")
def test_broken_promises_are_the_plug_ins(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "--simulate", "--minutes", "2", "--fault",
                         "db:Online:1:early-status")  # fmt: skip
    assert status == 0
    assert out.endswith("early-status in Online 1 of db: only the plug-in breaks promises\n")


@pytest.mark.usefixtures("cluster")
def test_a_run_that_is_only_watched_does_not_conform(capsys: pytest.CaptureFixture[str]) -> None:
    """It was said to conform where replay of the same run finds a broken promise."""
    words = ("--simulate", "--minutes", "2", "--fault", "db:Online:1:early-status")
    status, out, _ = run(capsys, *words, "--judge", "watch", "--trace", "t.jsonl")
    assert (status, "conform" in out) == (0, False)
    assert out.endswith(f"early-status in Online 1 of db: breaks no watched rule{ALONE}\n")
    with pytest.raises(SystemExit) as ended:
        cli.main(["replay", "t.jsonl", "--quiet"])
    assert ended.value.code == 1


def interrupt_at(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Ctrl-C comes in the run with this number."""
    judge, runs = simulated_runs.judge_seed, itertools.count(1)

    def judge_seed(*words: Any) -> simulated_runs.Judged:
        if next(runs) == number:
            raise KeyboardInterrupt
        return judge(*words)

    monkeypatch.setattr(simulated_runs, "judge_seed", judge_seed)


@pytest.mark.usefixtures("cluster")
def test_an_interrupted_search_says_how_far_it_came(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It said "interrupted", and what had been tried was lost."""
    interrupt_at(monkeypatch, 4)
    status, out, _ = run(capsys, *WATCHED, "--seeds", "0-19")
    assert status == 130
    assert out.startswith("shop.toml: seeds 0-2: 3 runs, ")
    assert out.endswith(
        f": 3 break no watched rule{ALONE}; interrupted, seeds 3-19 were not tried\n"
    )


@pytest.mark.usefixtures("cluster")
def test_a_violation_is_shown_where_making_it_small_is_interrupted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bug = next(one for one in BUGS if one.name == "online-without-open")
    wanted = simulated_runs.Wanted
    monkeypatch.setattr(simulated_runs, "Wanted", functools.partial(wanted, cores=bug.cores))
    interrupt_at(monkeypatch, 3)
    status, out, _ = run(capsys, *WATCHED, "--seeds", "0-9")
    lines = out.splitlines()
    assert status == 1
    assert lines[0].startswith("seed 0: R1strict: Online of db is called before Open")
    assert lines[-1].endswith("; interrupted, a smaller run was looked for")


@pytest.mark.usefixtures("cluster")
def test_two_results_in_one_file_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, *WATCHED, "--trace", "t", "-o", "./t")
    assert (status, out, err) == (2, "", "error: ./t: --trace and -o need a file each\n")
    status, out, err = run(capsys, "--trace", "t", "--steps", "./t")
    assert (status, out, err) == (2, "", "error: ./t: --trace and --steps need a file each\n")
    status, out, err = run(capsys, "--steps", "t", "-o", "t")
    assert (status, out, err) == (2, "", "error: t: --steps and -o need a file each\n")


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("words", [("--simulate", "--trace", "-"), ("--steps", "-")])
def test_a_recording_does_not_go_to_standard_output(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    """A file of the name `-` was written."""
    status, out, err = run(capsys, *words)
    assert (status, out) == (2, "")
    assert f"{words[-2]} needs a file: standard output is for the report; `./-` is a file" in err


def test_the_help_fits_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["run", "--help"])
    assert all(len(line) <= 80 for line in capsys.readouterr().out.splitlines())


@pytest.mark.usefixtures("cluster")
def test_a_violation_is_shown_small_with_the_command_that_shows_it_again(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bug = next(one for one in BUGS if one.name == "online-without-open")
    wanted = simulated_runs.Wanted
    monkeypatch.setattr(simulated_runs, "Wanted", functools.partial(wanted, cores=bug.cores))
    status, out, _ = run(capsys, *WATCHED, "--seeds", "0-9")
    lines = out.splitlines()
    assert status == 1
    assert lines[0].startswith("seed 0: R1strict: Online of site is called before Open")
    assert lines[-2] == (
        "again: rhscheck run shop.toml --simulate --seed 0 --minutes 1.25 "
        "--resource site --no-faults --judge watch"
    )
    assert lines[-1].endswith(f": 1 violated{ALONE}")


@pytest.mark.usefixtures("cluster")
def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, *WATCHED, "--seeds", "0-1", "--format", "json")
    found = json.loads(out)
    assert status == 0
    assert (found["version"], found["command"], found["mode"]) == (1, "run", "simulate")
    assert (found["seeds"], found["runs"], found["verdicts"]) == ([0, 1], 2, {"unbroken": 2})
    assert (found["watched"][:2], found["interrupted"]) == (["R1", "R1strict"], False)
    assert (found["judge"], found["violation"], found["exit"]) == ("watch", None, 0)


@pytest.mark.usefixtures("cluster")
def test_a_fault_that_does_not_come_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    words = (*WATCHED, "--fault", "db:Online:99:hang", "--fault", "site:Open:1:error")
    status, out, _ = run(capsys, *words)
    lines = out.splitlines()
    assert status == 3
    assert lines[0] == (
        "db:Online:99:hang: there was no call 99 of Online of db: give a smaller number, or more "
        "--minutes"
    )
    assert lines[1].endswith(
        "virtual time, error in Open 1 of site: breaks no watched rule, but db:Online:99:hang did "
        f"not come{ALONE}"
    )
    status, out, _ = run(capsys, *words, "--format", "json", "--seeds", "0-1")
    found = json.loads(out)
    assert (status, found["exit"]) == (3, 3)
    assert found["missed_faults"] == ["db:Online:99:hang"]
    assert run(capsys, *WATCHED, "--fault", "site:Open:1:error")[0] == 0


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("option", ["-o", "--trace"])
def test_a_result_that_could_not_be_written_is_refused_before_the_simulation(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    monkeypatch.setattr(simulated_runs, "search", None)  # it is not called
    path = str(Path("none") / "result")
    status, out, err = run(capsys, *WATCHED, option, path)
    assert (status, out) == (2, "")
    assert err == f"error: {path}: cannot be written: No such file or directory\n"


# ---- wrong use -----------------------------------------------------------------------------------
@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--seed", "1"), "--seed can be used only with --simulate"),
        (("--simulate", "--time-scale", "9"), "--time-scale cannot be used with --simulate"),
        (("--simulate", "--seed", "1", "--seeds", "0-1"), "--seed and --seeds exclude each other"),
        (("--simulate", "--seeds", "9-1"), "`9-1` is not of the form A-B with A <= B"),
        (("--simulate", "--judge", "none"), "--judge none is for real runs"),
        (("--judge", "watch"), "--judge watch is for --simulate"),
        (("--simulate", "--no-faults", "--fault", "db:Open:1:hang"), "exclude each other"),
        (("--simulate", "--resource", "dbs"), "there is no resource `dbs`; did you mean `db`?"),
        (("--simulate", "--fault", "db:Online"), "is not of the form RES:OP:N:KIND"),
        (
            ("--simulate", "--fault", "db:Onlin:1:hang"),
            "there is no entry point `Onlin`; did you mean",
        ),
        (
            ("--simulate", "--fault", "db:Open:1:hang", "--fault", "db:Open:1:error"),
            "Open 1 of db has one fault, not `hang` and `error`: leave one out",
        ),
        (("--simulate", "--fault", "db:Close:1:error"), "Close has no fault `error`"),
        (("--simulate", "--fault", "db:Online:0:hang"), "is not of the form RES:OP:N:KIND"),
    ],
)
def test_wrong_use_says_what_would_be_right(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], message: str
) -> None:
    status, out, err = run(capsys, *words)
    assert (status, out) == (2, "")
    assert message in err


@pytest.mark.usefixtures("cluster")
def test_a_wrong_cluster_file_is_quoted_by_line(
    capsys: pytest.CaptureFixture[str], cluster: Path
) -> None:
    cluster.write_text(CLUSTER.replace('["db"]', '["dbx"]'), encoding="utf-8")
    status, _, err = run(capsys, "--simulate")
    assert status == 2
    assert "shop.toml:12: `site` depends on `dbx`, which does not exist" in err


def test_faults_are_written_as_they_are_read() -> None:
    from rhscheck.run_output import fault_text  # noqa: PLC0415

    fault = Fault("a:b", "Online", 2, "hang")
    assert fault_text(fault) == "a:b:Online:2:hang"

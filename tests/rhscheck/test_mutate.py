"""`rhscheck mutate`: the report, allowed variations, exit statuses."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rhscheck import api, mutate
from rhscheck.checker.mutation import Baseline, Judgement
from rhscheck.cli import cli
from rhscheck.spec.load import read_source
from rhscheck.spec.mutants import Mutant, mutants
from rhscheck.spec.parse import parse
from rhscheck.spec.system import System
from rhscheck.variations import read_variations, stale

TILL = """spec till "A till"
actors { host Till, plugin Clerk }
machine Drawer {
  var key : bool = false
  initial state Shut {
    by Clerk: insert when not key { key = true }
    by Clerk: open when key -> Open
  }
  state Open {
    within 30s by Till: slam -> Shut { key = false }
  }
}
rules Drawer {
  rule Locked "with the key only": never enter Open and not key
  rule Opens "it can be opened": can in Open
}
"""
GUARD = "drop-guard Drawer.Shut: by Clerk: insert [when]"
TIME = "double-time Drawer.Open: within 30s by Till: slam"


@pytest.fixture
def till(tmp_path: Path) -> Path:
    path = tmp_path / "till.sm"
    path.write_text(TILL, encoding="utf-8")
    return path


def allow(till: Path, *ids: str) -> None:
    text = "".join(f'[[variation]]\nid = "{id_}"\nreason = "nobody minds"\n' for id_ in ids)
    till.with_suffix(".variations.toml").write_text(text, encoding="utf-8")


def run(*words: str) -> tuple[int, Result]:
    done = CliRunner().invoke(cli, ["mutate", *words], standalone_mode=False)
    assert done.exception is None
    assert isinstance(done.return_value, int)
    return done.return_value, done


def test_what_lives_is_shown_with_its_lines(till: Path) -> None:
    status, done = run(str(till), "--operator", "drop-guard", "-j", "1", "--no-color")
    assert status == 1
    assert done.stdout == (
        f"{till}:6: alive: {GUARD}\n"
        "    -    by Clerk: insert when not key { key = true }\n"
        "    +    by Clerk: insert { key = true }\n"
        "    (no verdict changes; not shown to be equivalent: `insert` with the change (1))\n\n"
        "killed by: Locked 1\n\n"
        "till: 1 killed of 2 = 50 %; 1 alive, 0 allowed, 0 equivalent, 0 undecided, 0 refused\n"
    )


def test_an_allowed_variation_does_not_count(till: Path) -> None:
    allow(till, GUARD)
    status, done = run(str(till), "--operator", "drop-guard", "-j", "1", "--format", "json")
    assert status == 0
    shown = json.loads(done.stdout)
    assert [(one["fate"], one["by"], one["allowed"]) for one in shown["mutants"]] == [
        ("alive", None, "nobody minds"), ("killed", "Locked", None),
    ]  # fmt: skip
    assert (shown["killed"], shown["counted"], shown["allowed"], shown["alive"]) == (1, 1, 1, 0)


def test_a_stale_entry_is_an_error(till: Path) -> None:
    killed = "drop-guard Drawer.Shut: by Clerk: open [when]"
    allow(till, GUARD, killed, "drop-guard Drawer.Shut: by Clerk: opne [when]")
    status, done = run(str(till), "--operator", "drop-guard", "-j", "1", "-q")
    assert status == 2
    assert (
        done.stderr
        == f"error: stale allowed variations:\n  `{killed}` is killed, not alive: take it out\n"
    )
    status, done = run(str(till), "-j", "1", "-q")
    assert status == 2
    assert "there is no mutant `drop-guard Drawer.Shut: by Clerk: opne [when]`; did you mean" in (
        done.stderr
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[variation]]\nid = 1\n", "a [[variation]] has `id"),
        ("[[variation]]\nid = 'a'\nreason = ''\n", "a [[variation]] has `id"),
        ("[[variations]]\n", "`variations` is unknown; write [[variation]] tables"),
        ("x = ", "Invalid value"),
        ("[[variation]]\nid='a'\nreason='b'\n[[variation]]\nid='a'\nreason='b'\n", "listed twice"),
    ],
)
def test_a_file_of_variations_that_says_something_else(till: Path, text: str, message: str) -> None:
    till.with_suffix(".variations.toml").write_text(text, encoding="utf-8")
    with pytest.raises(api.InputError) as error:
        read_variations(str(till), None)
    assert message in str(error.value)


def test_the_list_judges_nothing(till: Path) -> None:
    status, done = run(str(till), "--list", "--id", TIME)
    assert (status, done.stdout) == (
        0,
        f"{till}:10: {TIME}\n"
        "    -    within 30s by Till: slam -> Shut { key = false }\n"
        "    +    within 2 * 30s by Till: slam -> Shut { key = false }\n"
        "1 mutant\n",
    )


@pytest.mark.parametrize("option", ["--resume", "--variations"])
@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="there is no such device")
def test_a_device_is_not_read(till: Path, option: str) -> None:
    status, done = run(str(till), option, "/dev/zero", "--operator", "drop-guard", "-j", "1")
    assert (status, done.stderr) == (2, "error: /dev/zero is a device, not a file\n")


@pytest.mark.parametrize("given", [True, False])
def test_the_result_is_not_written_over_the_variations(till: Path, given: bool) -> None:
    allow(till, GUARD)
    file = till.with_suffix(".variations.toml")
    before = file.read_text("utf-8")
    words = ["--variations", str(file)] if given else []
    status, done = run(str(till), "--list", "-o", str(file), *words)
    assert status == 2
    assert "this is the input" in done.stderr
    assert file.read_text("utf-8") == before


def test_names_that_do_not_exist(till: Path) -> None:
    assert run(str(till), "--operator", "drop-gard")[1].stderr == (
        "error: there is no operator `drop-gard` here; "
        "did you mean `drop-guard` or `drop-target`?\n"
    )
    assert run(str(till), "--id", "x")[1].stderr == (
        "error: there is no mutant `x`; `--list` shows their names\n"
    )


def test_for_continuous_integration(till: Path) -> None:
    status, done = run(str(till), "--id", GUARD, "-j", "1", "--format", "github")
    assert status == 1
    first, last = done.stdout.splitlines()
    assert first.startswith(f"::error file={till},line=6,col=1,title=drop-guard Drawer.Shut%3A by")
    assert last == "rhscheck mutate till: 1 failed; exit 1"


def test_the_same_with_several_processes(till: Path) -> None:
    assert (
        run(str(till), "-j", "2", "--all")[1].stdout == run(str(till), "-j", "1", "--all")[1].stdout
    )


def test_a_run_goes_on_where_another_one_ended(till: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = till.with_name("kept.json")
    whole = run(str(till), "-j", "1", "--all")[1].stdout
    seen: list[Mutant] = []
    judge = mutate._one

    def judged(case: mutate._Case, mutant: Mutant) -> Judgement:
        if len(seen) == 2:
            raise KeyboardInterrupt
        seen.append(mutant)
        return judge(case, mutant)

    monkeypatch.setattr(mutate, "_one", judged)
    ended = CliRunner().invoke(cli, ["mutate", str(till), "-j", "1", "--resume", str(file)])
    assert ended.exit_code != 0
    content = json.loads(file.read_text(encoding="utf-8"))
    assert list(content["mutants"]) == [mutant.id for mutant in seen]
    monkeypatch.undo()
    judges_no_original(monkeypatch)
    again = run(str(till), "-j", "1", "--all", "--resume", str(file))[1].stdout
    assert again == whole
    # Now all is known: nobody is asked.
    monkeypatch.setattr(mutate, "_one", judged)
    assert run(str(till), "-j", "1", "--all", "--resume", str(file))[1].stdout == whole


def judges_no_original(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(system: System, jobs: int) -> Baseline:
        raise AssertionError("the original is known")

    monkeypatch.setattr(mutate, "baseline", refuse)


NO_SUCH_FILE = "is no file that `mutate --resume` wrote; name another one"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("{", "", NO_SUCH_FILE),
        ("rhscheck-mutate/1", "rhscheck-mutate/2", NO_SUCH_FILE),
        (
            '"rhscheck": "',
            '"rhscheck": "0',
            "is about another version of rhscheck: delete it to begin anew, or name another file",
        ),
        (
            '"text": "',
            '"text": "0',
            "is about another text: delete it to begin anew, or name another file",
        ),
        ('"fate": "killed"', '"fate": "saved"', "is damaged: delete it to begin anew"),
        ('"Opens": "witnessed"', '"Opens": "seen"', "is damaged: delete it to begin anew"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(till: Path, old: str, new: str, message: str) -> None:
    file = till.with_name("kept.json")
    only = ("--operator", "drop-guard", "-j", "1", "--resume", str(file))
    run(str(till), *only)
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    status, done = run(str(till), *only)
    assert (status, done.stderr) == (2, f"error: {file} {message}\n")


def test_other_settings_are_another_spec(till: Path) -> None:
    till.write_text(
        TILL.replace("actors", "param Slam = 30s\nactors").replace("30s by", "Slam by"),
        encoding="utf-8",
    )
    file = till.with_name("kept.json")
    only = (str(till), "--operator", "drop-guard", "-j", "1", "--resume", str(file))
    run(*only)
    status, done = run(*only, "--set", "Slam=20s")
    assert status == 2
    assert "is about another spec or settings: delete it" in done.stderr


def test_what_is_to_come_is_told(till: Path) -> None:
    lines: list[str] = []
    loaded = api.load(str(till), {})
    chosen = mutate.select(loaded, ("drop-guard",), ())
    judged = list(
        mutate.score(loaded, {}, chosen, {}, jobs=1, timeout_s=None, progress=lines.append)
    )
    assert len(judged) == len(chosen)
    assert re.fullmatch(r"mutant 1 of \d+: \w+; about \d+ s to go", lines[2])
    assert mutate._about(89) == "about 89 s to go"
    assert mutate._about(600) == "about 10 min to go"


def test_the_shipped_variations_name_mutants() -> None:
    source = read_source("rhs")
    known = {one.id: "alive" for one in mutants(source, parse(source))}
    allowed = read_variations("rhs", None)
    assert allowed
    assert stale(allowed, known, known) == ""
    assert read_variations("fischer", None) == {}

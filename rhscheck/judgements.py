"""Judgements about mutants kept in a file, so that a long run can be taken up where it ended.

Owns the file: which spec, text and version of rhscheck it is about, what the original says, and the
fate of each mutant judged so far. It is replaced as a whole after each of them, so that a run that
is killed at any moment leaves what was known by then. What is undecided is not kept: the next run
may have more time. Knows neither how a mutant is judged nor how a score is shown.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from rhscheck import api
from rhscheck.checker.mutation import Baseline, Fate, Judgement
from rhscheck.checker.verdict import VerdictName
from rhscheck.spec.fingerprint import fingerprint
from rhscheck.spec.load import Loaded
from rhscheck.terminal import write_result

_FORMAT = "rhscheck-mutate/1"
_FATES: tuple[str, ...] = get_args(Fate)
_VERDICTS: tuple[str, ...] = get_args(VerdictName)


@dataclass(slots=True)
class Kept:
    """What the file `path` holds. `about`: what it is about; `original`: what the original says.

    With the path None nothing is written.
    """

    path: str | None = None
    about: Mapping[str, str] = field(default_factory=dict)
    original: Baseline | None = None
    judged: dict[str, Judgement] = field(default_factory=dict)

    def begin(self, original: Baseline) -> None:
        """Keep what the original says."""
        self.original = original
        self._write()

    def add(self, mutant: str, judgement: Judgement) -> None:
        """Keep what became of the mutant of this id, unless that is undecided."""
        if judgement.fate != "undecided":
            self.judged[mutant] = judgement
            self._write()

    def _write(self) -> None:
        if self.path is None or self.original is None:
            return
        content = {
            **self.about,
            "original": {
                "verdicts": dict(self.original.verdicts),
                "scenarios": dict(self.original.scenarios),
            },
            "mutants": {
                name: {"fate": one.fate, "by": one.by, "reason": one.reason}
                for name, one in self.judged.items()
            },
        }
        text = json.dumps(content, ensure_ascii=False, indent=1) + "\n"
        write_result(text.encode("utf-8"), self.path)


def kept(path: str | None, loaded: Loaded) -> Kept:
    """What is known from the file `path`; nothing, if there is none yet.

    Raises InputError for a file that cannot be read, is another kind of file, or is about another
    spec, other settings or another version of rhscheck.
    """
    if path is None:
        return Kept()
    source = loaded.sources[0]
    about = {
        "format": _FORMAT,
        "rhscheck": api.version(),
        "system": fingerprint(loaded.system),
        "text": hashlib.sha256(source.text.encode("utf-8")).hexdigest(),
    }
    api.refuse_device(path)
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Kept(path, about)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise api.InputError(f"{path}: {reason}") from None
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise api.InputError(f"{path} is no file that `mutate --resume` wrote; name another one")
    names = {"rhscheck": "version of rhscheck", "system": "spec or settings", "text": "text"}
    for key, what in names.items():
        if content.get(key) != about[key]:
            raise api.InputError(
                f"{path} is about another {what}: delete it to begin anew, or name another file"
            )
    try:
        return Kept(path, about, *_parsed(content))
    except (KeyError, TypeError, ValueError):
        raise api.InputError(f"{path} is damaged: delete it to begin anew") from None


def _parsed(content: Mapping[str, object]) -> tuple[Baseline, dict[str, Judgement]]:
    """Raises KeyError, TypeError or ValueError for what `Kept` has not written."""
    match content["original"], content["mutants"]:
        case {"verdicts": dict(verdicts), "scenarios": dict(scenarios)}, dict(mutants):
            pass
        case _:
            raise TypeError
    if not all(one in _VERDICTS for one in verdicts.values()):
        raise ValueError
    if not all(type(one) is int for one in scenarios.values()):
        raise TypeError
    judged: dict[str, Judgement] = {}
    for name, one in mutants.items():
        match one:
            case {"fate": str(fate), "by": str(by), "reason": str(reason)} if fate in _FATES:
                judged[name] = Judgement(fate, by, reason)  # type: ignore[arg-type]
            case _:
                raise TypeError
    return Baseline(verdicts, scenarios), judged

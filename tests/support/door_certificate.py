"""A small spec of which everything is certified, and its certificate."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path

import msgspec

from rhscheck.checker.certificate import build
from rhscheck.checker.certify import form
from rhscheck.checker.certify.form import Certificate
from rhscheck.checker.verdict import Unknown
from rhscheck.checker.verify import Options, verify
from rhscheck.spec.load import Loaded, load_source
from rhscheck.spec.source import Source

# A host with two instances at most of interest, a clock each, and a permission.
SMALL = """\
spec small "A door that opens for a while"

actors { host H, plugin P }

shared machine Power {
  initial state On  { by H: cut -> Off }
  state Off { by H: mend -> On }
}

machine Door[i in 1..N] {
  initial state Shut { by P: open when in Power.On -> Open }
  state Open {
    timer tired = 3s
    on tired -> Shut
    by P: slam -> Shut
  }
}

rules Door {
  rule K1 "nobody opens an open door": only in Shut: event open
  rule K2 "an open door is shut in time": when event open leads to in Shut within 3s
  rule K3 "no door is opened in the dark": never event open and in Power.Off
  rule K4 "a door opens": can in Open
  rule K5 "doors stay shut": never in Open
}
"""


def read(text: str = SMALL, path: str = "small.sm") -> Loaded:
    """The spec."""
    return load_source(Source(path, text))


@functools.cache
def made(n: int | None = None, text: str = SMALL) -> tuple[Certificate, Mapping[str, bytes]]:
    """The certificate of a spec; nobody changes it."""
    loaded = read(text)
    report = verify(loaded.system, Options(n=n, findings=False, certificate=True))
    assert not any(isinstance(result.verdict, Unknown) for result in report.results)
    return build(loaded, {}, report, "rhscheck under test")


def put(
    folder: Path, certificate: Certificate, files: Mapping[str, bytes], changed: Mapping[str, bytes]
) -> Path:
    """Write a certificate with some files changed, and all hashes as they have to be."""
    folder.mkdir(exist_ok=True)
    whole = {**files, **changed}
    hashes = {path: form.sha256(data) for path, data in whole.items()}
    form.write(folder, msgspec.structs.replace(certificate, files=hashes), whole)
    return folder

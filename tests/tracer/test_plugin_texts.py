"""What plug-ins say of themselves must not hurt the host: texts and codes of errors."""

from __future__ import annotations

import pytest

from rhscheck.tracer.plugin import ResourceError
from rhscheck.tracer.real.hosting import _text_of
from rhscheck.tracer.real.rhs_process import _shown


@pytest.mark.parametrize("code", ["abc", 2**40, -1, None])
def test_the_code_of_an_error_is_a_number_that_fits(code: object) -> None:
    with pytest.raises(ValueError, match="a number of 32 bits"):
        ResourceError("no", code)  # type: ignore[arg-type]


def test_an_exception_without_a_text_is_told_all_the_same() -> None:
    class Mute(Exception):  # noqa: N818
        def __str__(self) -> str:
            raise KeyError("text")

    assert _text_of(Mute()) == "(its text cannot be had: KeyError)"
    assert _text_of(ValueError("plain")) == "plain"


def test_nothing_in_a_text_commands_a_terminal_or_has_no_encoding() -> None:
    assert _shown("a\x1b[31m\ud800\nb\tä") == "a\\x1b[31m\\ud800\nb\tä"

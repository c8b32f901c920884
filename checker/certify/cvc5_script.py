"""cvc5, a second solver: SMT-LIB 2 scripts in, what it prints out.

Owns every setting of cvc5, and that it may be missing (it comes with the extra `certify`).
"""

from __future__ import annotations

import importlib.util

LOGIC_NEEDS = "incremental"  # several questions a script


def installed() -> bool:
    """Whether there is a cvc5 to ask."""
    return importlib.util.find_spec("cvc5") is not None


def version() -> str:
    """The version of cvc5. Raises ImportError where it is not installed."""
    import cvc5  # noqa: PLC0415  an extra

    return str(cvc5.__version__)


def run_script(text: str) -> str:
    """What cvc5 prints for a script; errors are printed, too."""
    import cvc5  # noqa: PLC0415  an extra

    solver = cvc5.Solver()
    solver.setOption(LOGIC_NEEDS, "true")
    # Finite states with a little arithmetic: a quarter less time.
    solver.setOption("decision", "justification")
    solver.setOption("arith-prop", "none")
    symbols = cvc5.SymbolManager(solver)
    parser = cvc5.InputParser(solver, symbols)
    parser.setStringInput(cvc5.InputLanguage.SMT_LIB_2_6, text, "script")
    printed: list[str] = []
    try:
        while not (command := parser.nextCommand()).isNull():
            printed.append(str(command.invoke(solver, symbols)))
    except RuntimeError as error:  # a script that cvc5 cannot read or run
        printed.append(f"(error {error})\n")
    return "".join(printed)

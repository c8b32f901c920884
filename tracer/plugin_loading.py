"""Finds the class that CLUSTER.toml names, checks that it fits, and checks its parameters.

Owns what a plug-in is called (`pkg.module:Class`, `./file.py:Class`, or the bare name of a shipped
resource) and every message about one that does not fit, each with what to change. Importing a
plug-in runs its code: only a monitor process does this, never RCM.
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import importlib
import importlib.util
import inspect
import sys
import typing
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import msgspec

from rhscheck.tracer.plugin import Host, ParameterError, Resource

SHIPPED: Final = {
    "GenericApplication": "rhscheck.tracer.resources.generic_application:GenericApplication",
    "GenericScript": "rhscheck.tracer.resources.generic_script:GenericScript",
}
_FILE_MODULE: Final = "rhscheck_plugin_"
# Entry point, and the keyword or positional arguments that the host passes after `self`.
_ENTRIES: Final[tuple[tuple[str, tuple[object, ...], dict[str, object]], ...]] = (
    ("open", (), {"recover": False}),
    ("close", (), {}),
    ("online", (), {}),
    ("offline", (), {}),
    ("terminate", (), {}),
    ("looks_alive", (), {}),
    ("is_alive", (), {}),
    ("resource_control", (0, b""), {}),
)


class PluginError(Exception):
    """A plug-in that cannot be used; the message says what to change.

    `parameter`: the parameter of CLUSTER.toml that is at fault, if one is. `each`: this error and
    those that were found beside it.
    """

    def __init__(
        self, message: str, parameter: str | None = None, *, beside: Sequence[PluginError] = ()
    ) -> None:
        super().__init__(message)
        self.parameter = parameter
        self.each: tuple[PluginError, ...] = (self, *beside)


def load_class(name: str, folder: Path) -> type[Resource]:
    """The class called `name`; a file is looked for from `folder`, that of CLUSTER.toml.

    Raises PluginError for a name that leads nowhere, an import that fails (whatever it raises, an
    exit included), and a class that lacks something or has the wrong shape.
    """
    full = SHIPPED.get(name, name)
    where, colon, attribute = full.rpartition(":")
    if not colon or not where or not attribute.isidentifier():
        raise PluginError(_not_a_name(name))
    module = _load_module(where, folder)
    try:
        found = getattr(module, attribute)
    except AttributeError:
        raise PluginError(_no_such_class(where, attribute, module)) from None
    _check_class(found, where, attribute)
    checked: type[Resource] = found
    return checked


def _not_a_name(name: str) -> str:
    near = difflib.get_close_matches(name, SHIPPED, n=1)
    hint = f"did you mean `{near[0]}`?" if near else "shipped are " + " and ".join(SHIPPED)
    return f"`{name}` names no plug-in: write `package.module:Class` or `./file.py:Class`; {hint}"


def _load_module(where: str, folder: Path) -> ModuleType:
    is_file = where.endswith(".py") or "/" in where or "\\" in where
    path = (folder / where).resolve()
    if is_file and not path.is_file():
        raise PluginError(f"there is no file {path}; paths start from the folder of CLUSTER.toml")
    try:
        if is_file:
            return _import_file(path)
        _find_beside(folder)
        return importlib.import_module(where)
    except PluginError:
        raise  # it says what is wrong in its own words
    except ModuleNotFoundError as error:
        if error.name is not None and not is_file and where.startswith(error.name):
            raise PluginError(
                f"there is no module `{error.name}`, neither in the environment of rhscheck nor "
                f"beside CLUSTER.toml ({folder}): install it, or write `./file.py:Class`"
            ) from error
        raise PluginError(
            f"`{where}` cannot be imported: {error} (install what it needs into the environment of "
            "rhscheck)"
        ) from error
    except SystemExit as error:
        raise PluginError(
            f"`{where}` called sys.exit({error.code!r}) while it was imported; "
            "put what is not needed for the class under `if __name__ == '__main__':`"
        ) from error
    except BaseException as error:
        what = f"{type(error).__name__}: {error}{_raised_at(error, path)}"
        raise PluginError(f"`{where}` cannot be imported: {what}") from error


def _import_file(path: Path) -> ModuleType:
    """Import a file under a name of its own, so that two files called alike do not meet."""
    name = f"{_FILE_MODULE}{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise PluginError(f"{path} is no Python file: its name has to end in `.py`")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look their module up
    _find_beside(path.parent)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _where(found: type[Resource]) -> str:
    """The module of a class as people call it: a file has a name of its own only in here."""
    if not found.__module__.startswith(_FILE_MODULE):
        return found.__module__
    return Path(sys.modules[found.__module__].__file__ or found.__module__).name


def _find_beside(folder: Path) -> None:
    """Let modules in `folder` be imported, too: last, so that none takes the place of another."""
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def _raised_at(error: BaseException, path: Path) -> str:
    """The last line of the plug-in's own file that the exception went through."""
    if isinstance(error, SyntaxError):
        return f" (line {error.lineno})"
    line = None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    return "" if line is None else f" ({path.name} line {line})"


def _no_such_class(where: str, attribute: str, module: ModuleType) -> str:
    offered = [
        name
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, Resource) and value is not Resource
    ]
    near = difflib.get_close_matches(attribute, offered, n=1)
    if near:
        return f"`{where}` has no `{attribute}`; did you mean `{near[0]}`?"
    if offered:
        return f"`{where}` has no `{attribute}`; its resources are {', '.join(sorted(offered))}"
    return (
        f"`{where}` has no `{attribute}`, nor any other subclass of rhscheck.tracer.plugin.Resource"
    )


def _check_class(found: object, where: str, attribute: str) -> None:
    called = f"`{where}:{attribute}`"
    if not isinstance(found, type) or not issubclass(found, Resource):
        raise PluginError(
            f"{called} is no resource: write `class {attribute}(Resource):` "
            "with `from rhscheck.tracer.plugin import Resource`"
        )
    missing = sorted(getattr(found, "__abstractmethods__", ()))
    if missing:
        raise PluginError(f"{called} lacks {_and(missing)}: define {_and(missing)}")
    wrong = [text for entry in _ENTRIES if (text := _wrong_entry(found, *entry))]
    if wrong:
        raise PluginError(f"{called}: " + "; ".join(wrong))
    parameter_type(found)


def _wrong_entry(
    found: type[Resource], name: str, arguments: tuple[object, ...], named: dict[str, object]
) -> str | None:
    """Why the host cannot call this entry point, None if it can."""
    entry = inspect.getattr_static(found, name)
    expected = inspect.signature(getattr(Resource, name))
    names = list(expected.parameters)
    if named:
        names.insert(1, "*")
    shown = ", ".join(names)
    if isinstance(entry, staticmethod | classmethod | property) or not callable(entry):
        return f"`{name}` has to be a plain method, `def {name}({shown})`"
    if inspect.iscoroutinefunction(entry) or inspect.isasyncgenfunction(entry):
        return f"`{name}` is async; the host calls it in a thread: write `def {name}({shown})`"
    try:
        inspect.signature(entry).bind(None, *arguments, **named)
    except TypeError as error:
        return f"`{name}` cannot be called by the host ({error}): write `def {name}({shown})`"
    return None


def _and(names: list[str]) -> str:
    quoted = [f"`{name}`" for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"


# ---- parameters ----------------------------------------------------------------------------------
def parameter_type(found: type[Resource]) -> type[Any] | None:
    """The type that `params` is annotated with, None where there is none. Raises PluginError."""
    called = f"`{_where(found)}:{found.__qualname__}`"
    try:
        hint = typing.get_type_hints(found).get("params", Any)
    except Exception as error:  # an annotation may be any expression, and raise anything
        raise PluginError(f"{called}: its annotations cannot be read: {error}") from error
    if hint is Any:
        return None
    is_struct = isinstance(hint, type) and issubclass(hint, msgspec.Struct)
    if not is_struct and not dataclasses.is_dataclass(hint):
        raise PluginError(
            f"{called}: `params: {getattr(hint, '__name__', hint)}` has to be annotated with a "
            "dataclass or a msgspec.Struct"
        )
    checked: type[Any] = hint
    return checked


def convert_parameters(found: type[Resource], given: Mapping[str, object]) -> Any:
    """The parameters as the class wants them. Raises PluginError with each one that is wrong."""
    wanted = parameter_type(found)
    known = {} if wanted is None else _fields(wanted)
    wrong = [
        PluginError(_unknown_parameter(name, tuple(known)), name)
        for name in given
        if name not in known
    ]
    if wanted is not None:
        types = _types(wanted)
        misspelt = {near for name in given if name not in known for near in _near(name, known)}
        for name, required in known.items():
            needed = required and name not in misspelt
            error = _wrong_parameter(name, given, required=needed, types=types)
            if error is not None:
                wrong.append(error)
    if wrong:
        raise PluginError(str(wrong[0]), wrong[0].parameter, beside=wrong[1:])
    if wanted is None:
        return None
    try:
        return msgspec.convert(dict(given), wanted)
    except msgspec.ValidationError as error:  # where the types of the fields could not be had
        raise _wrong_value(error) from None
    except (TypeError, ValueError) as error:  # __post_init__ of the author's class
        raise PluginError(f"the parameters are refused: {error}") from error


def check_parameters(found: type[Resource], params: Any) -> None:
    """Let the class say what is wrong with its parameters here. Raises PluginError with that."""
    called = f"`{_where(found)}:{found.__qualname__}`: check_parameters"
    if not inspect.ismethod(found.check_parameters):
        raise PluginError(f"{called} has to be `@classmethod def check_parameters(cls, params)`")
    try:
        found.check_parameters(params)
    except ParameterError as error:
        raise PluginError(f"parameter `{error.parameter}`: {error}", error.parameter) from error
    except Exception as error:
        raise PluginError(f"{called} raised {type(error).__name__}: {error}") from error


def _wrong_parameter(
    name: str, given: Mapping[str, object], *, required: bool, types: Mapping[str, Any]
) -> PluginError | None:
    """What is wrong with one parameter by itself, None if nothing is."""
    if name not in given:
        if not required:
            return None
        return PluginError(f"parameter `{name}` is missing: add `{name} = …`", name)
    if name in types:
        try:
            msgspec.convert(given[name], types[name])
        except msgspec.ValidationError as error:
            return _wrong_value(error, name)
        except (TypeError, ValueError):
            return None  # no type of msgspec's, or a class of the author's that refuses
    return None


def _wrong_value(error: msgspec.ValidationError, name: str = "") -> PluginError:
    what, _, path = str(error).partition(" - at `$")
    name = name or path.strip("`.").partition(".")[0].partition("[")[0]
    if not name:  # __post_init__ of the author's class
        return PluginError(f"the parameters are refused: {error}")
    what = what.replace("`", "")
    return PluginError(f"parameter `{name}`: {what[:1].lower()}{what[1:]}", name)


def _types(wanted: type[Any]) -> Mapping[str, Any]:
    """The types of the fields; none where annotations name what is not there."""
    try:
        return typing.get_type_hints(wanted, include_extras=True)
    except Exception:  # an annotation may be any expression, and raise anything
        return {}


def _fields(wanted: type[Any]) -> Mapping[str, bool]:
    """The names of a dataclass's or struct's fields, and whether each has to be given."""
    if issubclass(wanted, msgspec.Struct):
        return {one.encode_name: one.required for one in msgspec.structs.fields(wanted)}
    return {
        one.name: one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING
        for one in dataclasses.fields(wanted)
        if one.init
    }


def _near(name: str, known: Iterable[str]) -> list[str]:
    """What may have been meant, none or one."""
    return difflib.get_close_matches(name, tuple(known), n=1)


def _unknown_parameter(name: str, known: Sequence[str]) -> str:
    near = _near(name, known)
    if near:
        return f"there is no parameter `{name}`; did you mean `{near[0]}`?"
    if known:
        return f"there is no parameter `{name}`; there are {', '.join(known)}"
    return f"there is no parameter `{name}`: this plug-in has none"


def create(found: type[Resource], name: str, params: object, host: Host) -> Resource:
    """The resource `name`. Raises PluginError if its constructor does."""
    try:
        return found(name, params, host)
    except Exception as error:
        raise PluginError(
            f"`{found.__qualname__}` cannot be created: {type(error).__name__}: {error}"
        ) from error

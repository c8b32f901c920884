"""Mappings at the front door: found by name, and held against the spec that they are for.

Owns the messages for mappings that cannot be used, and what becomes of a mapping that is used with
another spec than its own. What is wrong with a name is `rhscheck.traces.logmap.names`'s business.
"""

from __future__ import annotations

import dataclasses

from rhscheck import api
from rhscheck.opinions import shipped_words
from rhscheck.traces.logmap.language import LogMap
from rhscheck.traces.logmap.load import MapNotFound, is_shipped, load_map
from rhscheck.traces.logmap.names import Words, missing_labels, words_of, wrong_names
from rhscheck.traces.logmap.parse import MapErrors, Mistake


def load_mapping(name: str) -> LogMap:
    """The mapping called `name`. Raises InputError with every mistake in it."""
    try:
        return load_map(name)
    except MapNotFound as error:
        raise api.InputError(str(error)) from None
    except MapErrors as error:
        raise _unusable(error) from None
    except UnicodeDecodeError:
        raise api.InputError(f"{name} is not UTF-8: save the mapping as UTF-8") from None
    except OSError as error:
        raise api.InputError(f"cannot read the mapping {name}: {error.strerror}") from None


def checked_mapping(name: str, chosen: str | None = None) -> LogMap:
    """The same, if every name of a spec in it is one of the spec that it is for.

    `chosen`: the spec that it is used with; where the mapping's own cannot be read, it is for that.
    Raises InputError, and SpecErrors for a spec that cannot be used.
    """
    logmap = load_mapping(name)
    own = words_from = logmap.spec
    try:
        words = words_of_spec(own)
    except api.InputError as error:
        if chosen is None or chosen == own:
            at = logmap.spots.spec
            mistake = Mistake(at.line, at.column, f"`spec`: {error}")
            raise _unusable(MapErrors(logmap.path, [mistake])) from None
        words_from = chosen
        words = words_of_spec(chosen)
    mistakes = wrong_names(logmap, words)
    if mistakes:
        mistakes = wrong_names(logmap, words_of_spec(words_from, all_readings=True))
    if mistakes:
        raise _unusable(MapErrors(logmap.path, mistakes))
    return logmap


def mapping_for(name: str, spec: str | None) -> LogMap:
    """The mapping called `name` to read logs with that `spec` judges, None: the mapping's own.

    A shipped one is taken as it is: a test holds it against its spec. Raises what
    `checked_mapping` raises.
    """
    logmap = load_mapping(name) if is_shipped(name) else checked_mapping(name, spec)
    if spec is None or spec == logmap.spec:
        return logmap
    logmap = dataclasses.replace(logmap, foreign=True)
    # Where any line may be missing, nothing has to be declared unseen.
    return logmap if logmap.facts.lossy else _for_another(logmap, spec)


def words_of_spec(spec: str, *, all_readings: bool = False) -> Words:
    """What the spec has words for, in its default reading at least, or in any of all.

    Raises InputError and SpecErrors.
    """
    known = shipped_words(spec)
    if known is not None:
        return known
    system = api.load_system(spec)
    words = words_of(system)
    for reading in system.readings if all_readings else ():
        for option in reading.options:
            if option != reading.default:
                words = words.and_also(words_of(api.load_system(spec, {reading.name: option})))
    return words


def _for_another(logmap: LogMap, spec: str) -> LogMap:
    """The mapping where a spec judges that it was not written for.

    That spec may call what leaves no line by another name. So that nobody is accused of it, any
    event of that kind may have happened without a line.
    """
    words = words_of_spec(spec)
    missing = missing_labels(logmap, words)
    if missing:
        words = words_of_spec(spec, all_readings=True)
        missing = missing_labels(logmap, words)
    if not missing:
        return logmap
    kinds = dict.fromkeys(label.partition(" ")[0] for label in missing)
    wider = tuple(f"{kind} *" for kind in kinds)
    note = (
        f"{logmap.name} is for {logmap.spec}, and says that {_listed(missing)} may leave no line, "
        f"which {words.spec} does not have: taken as {_listed(wider)}"
    )
    unseen = tuple(label for label in logmap.unseen if label not in missing)
    return dataclasses.replace(logmap, unseen=(*unseen, *wider), notes=(*logmap.notes, note))


def _listed(labels: tuple[str, ...]) -> str:
    return ", ".join(f"`{label}`" for label in labels)


def _unusable(error: Exception) -> api.InputError:
    return api.InputError(f"the mapping cannot be used\n{error}")

"""Names: the form that names chosen by users and plugins must have, and the nearest match to a misspelt one."""

import difflib
import re
from collections.abc import Iterable

from persona_core.errors import PersonaError

NAME_PATTERN = r"[a-z0-9][a-z0-9_-]{0,63}"
_NAME = re.compile(NAME_PATTERN)
_ALIAS = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
RESERVED = {
    "none": "that nothing is steered",
    "unsteered": "that nothing is steered",
    "safety": "the axis that the floor is held on",
    "assistant": "the axis that drift is measured on",
}
"""Names that no persona may have, and what they mean."""
_NEAR = 0.75
"""How alike a slip is: of four letters one may be wrong, or two may have changed places."""


def check_name(name: str, error: type[PersonaError] = PersonaError, kind: str = "persona") -> str:
    """Return `name` unchanged, or raise `error`. Names become file names, so none may hold a path."""
    if not _NAME.fullmatch(name):
        raise error(
            f"{name!r} is not a {kind} name: use 1-64 of a-z, 0-9, '_' and '-', starting with a letter or digit"
        )
    return name


def check_new_persona(name: str, error: type[PersonaError] = PersonaError) -> str:
    """Return the name of a new persona unchanged, or raise `error` where commands take it for something else."""
    if check_name(name, error) in RESERVED:
        raise error(f"{name!r} cannot name a persona: it means {RESERVED[name]}; choose another name")
    return name


def check_alias(name: str, error: type[PersonaError] = PersonaError) -> str:
    """Return the alias of a model unchanged, or raise `error`. It may hold dots, as in `tiny-0.5b`."""
    if not _ALIAS.fullmatch(name):
        raise error(f"{name!r} is not a model alias: use 1-64 of a-z, 0-9, '.', '_' and '-', a letter or digit first")
    return name


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return the end of an error message: `"; did you mean 'sage'?"`, else the known names, else nothing."""
    known = sorted(known)
    if near := nearest(name, known):
        return f"; did you mean {near!r}?"
    return f"; known: {', '.join(known)}" if known else ""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the known name that `name` is a slip of, or whose last dotted part it is; an empty text where none is."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1, cutoff=_NEAR)
    same_part = (full for full in known if full.rpartition(".")[2] == name)
    return near[0] if near else next(same_part, "")

"""Names that users and plugins choose: their one allowed form, and the nearest match to a misspelt one."""

import difflib
import re
from collections.abc import Iterable

from persona_core.errors import PersonaError

NAME_PATTERN = r"[a-z0-9][a-z0-9_-]{0,63}"
_NAME = re.compile(NAME_PATTERN)


def check_name(name: str, error: type[PersonaError] = PersonaError, kind: str = "persona") -> str:
    """Return `name` unchanged, or raise `error`: a name becomes a file name, so it never holds a path."""
    if not _NAME.fullmatch(name):
        raise error(
            f"{name!r} is not a {kind} name: use 1-64 of a-z, 0-9, '_' and '-', starting with a letter or digit"
        )
    return name


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return `"; did you mean 'sage'?"`, the list of what is known, or an empty text where nothing is."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; known: {', '.join(known)}" if known else ""

"""Names: one form, and never a path."""

import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from persona_core.base.names import (
    NAME_PATTERN,
    RESERVED,
    check_alias,
    check_name,
    check_new_persona,
    nearest,
    suggestion,
)
from persona_core.errors import PersonaError, SteeringError


@given(st.from_regex(NAME_PATTERN, fullmatch=True))
def test_a_name_of_the_allowed_form_is_returned_unchanged(name: str) -> None:
    assert check_name(name) == name
    assert (Path("/root") / f"{name}.yaml").resolve().parent == Path("/root")


@given(st.text(max_size=80))
@example("sage\n")
@example("")
@example("a" * 65)
@example("ｓage")
@example("../sage")
@example("Sage")
def test_any_other_text_is_refused_with_the_callers_error(text: str) -> None:
    if re.fullmatch(r"[a-z0-9][a-z0-9_-]*", text) and len(text) <= 64:
        assert check_name(text) == text
    else:
        with pytest.raises(SteeringError, match="is not a voice name"):
            check_name(text, SteeringError, "voice")


def test_the_error_is_a_persona_error_unless_another_is_asked_for() -> None:
    with pytest.raises(PersonaError, match=r"'a/b' is not a persona name"):
        check_name("a/b")


@given(st.text(alphabet="a0.-_/\\~ ", max_size=70))
@example("qwen-coder-1.5b")
@example("..")
def test_an_alias_is_a_name_with_dots_and_never_a_path(text: str) -> None:
    if re.fullmatch(r"[a-z0-9][a-z0-9._-]*", text) and len(text) <= 64:
        assert check_alias(text) == text
        assert (Path("/root") / text).resolve().parent == Path("/root")
    else:
        with pytest.raises(PersonaError, match="is not a model alias"):
            check_alias(text)


@pytest.mark.parametrize(
    ("name", "known", "text"),
    [
        ("sgae", ["trickster", "sage"], "; did you mean 'sage'?"),
        ("zzz", ["trickster", "sage"], "; known: sage, trickster"),
        ("export", ["plot", "restore"], "; known: plot, restore"),
        ("extration", ["extraction.seed", "model.name"], "; did you mean 'extraction.seed'?"),
        ("dtype", ["model.dtype", "model.name"], "; did you mean 'model.dtype'?"),
        ("zzz", [], ""),
    ],
)
def test_a_suggestion_is_the_nearest_name_or_all_that_are_known(name: str, known: list[str], text: str) -> None:
    assert suggestion(name, known) == text


@given(st.text(alphabet="abcde", min_size=3, max_size=12), st.data())
def test_one_wrong_letter_of_four_is_a_slip(name: str, data: st.DataObject) -> None:
    known = name + "e"
    at = data.draw(st.integers(0, len(known) - 1))
    assert nearest(known[:at] + "x" + known[at + 1 :], [known, "zzzzz"]) == known


@given(st.text(max_size=20), st.lists(st.text(max_size=20), max_size=5))
def test_a_suggestion_never_fails(name: str, known: list[str]) -> None:
    assert isinstance(suggestion(name, known), str)


@pytest.mark.parametrize("name", RESERVED)
def test_a_name_that_commands_take_for_something_else_names_no_persona(name: str) -> None:
    with pytest.raises(PersonaError, match=f"'{name}' cannot name a persona: it means that nothing|{RESERVED[name]}"):
        check_new_persona(name)
    assert check_new_persona(f"{name}-2") == f"{name}-2"

"""Records are frozen and take no guesses; their problems and YAML's are one line; digests are what files hold."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from persona_core.base.records import Record, digest, first_problem, read_yaml


class Point(Record):
    """A record within a record."""

    x: int
    y: int = 0


class Line(Record):
    """Two points."""

    ends: tuple[Point, ...] = ()


def test_a_record_cannot_be_changed() -> None:
    point = Point(x=1)
    with pytest.raises(ValidationError, match="frozen"):
        point.x = 2  # type: ignore[misc]
    assert point == Point(x=1, y=0)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({"ends": [{"x": 1}, {"x": "one"}]}, "ends.1.x: Input should be a valid integer"),
        ({"ends": [{}]}, "ends.0.x: Field required"),
        ("no record", "the document: Input should be a valid dictionary"),
    ],
)
def test_a_problem_is_one_line_that_begins_with_where_it_is(data: object, problem: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Line.model_validate(data)
    assert first_problem(caught.value).startswith(problem)
    assert "\n" not in first_problem(caught.value)


def test_a_problem_of_yaml_is_one_line_with_its_place() -> None:
    with pytest.raises(yaml.YAMLError) as caught:
        read_yaml("a: [1,\nb: }")
    assert "line 2, column 4" in first_problem(caught.value)
    assert "\n" not in first_problem(caught.value)


def test_yaml_never_makes_an_object_of_a_class() -> None:
    with pytest.raises(yaml.YAMLError, match="could not determine a constructor"):
        read_yaml("!!python/object/apply:os.getcwd []")


def test_a_digest_is_the_start_of_the_sha256() -> None:
    whole = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert digest("abc", 64) == digest(b"abc", 64) == whole
    assert digest("abc") == whole[:16]


@given(st.text())
def test_text_has_the_digest_of_its_utf8(text: str) -> None:
    assert digest(text) == digest(text.encode())

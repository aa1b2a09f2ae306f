"""The status line breaks between its fields alone."""

from hypothesis import given
from hypothesis import strategies as st

from persona_core.cli.chat.status_line import in_lines


@given(st.lists(st.text("ab ", min_size=1, max_size=30), max_size=6), st.integers(10, 60))
def test_the_status_line_breaks_between_its_parts_alone(parts: list[str], width: int) -> None:
    lines = in_lines(parts, width).split("\n")
    assert [part for line in lines for part in line.split(" · ") if parts] == parts
    assert all(len(line) <= max(width, *map(len, parts)) for line in lines if parts)

"""Markdown as it streams: a block that is finished is printed for good, and only the last one is drawn again."""

import re

from hypothesis import given
from hypothesis import strategies as st

from persona_core.cli.chat.screen import finished_blocks

LINES = st.lists(st.sampled_from(["word", "- item", "```", "    code", "", " "]), max_size=12)


def test_a_block_ends_with_a_blank_line_but_not_within_a_fence() -> None:
    assert finished_blocks("one\n\ntwo") == ("one", "two")
    assert finished_blocks("```\none\n\ntwo") == ("", "```\none\n\ntwo")
    assert finished_blocks("```\none\n\ntwo\n```\n\nthree") == ("```\none\n\ntwo\n```", "three")


@given(LINES, st.data())
def test_pieces_make_the_same_blocks_wherever_the_text_is_cut(lines: list[str], data: st.DataObject) -> None:
    text = "\n".join(lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=5)))
    shown, rest = [], ""
    for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
        done, rest = finished_blocks(rest + text[start:end])
        shown += [done] if done else []
    assert re.sub(r"\s", "", "".join([*shown, rest])) == re.sub(r"\s", "", text)
    assert all(block.count("```") % 2 == 0 for block in shown)

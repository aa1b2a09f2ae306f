"""Figures: the same picture is the same bytes, names at line ends, and pictures inside a page."""

import xml.etree.ElementTree as ElementTree
from itertools import pairwise
from pathlib import Path

import pytest
from pictures import SIGNATURES

from persona_core.errors import PlotError
from persona_core.personas.manager import PersonaManager
from persona_core.reports.plots import matrix, space
from persona_core.reports.plots.figure import check_format, inline_svg, label_ends, new_figure, write
from persona_core.reports.plots.theme import LIGHT


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_the_same_picture_is_the_same_bytes(manager: PersonaManager, tmp_path: Path, kind: str) -> None:
    paths = [tmp_path / f"{name}.{kind}" for name in ("one", "other")]
    for path in paths:
        write(space.draw(space.read_space(manager), LIGHT), path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert paths[0].read_bytes().startswith(SIGNATURES[kind])


@pytest.mark.parametrize("name", ["space.pdf", "space", "space.png.gz", ".svg"])
def test_other_formats_are_refused(name: str) -> None:
    with pytest.raises(PlotError, match="does not end in .png or .svg"):
        check_format(Path(name))


def test_inline_pictures_refer_to_nothing_outside_and_share_no_id() -> None:
    def drawn(name: str) -> str:
        return inline_svg(
            matrix.draw("a&<b>$x$", ["<i>", "$"], {"v": [[1.0, 0], [0, 1.0]]}, "n", LIGHT), name, 'a "b" <c>'
        )

    one, other = drawn("one"), drawn("other")
    assert "http" not in one
    assert "<i>" not in one
    assert "a&amp;&lt;b&gt;$x$" in one
    assert 'aria-label="a &quot;b&quot; &lt;c&gt;"' in one
    trees = [ElementTree.fromstring(text) for text in (one, other)]
    ids = [{element.get("id") for element in tree.iter()} - {None} for tree in trees]
    assert not ids[0] & ids[1]
    for tree in trees:
        known = {element.get("id") for element in tree.iter()}
        assert {link.removeprefix("#") for element in tree.iter() if (link := element.get("href"))} <= known


def test_names_at_line_ends_are_spread_and_joined_to_short_lines() -> None:
    figure = new_figure(LIGHT, 4, 3, "ends")
    axes = figure.subplots()
    axes.set_ylim(0, 1)
    label_ends(axes, {"a": (1.0, 0.5), "b": (1.0, 0.5), "c": (0.5, 0.52)}, LIGHT)
    places = sorted(text.xy for text in axes.texts)
    assert [x for x, _ in places] == [1.0, 1.0, 1.0]
    assert all(other - one >= 0.05 for (_, one), (_, other) in pairwise(places))
    (leader,) = axes.lines
    assert (leader.get_xdata()[0], leader.get_ydata()[0]) == (0.5, 0.52)

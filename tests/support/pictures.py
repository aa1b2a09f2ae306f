"""What tests of pictures share: the texts that a figure shows, both themes, and the ready-made personas."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from persona_core.reports.plots.theme import DARK, LIGHT

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SLUG = "smollm2-135m-instruct"
BASE = ["creator", "explorer", "guardian", "sage", "trickster"]
SIGNATURES = {"png": b"\x89PNG\r\n\x1a\n", "svg": b"<?xml"}
both_themes = pytest.mark.parametrize("theme", [LIGHT, DARK], ids=lambda theme: theme.name)


def words(figure: Figure) -> list[str]:
    """Return every text that a picture shows."""
    from matplotlib.text import Text

    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]

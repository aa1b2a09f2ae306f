"""Themes: the colours of a picture on a light and on a dark page; colour-blind readers can tell them apart."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Theme:
    """Colours as `#rrggbb`. `low` and `high` are the ends of the heat map's scale, whose middle is `page`."""

    name: str
    page: str
    ink: str
    muted: str
    grid: str
    band: str
    low: str
    high: str
    series: tuple[str, ...]

    def colour(self, index: int) -> str:
        """Return the colour of a series; after the last colour the first one comes again."""
        return self.series[index % len(self.series)]


LIGHT = Theme(
    name="light",
    page="#ffffff",
    ink="#1b1f24",
    muted="#57606a",
    grid="#e3e6ea",
    band="#c9d6e8",
    low="#b3500b",
    high="#0b62a8",
    series=("#0b62a8", "#c4500a", "#00795a", "#a8437f", "#7d6200", "#2f8fc9", "#4a4f57"),
)
"""The series are the colours of Okabe and Ito, darkened until each stands out from white by 3 to 1."""

DARK = Theme(
    name="dark",
    page="#14181d",
    ink="#e9edf1",
    muted="#a3adb8",
    grid="#2b323a",
    band="#2f4159",
    low="#f08a3c",
    high="#56b4e9",
    series=("#56b4e9", "#f08a3c", "#2bc48f", "#e39ac4", "#e8d44d", "#9db4ff", "#c3c9d0"),
)
"""The same order of hues, lightened for a dark page."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES: tuple[str | tuple[int, tuple[int, ...]], ...] = ("-", (0, (6, 2)), (0, (2, 2)), (0, (7, 2, 2, 2)))
"""Shapes that tell series apart where colours do not; the dashes change when the colours start again."""

"""Themes: every colour stands out from its page."""

from pictures import both_themes

from persona_core.reports.plots.theme import Theme


@both_themes
def test_text_and_series_stand_out_from_the_page(theme: Theme) -> None:
    for colour, ratio in ((theme.ink, 12), (theme.muted, 4.5), *((colour, 3) for colour in theme.series)):
        assert contrast(colour, theme.page) >= ratio, colour
    assert len({*theme.series}) == len(theme.series) == 7


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of WCAG 2."""

    def luminance(colour: str) -> float:
        parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)

"""Page: an evaluation as one HTML file without scripts and outside resources, light or dark as the reader's system."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from html import escape
from typing import TYPE_CHECKING

from persona_core.evaluation.effect import PROMPTS, VECTORS, EffectResult
from persona_core.evaluation.readability import PLAIN, ReadabilityResult
from persona_core.evaluation.report import EvaluationReport
from persona_core.evaluation.safety import SafetyResult
from persona_core.evaluation.statistics import Interval
from persona_core.reports.effect_tables import chance
from persona_core.reports.headlines import headlines
from persona_core.reports.plots import dose, intervals, layers, matrix
from persona_core.reports.plots.figure import inline_svg
from persona_core.reports.plots.intervals import Panel
from persona_core.reports.plots.theme import DARK, LIGHT, Theme
from persona_core.reports.sections import sections
from persona_core.reports.tables import Section, Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Picture = tuple[str, Callable[[Theme], "Figure"]]
"""A picture's caption, and the function that draws it in a theme."""

_STYLE = """
:root { color-scheme: light dark; --page: #ffffff; --ink: #1b1f24; --muted: #57606a; --line: #d8dce1; --card: #f5f7f9; }
@media (prefers-color-scheme: dark) {
  :root { --page: #14181d; --ink: #e9edf1; --muted: #a3adb8; --line: #2f3740; --card: #1c2229; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 68rem; padding: 1.5rem 1.25rem 4rem; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .25rem; } h2 { font-size: 1.3rem; margin: 2.5rem 0 .25rem; }
p { margin: .25rem 0 1rem; max-width: 46rem; } .muted, figcaption, caption small { color: var(--muted); }
nav a { color: inherit; display: inline-block; margin-right: 1rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(15.5rem, 1fr)); gap: .75rem; margin: 1rem 0;
  padding: 0; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .7rem .9rem; margin: 0; }
.card dt, .card .beside { color: var(--muted); font-size: .85rem; margin: 0; }
.card .value { font-size: 1.25rem; font-weight: 600; margin: .1rem 0; }
.scroll { overflow-x: auto; margin: 0 0 1.5rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; }
caption { text-align: left; font-weight: 600; padding: .3rem 0; }
caption small { display: block; font-weight: 400; max-width: 46rem; }
th, td { padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--line); text-align: right; vertical-align: top; }
th { font-weight: 600; color: var(--muted); } th:first-child, td:first-child, .words th, .words td { text-align: left; }
table:not(.words) td { white-space: nowrap; }
.words td { overflow-wrap: anywhere; } .words td:first-child { white-space: nowrap; overflow-wrap: normal; }
figure { margin: 1rem 0 1.5rem; } figure svg { max-width: 56rem; width: 100%; height: auto; display: block; }
.dark { display: none; }
@media (prefers-color-scheme: dark) { .dark { display: block; } .light { display: none; } }
details { margin: 0 0 1rem; } summary { cursor: pointer; color: var(--muted); }
@media print { body { max-width: none; } }
"""


def html(report: EvaluationReport) -> str:
    """Return the page. Raises `PlotError` where matplotlib is not installed."""
    whole = sections(report)
    title = f"Evaluation of {report.model.name}"
    body = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="muted">{escape(_subtitle(report))}</p>',
        _cards(report),
        "<nav>" + "".join(f'<a href="#{_anchor(section)}">{escape(section.title)}</a>' for section in whole) + "</nav>",
        *(_section(section, _pictures(report).get(section.title, [])) for section in whole),
    ]
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style>"
    )
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n' + "\n".join(body) + "\n</body></html>\n"


def _subtitle(report: EvaluationReport) -> str:
    asked = f"{report.effect.questions} questions a persona, " if report.effect else ""
    return f"{len(report.personas)} personas, {asked}judge {report.judge}, seed {report.seed}, {report.created}"


def _cards(report: EvaluationReport) -> str:
    cards = [
        f'<div class="card"><dt>{escape(line.name)}</dt><dd class="value">{escape(line.figure)}</dd>'
        f'<dd class="beside">{escape(line.beside)}</dd></div>'
        for line in headlines(report)
    ]
    return f'<dl class="cards">{"".join(cards)}</dl>'


def _section(section: Section, pictures: list[Picture]) -> str:
    title = f'<h2 id="{_anchor(section)}">{escape(section.title)}</h2>'
    if not section.tables:
        return title + "<p>This part was left out of the evaluation.</p>"
    details = [
        f"<details><summary>{escape(table.title)}</summary>{_table(table)}</details>"
        for table in section.tables
        if table.detail
    ]
    return "\n".join(
        [
            title,
            f'<p class="muted">{escape(section.about)}</p>',
            *(_figure(f"{_anchor(section)}-{index}", picture) for index, picture in enumerate(pictures)),
            *(_table(table) for table in section.tables if not table.detail),
            *details,
        ]
    )


def _anchor(section: Section) -> str:
    return section.title.lower().replace(" ", "-")


def _table(table: Table) -> str:
    note = f"<small>{escape(table.note)}</small>" if table.note else ""
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in table.columns)
    rows = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in table.rows)
    style_class = ' class="words"' if table.words else ""
    return (
        f'<div class="scroll"><table{style_class}><caption>{escape(table.title)}{note}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _figure(name: str, picture: Picture) -> str:
    """Draw a picture in both themes; the page's style shows the one that fits the reader's system."""
    caption, draw = picture
    shown = "".join(
        f'<div class="{theme.name}">{inline_svg(draw(theme), f"{name}-{theme.name}", caption)}</div>'
        for theme in (LIGHT, DARK)
    )
    return f"<figure>{shown}<figcaption>{escape(caption)}</figcaption></figure>"


def _pictures(report: EvaluationReport) -> dict[str, list[Picture]]:
    """Return section title -> its pictures, for every part that was measured."""
    pictures: dict[str, list[Picture]] = {}
    if report.effect is not None:
        pictures["Effect"] = _effect_pictures(report.model.slug, report.effect)
    if report.doses is not None:
        unit = report.effect.unit if report.effect else "nats/token"
        curves = dose.evaluated_doses(report.model.slug, report.doses, unit)
        pictures["Dose-response"] = [
            ("Gain and damage by strength; 1.0 is the calibrated point.", lambda theme: dose.draw(curves, theme))
        ]
    if report.safety is not None:
        by_layer = _separation(report.model.slug, report.safety)
        pictures["Safety"] = [("What the safety axis separates, by layer.", lambda theme: layers.draw(by_layer, theme))]
    return pictures


def _effect_pictures(model: str, effect: EffectResult) -> list[Picture]:
    groups = {name: effect.groups[name].double_centred for name in (VECTORS, PROMPTS) if name in effect.groups}
    readability = effect.readability
    return [
        (
            "Identification of the meant persona, with 95 % intervals; dashed is chance, as of unsteered replies.",
            lambda theme: _controls(effect, theme),
        ),
        *(
            [("What a reader sees, with 95 % intervals; dashed is unsteered.", lambda theme: _read(readability, theme))]
            if readability is not None
            else []
        ),
        (
            "Double-centred scores: rows are what was meant, columns are judging personas.",
            lambda theme: matrix.draw(model, effect.personas, groups, effect.unit, theme),
        ),
    ]


def _separation(model: str, safety: SafetyResult) -> layers.LayerFigures:
    separation = {layers.REFUSE_COMPLY: safety.refuse_comply_auc, layers.SAFETY_PERSONA: safety.default_persona_auc}
    return layers.LayerFigures(
        model=model, target_layers=(), capping_layers=tuple(safety.capping_layers), separation=separation
    )


def _controls(effect: EffectResult, theme: Theme) -> Figure:
    by_chance, groups = chance(effect), effect.groups.items()
    panels = {
        "identified": Panel({name: _bounds(group.identification) for name, group in groups}, by_chance),
        "identified, each judge centred": Panel(
            {name: _bounds(group.centred_identification) for name, group in groups}, by_chance
        ),
    }
    return intervals.draw("Replies identified as the persona that was meant", panels, theme)


def _read(readability: ReadabilityResult, theme: Theme) -> Figure:
    groups = readability.groups
    panels = {
        "coherence, low is good": _panel({name: group.coherence for name, group in groups.items()}, nats=True),
        "broken replies": _panel({name: group.broken for name, group in groups.items()}),
        "first-token faults": _panel({name: group.first_token_faults for name, group in groups.items()}),
    }
    return intervals.draw("What a reader sees", panels, theme)


def _panel(figures: dict[str, Interval], *, nats: bool = False) -> Panel:
    """Return a panel whose line stands where unsteered replies are."""
    rows = {name: _bounds(figure) for name, figure in figures.items()}
    written = Panel(rows, figures[PLAIN].value, write="{:.1%}".format, furthest=None)
    return replace(written, unit="nats/token", write="{:.2f}".format) if nats else written


def _bounds(interval: Interval) -> tuple[float, float, float]:
    return interval.value, interval.low, interval.high

"""Sections: one a part of the evaluation, and a part that was left out changes no other."""

import pytest
from invented_report import PARTS, without

from persona_core.evaluation.report import EvaluationReport
from persona_core.reports.sections import sections


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_was_left_out_changes_no_other(report: EvaluationReport, part: str) -> None:
    left = {section.title: section for section in sections(without(report, part))}
    whole = {section.title: section for section in sections(report)}
    changed = {title for title in whole if left[title] != whole[title]}
    touched = {"effect": {"Effect", "Damage"}, "voices": {"Effect"}, "neutral": {"Damage"}, "doses": {"Dose-response"}}
    assert changed == touched.get(part, {part.title()})


def test_a_report_of_nothing_has_every_section_and_the_provenance_alone_has_a_table(report: EvaluationReport) -> None:
    parts = sections(without(report, *PARTS))
    assert [part.title for part in parts if part.tables] == ["Provenance"]
    assert [part.title for part in parts] == [part.title for part in sections(report)]


def test_doses_are_shown_at_a_few_strengths_with_the_default_and_at_all_in_the_detail(report: EvaluationReport) -> None:
    assert report.doses is not None
    (doses,) = [part for part in sections(report) if part.title == "Dose-response"]
    short, whole = doses.tables
    strengths = [f"{point.strength:g}" for point in next(iter(report.doses.curves.values()))]
    assert whole.detail
    assert [row[0] for row in whole.rows] == strengths
    assert short.columns == ("persona", "0.5", "0.8", "1", "1.5", "2")
    assert [row[0] for row in short.rows] == report.personas


def test_the_layers_of_the_floor_are_marked_in_the_safety_table(report: EvaluationReport) -> None:
    assert report.safety is not None
    (safety,) = [part for part in sections(report) if part.title == "Safety"]
    marked = [row[0] for row in safety.tables[-1].rows if "capping" in row[0]]
    assert marked == [f"{layer} (capping)" for layer in report.safety.capping_layers]


def test_the_provenance_names_the_personas_that_are_judged_by_what_extraction_reads(report: EvaluationReport) -> None:
    def judged(without: list[str] | None) -> str:
        provenance = sections(report.model_copy(update={"without_judge_prompts": without}))[-1].tables[0]
        return dict(row[:2] for row in provenance.rows)["judge prompts"]

    assert judged([]) == "each persona's own, which extraction does not read"
    assert judged(["sage"]).startswith("none of sage: judged by their first system prompts")
    assert judged(None).startswith(f"none of {', '.join(report.personas)}:")

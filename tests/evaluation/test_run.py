"""Run: parts are kept as they are finished, read again by the next run, and put into one report."""

import json
from dataclasses import replace

from persona_core.evaluation.report import EvaluationReport
from persona_core.evaluation.run import PARTS, evaluate

CHEAP = ("stability", "neutral", "voices")


def test_each_part_measures_the_type_of_its_field_of_the_report():
    for part in PARTS:
        assert EvaluationReport.model_fields[part.field].annotation == part.figures | None


def test_the_report_holds_the_parts_that_were_asked_for_and_what_made_them(evaluation):
    report = evaluate(evaluation, CHEAP)
    assert {part.field for part in PARTS if getattr(report, part.field) is not None} == set(CHEAP)
    assert report.personas == ["sage", "trickster"]
    assert report.digest == evaluation.digest()
    assert report.judge == "log-prob"
    assert report.prompt_set == "small"
    manager = evaluation.manager
    kept = manager.workspace.evaluation_report(manager.slug).read_text()
    assert EvaluationReport.model_validate_json(kept).neutral == report.neutral


def test_a_finished_part_is_read_and_not_measured_again(evaluation):
    evaluate(evaluation, CHEAP)
    manager = evaluation.manager
    path = manager.workspace.evaluation_part(manager.slug, evaluation.digest(), "voices")
    path.write_text(json.dumps({"sage": 123.0}))
    assert evaluate(evaluation, ("voices",)).voices == {"sage": 123.0}
    path.unlink()
    assert evaluate(evaluation, ("voices",)).voices != {"sage": 123.0}


def test_another_seed_shares_no_finished_part(evaluation):
    evaluate(evaluation, ("neutral",))
    other = replace(evaluation, seed=1)
    manager = evaluation.manager
    assert evaluation.digest() != other.digest()
    assert not manager.workspace.evaluation_part(manager.slug, other.digest(), "neutral").exists()

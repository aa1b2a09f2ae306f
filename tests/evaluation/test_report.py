"""Report: written as JSON and read back, whole or with parts left out."""

import pytest

from persona_core.evaluation.report import EvaluationReport


def test_a_report_is_read_as_it_was_written(report: EvaluationReport):
    assert EvaluationReport.model_validate_json(report.model_dump_json()) == report


def test_a_part_that_was_left_out_is_none(report: EvaluationReport):
    left = report.model_copy(update={"safety": None, "doses": None})
    again = EvaluationReport.model_validate_json(left.model_dump_json())
    assert again.safety is None
    assert again.effect == report.effect


def test_a_report_without_its_digest_is_refused(report: EvaluationReport):
    with pytest.raises(ValueError, match="digest"):
        EvaluationReport.model_validate(report.model_dump(exclude={"digest"}))

"""Readability tables: every group, and nothing of an earlier report that has no such figures."""

from persona_core.evaluation.broken import KINDS
from persona_core.evaluation.effect import RANDOM
from persona_core.evaluation.readability import PLAIN
from persona_core.evaluation.report import EvaluationReport
from persona_core.reports.page import html
from persona_core.reports.readability_tables import readability_tables
from persona_core.reports.terminal import tables


def test_every_group_and_the_unsteered_replies_have_a_row(report: EvaluationReport) -> None:
    assert report.effect is not None
    figures, kinds, coherence, broken, *details, said = readability_tables(report.effect)
    names = [*report.effect.groups, PLAIN]
    assert [row[0] for row in figures.rows] == [row[0] for row in kinds.rows] == names
    assert figures.rows[0][1:3] == ("1.30 [1.23, 1.37]", "3.9% [2.9, 4.9]")
    assert "percentile 1 of 2400 sampled first tokens" in figures.note
    assert kinds.columns == ("replies by", *KINDS, "of")
    for table in (coherence, broken):
        assert table.columns == ("persona", *(name for name in names if name != RANDOM))
        assert [row[0] for row in table.rows] == report.effect.personas
    assert [(table.columns, table.detail) for table in details] == [(("persona", RANDOM), True)] * 2
    assert said.rows == (
        ("persona vectors: creator", "loop", "How do I rest?", "the night <i>the night</i> the night"),
    )


def test_a_share_that_cannot_be_taken_is_a_dash(report: EvaluationReport) -> None:
    assert report.effect is not None
    assert report.effect.readability is not None
    plain = report.effect.readability.groups[PLAIN].model_copy(update={"on_topic": None})
    groups = report.effect.readability.groups | {PLAIN: plain}
    readability = report.effect.readability.model_copy(update={"groups": groups})
    figures, *_ = readability_tables(report.effect.model_copy(update={"readability": readability}))
    assert figures.rows[-1][-1] == "-"


def test_a_report_of_an_earlier_version_is_read_and_shown_without_these_figures(report: EvaluationReport) -> None:
    data = report.model_dump(mode="json", exclude={"conversations": True, "effect": {"readability"}})
    del data["without_judge_prompts"]
    earlier = EvaluationReport.model_validate(data)
    assert earlier.effect is not None
    assert readability_tables(earlier.effect) == ()
    assert tables(earlier)
    page = html(earlier)
    assert "What a reader sees" not in page
    assert "judged by their first system prompts" in page

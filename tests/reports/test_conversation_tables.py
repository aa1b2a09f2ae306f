"""Conversation tables: a table a figure, a row a group, a column a turn and one of the change."""

from persona_core.evaluation.conversations import READ_TURNS
from persona_core.evaluation.effect import PROMPTS, VECTORS
from persona_core.evaluation.readability import PLAIN
from persona_core.evaluation.report import EvaluationReport
from persona_core.reports.conversation_tables import conversation_tables


def test_every_figure_has_a_row_a_group_and_a_column_a_turn(report: EvaluationReport) -> None:
    assert report.conversations is not None
    *figures, kinds, said = conversation_tables(report.conversations)
    assert len(figures) == 5
    for table in figures:
        assert table.columns == ("replies by", "turn 1", "turn 5", "turn 10", "turn 10 less 1")
        assert [row[0] for row in table.rows] == [VECTORS, PROMPTS, PLAIN]
        assert {len(row) for row in table.rows} == {5}
    first = report.conversations.groups[VECTORS][0].identification
    assert figures[0].rows[0][1] == f"{first.value:.1%} [{100 * first.low:.1f}, {100 * first.high:.1f}]"
    assert "10 conversations" in figures[0].note
    assert len(kinds.rows) == 3 * len(READ_TURNS)
    assert len(said.rows) == 1

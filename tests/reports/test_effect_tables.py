"""Tables of effect and damage: every group beside the unsteered replies."""

import pytest

from persona_core.evaluation.damage import NeutralCost
from persona_core.evaluation.readability import PLAIN
from persona_core.evaluation.report import EvaluationReport
from persona_core.reports.effect_tables import chance, damage_tables, effect_tables, voice_tables


def test_chance_is_one_in_the_personas(report: EvaluationReport) -> None:
    assert report.effect is not None
    assert chance(report.effect) == pytest.approx(1 / 5)


def test_identification_has_a_row_a_group_and_one_of_chance(report: EvaluationReport) -> None:
    assert report.effect is not None
    identification = effect_tables(report.effect, report.voices)[0]
    assert [row[0] for row in identification.rows] == [*report.effect.groups, PLAIN]
    assert identification.rows[-1] == (PLAIN, "20.0%", "20.0%", "0.00", "-")
    assert {len(row) for row in identification.rows} == {len(identification.columns)}


def test_gains_have_a_column_of_held_out_texts_only_where_they_were_measured(report: EvaluationReport) -> None:
    assert report.effect is not None
    first = report.effect.personas[0]
    for voices, last in ((None, "random vectors"), ({first: 0.5}, "held-out texts")):
        (gains,) = [table for table in effect_tables(report.effect, voices) if table.title.startswith("Own-persona")]
        assert gains.columns[-1] == last
        assert {len(row) for row in gains.rows} == {len(gains.columns)}
    assert [row[-1] for row in gains.rows] == ["+0.50", *["-"] * (len(report.effect.personas) - 1)]


def test_voices_and_neutral_texts_have_tables_without_the_effect(report: EvaluationReport) -> None:
    (voices,) = voice_tables({"sage": 0.25})
    assert voices.rows == (("sage", "+0.25"),)
    assert voice_tables(None) == ()
    (neutral,) = damage_tables(None, {"sage": NeutralCost(kl=0.0123, top1=0.9)})
    assert neutral.rows == (("sage", "0.0123", "90.0%"),)
    assert damage_tables(None, None) == ()

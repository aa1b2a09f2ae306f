"""Headlines: the few figures that come first."""

from invented_report import PARTS, without

from persona_core.evaluation.effect import VECTORS
from persona_core.evaluation.report import EvaluationReport
from persona_core.reports.headlines import LEFT_OUT, headlines


def test_a_part_that_was_left_out_is_one_line_that_says_so(report: EvaluationReport) -> None:
    assert [line.figure for line in headlines(without(report, *PARTS))] == [LEFT_OUT] * 5
    without_safety = headlines(without(report, "safety"))
    assert [line.name for line in without_safety if line.figure == LEFT_OUT] == ["safety"]


def test_the_persona_of_the_highest_damage_and_of_the_least_kept_effect_are_named(report: EvaluationReport) -> None:
    assert report.effect is not None
    assert report.safety is not None
    lines = {line.name: line for line in headlines(report)}
    damage = report.effect.groups[VECTORS].damage
    worst = max(damage, key=lambda name: damage[name].value)
    assert lines["damage (nats/token)"].beside == f"highest: {worst} {damage[worst]}"
    kept = report.safety.effect_kept
    weakest = min(kept, key=lambda name: kept[name])
    assert lines["own-persona effect kept with the floor on"].beside == f"lowest: {weakest}"
    assert lines["own-persona effect kept with the floor on"].figure == f"at least {kept[weakest]:.1%}"


def test_the_vectors_stand_beside_the_controls_and_chance(report: EvaluationReport) -> None:
    first = headlines(report)[0]
    assert first.name == "replies identified as their persona"
    assert first.figure.startswith("64.8%")
    for control in ("system prompts", "random", "chance 20.0%"):
        assert control in first.beside

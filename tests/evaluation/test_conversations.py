"""Conversations: ten scenarios, held side by side with what was said before, and judged turn by turn."""

from dataclasses import replace

import pytest

from persona_core.evaluation.answers import ReplyCondition
from persona_core.evaluation.conversations import READ_TURNS, Scenario, hold, measure_conversations, scenarios
from persona_core.evaluation.effect import PROMPTS, VECTORS
from persona_core.evaluation.evaluation import Size
from persona_core.evaluation.readability import PLAIN
from persona_core.model.decoding import Row, generate_tokens

SHORT = [Scenario(topic="fire", turns=("Fire?", "Why?")), Scenario(topic="rain", turns=("Rain?", "When?"))]


def test_there_are_ten_conversations_of_ten_turns_and_no_turn_stands_in_a_question_bank(persona_plugins) -> None:
    turns = [turn for scenario in scenarios() for turn in scenario.turns]
    assert [len(scenario.turns) for scenario in scenarios()] == [10] * 10
    assert len({scenario.topic for scenario in scenarios()}) == 10
    assert len(set(turns)) == 100
    banks = persona_plugins.registry("register_archetypes").values()
    asked = {question for item in banks for question in item.value.questions}
    assert len(asked) > 100
    assert asked.isdisjoint(turns)


def test_a_turn_is_answered_with_all_that_was_said_before(evaluation) -> None:
    model = evaluation.model
    plan = evaluation.plan("sage")
    first, second = hold(evaluation, [ReplyCondition(PLAIN), ReplyCondition("sage", plan)], SHORT)
    assert [[reply.question for reply in row] for row in first] == [["Fire?", "Rain?"]] * 2
    assert [[reply.question for reply in row] for row in second] == [["Why?", "When?"]] * 2
    said = [
        {"role": "user", "content": "Rain?"},
        {"role": "assistant", "content": first[1][1].text},
        {"role": "user", "content": "When?"},
    ]
    row = Row(model.encode(said), plan, evaluation.seed * 1_000_003 + 1000 + 1)
    for _ in generate_tokens(model, [row], evaluation.sampling):
        pass
    assert second[1][1].tokens == tuple(row.tokens)


def test_the_oldest_turns_are_left_out_where_the_context_has_no_room(evaluation) -> None:
    long = [Scenario(topic="long", turns=tuple(f"{index} " + "rain and fire " * 40 for index in range(4)))]
    *_, last = hold(evaluation, [ReplyCondition(PLAIN)], long)
    assert last[0][0].question.startswith("3 ")
    assert len(evaluation.model.encode([{"role": "user", "content": long[0].turns[0]}])) > 512 / 4


def test_conversations_take_the_system_prompts_in_turn(evaluation) -> None:
    prompts = ReplyCondition("prompts", systems=("You are fire.", "You are rain."))
    (first, _) = hold(evaluation, [prompts], SHORT)
    alone = evaluation.ask([replace(prompts, systems=("You are fire.",))], "", ["Fire?"])[0][0]
    assert first[0][0].tokens == alone.tokens


@pytest.mark.slow
def test_every_group_is_read_at_three_turns_and_compared(evaluation) -> None:
    result = measure_conversations(replace(evaluation, size=Size(conversations=2, tokens=4)))
    assert result.conversations == 2
    assert list(result.groups) == [VECTORS, PROMPTS, PLAIN]
    for group, turns in result.groups.items():
        assert [figures.turn for figures in turns] == list(READ_TURNS)
        assert {figures.replies for figures in turns} == {2 if group == PLAIN else 4}
        assert turns[0].echo.value == 0
        for figure in ("identification", "centred_identification", "coherence", "broken", "echo"):
            change = getattr(turns[-1], figure).value - getattr(turns[0], figure).value
            assert getattr(result.change[group], figure).value == pytest.approx(change, abs=2e-4)
    assert {figures.identification.value for figures in result.groups[PLAIN]} == {0.5}

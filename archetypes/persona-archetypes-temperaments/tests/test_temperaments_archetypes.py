import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from persona_archetypes_temperaments import register_archetypes
from persona_archetypes_temperaments.ipip import command, report
from persona_archetypes_temperaments.measurement import (
    IpipResult,
    agreement,
    group_shift,
    score,
    score_interval,
)
from persona_archetypes_temperaments.questionnaire import Item, items, phrasings, read_factors

from persona_core import (
    Archetype,
    ModelWrapper,
    PluginManager,
    SteeringEngine,
    get_config,
    plan_gain,
    question_messages,
    reply_log_probs,
)
from persona_core.testing import check_archetype

DISTRIBUTION = "persona-archetypes-temperaments"
ARCHETYPES = {archetype.name: archetype for archetype in register_archetypes()}
FACTORS = read_factors()
ITEMS = items(FACTORS)
POLES = [name for factor in FACTORS.values() for name, _ in factor.poles]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelWrapper:
    return ModelWrapper(get_config(tmp_path_factory.mktemp("temperaments"), model="smollm2"))


def folded(texts: tuple[str, ...]) -> Iterator[str]:
    return (" ".join(text.lower().split()) for text in texts)


def runs(text: str, length: int = 4) -> set[tuple[str, ...]]:
    words = [word.strip(".,;:!?\"'") for word in text.lower().split()]
    return {tuple(words[start : start + length]) for start in range(len(words) - length + 1)}


@pytest.mark.parametrize("archetype", ARCHETYPES.values(), ids=ARCHETYPES)
def test_every_archetype_can_make_a_usable_vector(archetype: Archetype) -> None:
    check_archetype(archetype, prompts=5, questions=40)


def test_the_package_brings_the_two_poles_of_every_factor() -> None:
    assert sorted(ARCHETYPES) == sorted(POLES)
    assert len(POLES) == 10


def test_the_installed_entry_point_brings_the_same_archetypes(persona_plugins: PluginManager) -> None:
    registered = persona_plugins.registry("register_archetypes")
    assert {name: item.value for name, item in registered.items() if item.distribution == DISTRIBUTION} == ARCHETYPES


@pytest.mark.parametrize("archetype", ARCHETYPES.values(), ids=ARCHETYPES)
def test_two_judge_prompts_share_no_four_words_with_what_extraction_reads(archetype: Archetype) -> None:
    assert len(archetype.judge_prompts) == 2
    read = set().union(*(runs(prompt) for prompt in archetype.system_prompts))
    assert all(read.isdisjoint(runs(prompt)) for prompt in archetype.judge_prompts)


@pytest.mark.parametrize(("one", "other"), combinations(sorted(ARCHETYPES), 2))
def test_two_archetypes_share_no_system_prompt(one: str, other: str) -> None:
    prompts = set(folded(ARCHETYPES[one].system_prompts))
    assert prompts.isdisjoint(folded(ARCHETYPES[other].system_prompts))


def test_every_factor_has_ten_statements_keyed_as_published() -> None:
    keys = {name: Counter(item.key for item in ITEMS if item.factor == name) for name in FACTORS}
    assert [(count[1], count[-1]) for count in keys.values()] == [(5, 5), (6, 4), (6, 4), (2, 8), (7, 3)]
    assert len({item.statement for item in ITEMS}) == 50
    assert ITEMS[0].statement == "I am the life of the party."


@pytest.mark.parametrize("archetype", ARCHETYPES.values(), ids=ARCHETYPES)
def test_no_prompt_or_question_quotes_a_statement(archetype: Archetype) -> None:
    said = set().union(*(runs(text) for text in (*archetype.system_prompts, *archetype.questions)))
    assert not [item.statement for item in ITEMS if runs(item.statement) & said]


def test_each_form_offers_its_answers_in_both_orders() -> None:
    asked = phrasings("I like order.")
    assert [("Yes or No" in one.question, "No or Yes" in one.question) for one in asked[:2]] == [(1, 0), (0, 1)]
    assert len({one.question for one in asked}) == 4
    assert all("I like order." in one.question for one in asked)


@settings(deadline=None)
@given(st.lists(st.floats(-5, 5), min_size=50, max_size=50), st.floats(-5, 5))
def test_agreeing_more_with_everything_moves_no_score(values: list[float], rise: float) -> None:
    plain = torch.tensor(values, dtype=torch.float64)
    for name in FACTORS:
        assert score(plain + rise, ITEMS, name) == pytest.approx(score(plain, ITEMS, name), abs=1e-9)


def test_a_score_is_half_the_distance_between_both_sides() -> None:
    asked = [Item("a", "x", 1), Item("a", "y", 1), Item("a", "z", -1), Item("b", "w", 1)]
    values = torch.tensor([1.0, 3.0, -2.0, 100.0])
    assert score(values, asked, "a") == 2.0
    interval = score_interval(values, asked, "a")
    assert (interval.low, interval.high) == (1.5, 2.5)


def test_a_pole_that_moves_its_factor_its_own_way_has_a_positive_shift() -> None:
    changes = torch.zeros(10, 50)
    for place, item in enumerate(ITEMS):
        high = 2 * list(FACTORS).index(item.factor)
        changes[high, place], changes[high + 1, place] = 2.0 * item.key, -1.0 * item.key
    shift = group_shift(changes, FACTORS, ITEMS, seed=0)
    assert [shift.own[name].value for name in POLES] == [2.0, 1.0] * 5
    assert [contrast.low for contrast in shift.own_contrasts.values()] == [3.0] * 5
    assert shift.contrasts["extraversion"]["agreeableness"] == 0.0


def test_agreement_is_the_log_odds_of_the_answers(model: ModelWrapper) -> None:
    asked = [ITEMS[-1]]
    by_hand = []
    for item in asked:
        odds = []
        for one in phrasings(item.statement):
            prompt = model.encode(question_messages(one.question, "Be loud."))
            answers = [model.tokenizer.encode(text, add_special_tokens=False) for text in (one.agree, one.disagree)]
            assert [len(answer) for answer in answers] == [1, 1]
            agree, disagree = reply_log_probs(model, [prompt, prompt], answers).tolist()
            odds.append(agree - disagree)
        by_hand.append(sum(odds) / len(odds))
    assert agreement(model, asked, system="Be loud.").tolist() == pytest.approx(by_hand, abs=1e-3)


def test_steering_changes_agreement_as_it_changes_the_answers(model: ModelWrapper) -> None:
    engine = SteeringEngine(model)
    plan = engine.plan(engine.steering("trickster"))
    moved = agreement(model, ITEMS[:1], plan) - agreement(model, ITEMS[:1])
    asked = phrasings(ITEMS[0].statement)
    prompts = [model.encode(question_messages(one.question)) for one in asked for _ in range(2)]
    answers = [model.tokenizer.encode(text) for one in asked for text in (one.agree, one.disagree)]
    gains = plan_gain(model, prompts, answers, plan)
    assert float(moved[0]) == pytest.approx(float((gains[0::2] - gains[1::2]).mean()), abs=1e-3)
    assert abs(float(moved[0])) > 0.01


def test_the_report_names_every_persona_and_factor() -> None:
    shift = group_shift(torch.arange(500.0).view(10, 50), FACTORS, ITEMS, seed=0)
    unsteered = {name: score_interval(torch.ones(50), ITEMS, name) for name in FACTORS}
    result = IpipResult(
        model="tiny", machine="none", strength=1.0, safety=True, seed=0, statements=50, unsteered=unsteered,
        groups={"persona vectors": shift, "system prompts": shift},
    )  # fmt: skip
    text = "\n".join(report(result, FACTORS))
    assert all(f"`{name}`" in text for name in POLES)
    assert all(name in text for name in FACTORS)
    assert text.startswith("50 statements, model tiny, strength 1, safety on, seed 0")


def test_a_persona_that_is_not_extracted_is_an_error_that_says_what_to_run(tmp_path: Path) -> None:
    done = CliRunner().invoke(command, ["--workspace", str(tmp_path), "--model", "smollm2"])
    assert done.exit_code == 1
    assert "persona-steer extract extravert" in done.output


def test_the_plugin_and_the_help_of_its_script_import_no_torch() -> None:
    program = "import sys, persona_archetypes_temperaments.ipip; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], timeout=60).returncode == 0

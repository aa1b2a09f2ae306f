"""A wrong request for an evaluation is refused before any model is loaded."""

from pathlib import Path

import pytest

from persona_core import ModelWrapper, PersonaManager, get_config
from persona_core.errors import PluginError, VectorNotFound
from persona_core.evaluation.report import EvaluationReport
from persona_core.evaluation.request import PART_NAMES, EvaluationRequest, judging_personas, measure


@pytest.fixture
def manager(workspace_folder: Path) -> PersonaManager:
    return PersonaManager(get_config(workspace_folder, model="smollm2"))


def no_model() -> ModelWrapper:
    """Stand where a model is loaded; a refused request never comes here."""
    raise AssertionError("a model was loaded")


def test_each_part_is_a_field_of_the_report() -> None:
    assert set(PART_NAMES) <= set(EvaluationReport.model_fields)


def test_an_unknown_part_is_refused_with_the_nearest() -> None:
    with pytest.raises(PluginError, match="no part 'efect'; did you mean 'effect'"):
        EvaluationRequest(("sage", "trickster"), parts=("efect",))


def test_without_names_the_reference_personas_are_evaluated(manager: PersonaManager) -> None:
    assert judging_personas(manager, ()) == ("creator", "explorer", "guardian", "sage", "trickster")
    assert judging_personas(manager, ["trickster", "sage"]) == ("trickster", "sage")


@pytest.mark.parametrize(("names", "message"), [(["sage"], "two or more"), (["sage", "sgae"], "did you mean 'sage'")])
def test_one_persona_or_an_unknown_one_is_refused(manager: PersonaManager, names: list[str], message: str) -> None:
    with pytest.raises(VectorNotFound, match=message):
        judging_personas(manager, names)


@pytest.mark.parametrize("wrong", [{"judge": "log-pro"}, {"prompt_sets": ("cor",)}])
def test_an_unknown_judge_or_prompt_set_is_refused_before_a_model_is_loaded(
    manager: PersonaManager, wrong: dict[str, object]
) -> None:
    request = EvaluationRequest(("sage", "trickster"), **wrong)
    with pytest.raises(PluginError, match="did you mean"):
        measure(request, manager, no_model)

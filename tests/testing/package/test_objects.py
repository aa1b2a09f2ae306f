"""An object that a hook returns has the members and passes the check of that hook."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
from packages import returning

from persona_core import WeightedSum
from persona_core.errors import PersonaError
from persona_core.evaluation.judges import LogProbJudge
from persona_core.plugins.findings import Skipped, Wrong
from persona_core.plugins.inventory import FOLDERS, NAMED_HOOKS
from persona_core.settings.model_source import ModelScheme, ModelSource
from persona_core.testing.package.objects import CONTRACTS, check_object, contract_of, name_of

Check = Callable[..., tuple[int, dict[str, dict[str, str]]]]


@pytest.mark.slow
def test_a_judge_that_reads_the_model_is_left_to_its_own_tests(check: Check) -> None:
    source = "from persona_core.evaluation.judges import LogProbJudge"
    code, findings = check(returning("[LogProbJudge(name='mine')]", "register_judges", source))
    assert code == 0
    assert findings["judge mine"]["status"] == "skipped"
    assert "check_judge(judge, model)" in findings["judge mine"]["said"]


def test_every_hook_that_registers_objects_has_a_contract() -> None:
    assert set(CONTRACTS) == {*NAMED_HOOKS, FOLDERS}
    assert contract_of("register_something_new").passed == "has a name; there is no further check"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (SimpleNamespace(blend=print), "has no name, so it is no blending strategy"),
        (SimpleNamespace(name="mine"), "has no blend, so it is no blending strategy"),
        (SimpleNamespace(name="Mine!", blend=print), "is not a plugin object name"),
        (SimpleNamespace(name=7, blend=print), "has no name that is text"),
    ],
)
def test_an_object_without_a_member_or_a_usable_name_is_wrong(value: object, message: str) -> None:
    with pytest.raises(Wrong, match=message):
        check_object("register_blending_strategies", value)


def test_an_object_that_keeps_its_contract_passes(tmp_path: Path) -> None:
    assert check_object("register_blending_strategies", WeightedSum()) == "keeps its contract"
    assert check_object("register_vector_dirs", tmp_path) == "is there"
    assert name_of("register_blending_strategies", WeightedSum()) == "weighted-sum"
    assert name_of("register_models", SimpleNamespace(name="tiny-0.5b")) == "tiny-0.5b"
    with pytest.raises(Wrong, match="is no folder"):
        check_object("register_vector_dirs", tmp_path / "gone")


def test_a_kind_of_model_has_no_slug_and_passes() -> None:
    scheme = ModelScheme("gguf", "gguf:PATH", "a file", lambda _: ModelSource("x", "x", "x", lambda _: Path()))
    assert check_object("register_models", scheme) == "has what a kind of model needs"


@dataclass(frozen=True)
class Refusing:
    """A judge that says why it cannot score."""

    name: str = "refusing"
    unit: str = "points"

    def score(self, *_: object) -> None:
        """Raise, as a judge without its key does."""
        raise PersonaError("there is no key")


@pytest.mark.parametrize(
    ("judge", "reason"), [(Refusing(), "it cannot score here: there is no key"), (LogProbJudge(), "it reads the model")]
)
def test_a_judge_that_cannot_score_here_is_skipped_with_the_reason(judge: object, reason: str) -> None:
    with pytest.raises(Skipped, match=reason):
        check_object("register_judges", judge)

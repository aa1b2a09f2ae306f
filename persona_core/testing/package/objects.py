"""Object checks: for each hook, the members that its objects must have and the check that they must pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, cast

from persona_core import testing
from persona_core.base.progress import Progress, silent
from persona_core.errors import PersonaError, PluginError
from persona_core.plugins.findings import Skipped, Wrong
from persona_core.settings.installed import object_name
from persona_core.settings.model_source import ModelScheme

if TYPE_CHECKING:
    from torch import Tensor

    from persona_core.evaluation.judges import Judge, JudgedReply
    from persona_core.model.wrapper import ModelWrapper
    from persona_core.personas.archetype import Archetype


def check_object(hook: str, value: Any) -> str:
    """Return words that say that an object passes; raise `Wrong`, or what its check raises, where it does not."""
    contract = _SCHEME if isinstance(value, ModelScheme) else contract_of(hook)
    missing = [member for member in contract.members if not hasattr(value, member)]
    if missing:
        raise Wrong(
            f"{_shown(value)} has no {missing[0]}, so it is no {contract.noun}",
            f"return objects with {', '.join(contract.members)}",
        )
    if "name" in contract.members:
        name_of(hook, value)
    contract.check(value)
    return contract.passed


def name_of(hook: str, value: Any) -> str:
    """Return an object's name; raise `Wrong` where it has none that a user can type."""
    name = getattr(value, "name", None)
    if not isinstance(name, str):
        raise Wrong(f"{_shown(value)} has no name that is text", 'give it a name, as in name: str = "mine"')
    try:
        return object_name(hook, value)
    except PluginError as error:
        raise Wrong(str(error), "rename it") from None


@dataclass(frozen=True)
class Contract:
    """For the objects of one hook: the word for them, the members they must have, and the check they must pass."""

    noun: str = "object"
    members: tuple[str, ...] = ("name",)
    check: Callable[[Any], None] = lambda value: None
    passed: str = "keeps its contract"


def contract_of(hook: str) -> Contract:
    """Return a hook's contract; where it has no check, its objects need a name alone."""
    return CONTRACTS.get(hook, Contract(passed="has a name; there is no further check"))


def _check_judge(judge: Judge) -> None:
    """Check a judge that reads no model; leave one that does to the package's own tests."""
    try:
        testing.check_judge(_WithoutModel(judge))
    except _ReadsModel:
        raise Skipped("it reads the model: call `check_judge(judge, model)` in the package's tests") from None
    except PersonaError as error:
        raise Skipped(f"it cannot score here: {error}") from error


def _check_folder(folder: Any) -> None:
    if not isinstance(folder, Path) or not folder.is_dir():
        raise Wrong(f"{_shown(folder)} is no folder", 'return Path(__file__).parent / "vectors", and ship that folder')


CONTRACTS = {
    "register_archetypes": Contract(
        "archetype", ("name", "description", "system_prompts", "questions"), testing.check_archetype
    ),
    "register_dataset_generators": Contract(
        "dataset generator", ("name", "archetype", "persona", "safety"), testing.check_dataset_generator
    ),
    "register_blending_strategies": Contract("blending strategy", ("name", "blend"), testing.check_blending_strategy),
    "register_capping_policies": Contract("capping policy", ("name", "clamps"), testing.check_capping_policy),
    "register_models": Contract("model alias", ("name", "slug", "summary", "fetch"), passed="has what an alias needs"),
    "register_judges": Contract("judge", ("name", "unit", "score"), _check_judge),
    "register_prompt_sets": Contract(
        "prompt set", ("name", "neutral", "jailbreaks", "held_out"), passed="has its texts"
    ),
    "register_vector_dirs": Contract("folder", (), _check_folder, "is there"),
    "register_chat_commands": Contract(
        "chat command", ("name", "usage", "help", "run", "values"), testing.check_chat_command
    ),
}
"""Hook -> the contract of its objects."""
_SCHEME = Contract("kind of model", ("name", "usage", "summary", "source"), passed="has what a kind of model needs")
"""Of what `register_models` returns beside aliases."""


class _ReadsModel(Exception):
    """Raised where a judge reads the model."""


class _NoModel:
    """Stands in for a model; reading any attribute raises `_ReadsModel`."""

    def __getattr__(self, name: str) -> NoReturn:
        raise _ReadsModel(name)


@dataclass(frozen=True, repr=False)
class _WithoutModel:
    """A judge that is called without a model."""

    judge: Judge

    @property
    def name(self) -> str:
        """The judge's own."""
        return self.judge.name

    @property
    def unit(self) -> str:
        """The judge's own."""
        return self.judge.unit

    def score(
        self,
        replies: Sequence[JudgedReply],
        personas: Sequence[Archetype],
        model: ModelWrapper,
        progress: Progress = silent,
    ) -> Tensor:
        """Return the judge's own scores; raise `_ReadsModel` where it reads the model."""
        return self.judge.score(replies, personas, cast("ModelWrapper", _NoModel()), progress)

    def __repr__(self) -> str:
        return repr(self.judge)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:60] + "..."

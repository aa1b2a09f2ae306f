"""The checks for plugin authors accept what is built in, and reject one wrong object for each thing they promise."""

import itertools
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import torch

from persona_core.base.progress import Progress, silent
from persona_core.errors import PersonaError, SafetyUnavailable
from persona_core.evaluation.judges import JudgedReply, LogProbJudge
from persona_core.extraction.generators import Templates
from persona_core.model.wrapper import ModelWrapper
from persona_core.personas.archetype import Archetype
from persona_core.personas.dataset import PersonaDataset, SafetyDataset
from persona_core.steering.blending import WeightedSum, WeightedVector
from persona_core.steering.capping import CappingContext, PercentileFloor
from persona_core.steering.plan import ClampProjection
from persona_core.testing import (
    check_archetype,
    check_blending_strategy,
    check_capping_policy,
    check_dataset_generator,
    check_judge,
    example_axis,
    example_context,
    example_vector,
)

Parts = Sequence[WeightedVector]
NAN = float("nan")
SAYS_WHAT_TO_DO = r"^.+; .{15,}"
"""What is wrong, a semicolon, and how to mend it."""


@dataclass(frozen=True)
class Blend:
    """A strategy that is whatever its function is."""

    function: Callable[[Parts], torch.Tensor]
    name: str = "blend"

    def blend(self, parts: Parts) -> torch.Tensor:
        return self.function(parts)


@dataclass(frozen=True)
class Altered:
    """A policy that changes each bound of the built-in one."""

    change: Callable[[ClampProjection], ClampProjection]
    name: str = "altered"

    def clamps(self, context: CappingContext) -> list[ClampProjection]:
        return [self.change(clamp) for clamp in PercentileFloor().clamps(context)]


@dataclass(frozen=True)
class Edited(Templates):
    """The built-in generator with one of its three results edited."""

    edit: Callable[[Any], Any] = field(default=lambda result: result)
    which: type = PersonaDataset

    def archetype(self, name: str, description: str, questions: Sequence[str]) -> Archetype:
        return self._edited(super().archetype(name, description, questions))  # type: ignore[no-any-return]

    def persona(self, archetype: Archetype, n_prompts: int, n_questions: int) -> PersonaDataset:
        return self._edited(super().persona(archetype, n_prompts, n_questions))  # type: ignore[no-any-return]

    def safety(self) -> SafetyDataset:
        return self._edited(super().safety())  # type: ignore[no-any-return]

    def _edited(self, result: Any) -> Any:
        return self.edit(result) if isinstance(result, self.which) else result


@dataclass(frozen=True)
class Lengths:
    """A judge that scores by the lengths of texts, with its scores changed."""

    change: Callable[[torch.Tensor], torch.Tensor] = field(default=lambda scores: scores, repr=False)
    name: str = "lengths"
    unit: str = "letters"

    def score(
        self,
        replies: Sequence[JudgedReply],
        personas: Sequence[Archetype],
        model: ModelWrapper,
        progress: Progress = silent,
    ) -> torch.Tensor:
        return self.change(torch.tensor([[len(r.text) / len(p.description) for p in personas] for r in replies]))


def total(parts: Parts) -> torch.Tensor:
    return WeightedSum().blend(parts)


def in_place(parts: Parts) -> torch.Tensor:
    moved = total(parts)
    parts[0].vector.directions.neg_()
    return moved


def first_counts_twice(parts: Parts) -> torch.Tensor:
    return total(parts) + parts[0].weight * parts[0].vector.displacement()


def weightless(parts: Parts) -> torch.Tensor:
    mean = torch.stack([part.vector.displacement() for part in parts]).mean(0)
    return sum(part.weight for part in parts) * mean


def adding(text: str, key: str) -> Callable[[Any], Any]:
    """Return an edit that makes a field of text differ at each call."""
    count: Iterator[int] = itertools.count()
    return lambda result: result.model_copy(update={key: (*getattr(result, key)[:-1], f"{text} {next(count)}")})


def setting(**fields: Any) -> Callable[[Any], Any]:
    return lambda result: result.model_copy(update=fields)


BAD_BLENDS = {
    "one layer less": lambda parts: total(parts)[1:],
    "not finite": lambda parts: total(parts) * NAN,
    "float64": lambda parts: total(parts).double(),
    "nothing at all": lambda parts: total(parts) * 0,
    "every layer": lambda parts: total(parts) + 1,
    "random": lambda parts: total(parts) * torch.rand(1),
    "constant": lambda parts: parts[0].vector.displacement() * 0 + total([replace(parts[0], weight=1.0)]),
    "order counts": first_counts_twice,
    "weights do not scale": lambda parts: total([replace(part, weight=part.weight**2) for part in parts]),
    "weights do not tell personas apart": weightless,
    "changes the personas": in_place,
}
BAD_BOUNDS = {
    "layer": lambda clamp: replace(clamp, layer=6),
    "negative layer": lambda clamp: replace(clamp, layer=-1),
    "shape": lambda clamp: replace(clamp, unit_direction=clamp.unit_direction[1:]),
    "length": lambda clamp: replace(clamp, unit_direction=2 * clamp.unit_direction),
    "direction not finite": lambda clamp: replace(clamp, unit_direction=NAN * clamp.unit_direction),
    "low above high": lambda clamp: replace(clamp, high=clamp.low - 1),
    "low not a number": lambda clamp: replace(clamp, low=NAN),
    "low infinite": lambda clamp: replace(clamp, low=float("inf")),
    "no name": lambda clamp: replace(clamp, name=""),
    "random": lambda clamp: replace(clamp, low=float(torch.rand(1))),
    "changes the axis": lambda clamp: replace(clamp, unit_direction=clamp.unit_direction.neg_()),
}
BAD_GENERATORS = {
    "other name": Edited(edit=setting(name="other"), which=Archetype),
    "too few prompts": Edited(edit=setting(system_prompts=("one",)), which=Archetype),
    "random archetype": Edited(edit=adding("x", "system_prompts"), which=Archetype),
    "other dataset name": Edited(edit=setting(name="other")),
    "too many prompts": Edited(edit=setting(persona_prompts=("a", "b", "c", "d"))),
    "too many questions": Edited(edit=setting(questions=tuple("abcdefghi"))),
    "repeated question": Edited(edit=setting(questions=("a", "A "))),
    "random dataset": Edited(edit=adding("x", "questions")),
    "default side of its own": Edited(edit=lambda data: setting(default_prompts=(data.name,))(data)),
    "held-out pairs are trained on": Edited(edit=lambda data: setting(heldout=data.train)(data), which=SafetyDataset),
}
BAD_JUDGES = {
    "other shape": Lengths(lambda scores: scores[:, 1:]),
    "transposed": Lengths(lambda scores: scores.T),
    "not finite": Lengths(lambda scores: scores * NAN),
    "float64": Lengths(lambda scores: scores.double()),
    "random": Lengths(lambda scores: scores + torch.rand(1)),
    "relative to the other replies": Lengths(lambda scores: scores - scores.mean(0)),
    "order counts": Lengths(lambda scores: scores.cumsum(0)),
    "no unit": Lengths(unit=" "),
}


def test_the_built_ins_are_accepted() -> None:
    check_blending_strategy(WeightedSum())
    check_capping_policy(PercentileFloor())
    check_dataset_generator(Templates())


def test_the_wrappers_of_this_file_are_accepted_where_they_change_nothing() -> None:
    check_blending_strategy(Blend(total))
    check_capping_policy(Altered(lambda clamp: clamp))
    check_dataset_generator(Edited())
    check_judge(Lengths())


def test_the_judge_that_is_the_unsteered_model_is_accepted(model: ModelWrapper) -> None:
    check_judge(LogProbJudge(), model)


@pytest.mark.parametrize("blend", BAD_BLENDS.values(), ids=BAD_BLENDS)
def test_a_wrong_blending_strategy_is_rejected(blend: Callable[[Parts], torch.Tensor]) -> None:
    with pytest.raises(AssertionError, match=SAYS_WHAT_TO_DO):
        check_blending_strategy(Blend(blend))


@pytest.mark.parametrize("change", BAD_BOUNDS.values(), ids=BAD_BOUNDS)
def test_a_policy_with_an_unusable_bound_is_rejected(change: Callable[[ClampProjection], ClampProjection]) -> None:
    with pytest.raises(AssertionError, match=SAYS_WHAT_TO_DO):
        check_capping_policy(Altered(change))


@pytest.mark.parametrize("generator", BAD_GENERATORS.values(), ids=BAD_GENERATORS)
def test_a_wrong_dataset_generator_is_rejected(generator: Templates) -> None:
    with pytest.raises(AssertionError, match=SAYS_WHAT_TO_DO):
        check_dataset_generator(generator)


@pytest.mark.parametrize("judge", BAD_JUDGES.values(), ids=BAD_JUDGES)
def test_a_wrong_judge_is_rejected(judge: Lengths) -> None:
    with pytest.raises(AssertionError, match=SAYS_WHAT_TO_DO):
        check_judge(judge)


@pytest.mark.parametrize(
    ("check", "value", "of_type"),
    [
        (check_blending_strategy, Blend(lambda parts: [1.0]), "list; it must be a torch.Tensor"),
        (check_capping_policy, Altered(lambda clamp: 0.5), "float; it must be a persona_core.steering.plan.Clamp"),
        (
            check_dataset_generator,
            Edited(edit=lambda data: {}),
            "dict; it must be a persona_core.personas.dataset.PersonaDataset",
        ),
        (check_judge, Lengths(lambda scores: scores.tolist()), "list; it must be a torch.Tensor"),
        (check_archetype, "sage", "str; it must be a persona_core.personas.archetype.Archetype"),
    ],
    ids=["blend", "bound", "dataset", "score", "archetype"],
)
def test_a_result_of_another_type_is_named(check: Callable[[Any], None], value: object, of_type: str) -> None:
    with pytest.raises(AssertionError, match=re.escape(of_type)):
        check(value)


def test_a_judge_whose_repr_is_an_address_is_rejected() -> None:
    class Plain(Lengths):
        __repr__ = object.__repr__

    with pytest.raises(AssertionError, match="make it a dataclass"):
        check_judge(Plain())


@pytest.mark.parametrize(
    ("check", "value"),
    [
        (check_blending_strategy, Blend(total, name="Two Words")),
        (check_capping_policy, Altered(lambda clamp: clamp, name="../floor")),
        (check_dataset_generator, Edited(name="")),
        (check_judge, Lengths(name="log prob")),
    ],
)
def test_a_name_that_nobody_can_type_is_rejected(check: Callable[[Any], None], value: object) -> None:
    with pytest.raises(PersonaError, match="is not a"):
        check(value)


def test_a_policy_is_tried_with_a_drifting_conversation() -> None:
    @dataclass(frozen=True)
    class Fragile:
        name: str = "fragile"

        def clamps(self, context: CappingContext) -> list[ClampProjection]:
            low = 1.0 if len(context.history) > 2 else 0.0
            return [ClampProjection(0, context.axes["safety"].directions[0], low, high=0.5)]

    with pytest.raises(AssertionError, match=r"runs from 1 to 0\.5"):
        check_capping_policy(Fragile())


def test_a_policy_may_refuse_to_work_without_the_assistant_axis() -> None:
    @dataclass(frozen=True)
    class Strict:
        name: str = "strict"

        def clamps(self, context: CappingContext) -> list[ClampProjection]:
            if "assistant" not in context.axes:
                raise SafetyUnavailable("run `persona-steer extract-axes`")
            return []

    check_capping_policy(Strict())


def test_examples_are_the_same_each_time_and_differ_by_name() -> None:
    sage, again, joker = (example_vector(name) for name in ("sage", "sage", "trickster"))
    assert torch.equal(sage.directions, again.directions)
    assert not torch.allclose(sage.directions, joker.directions)
    assert sage.displacement().any(dim=1).nonzero().flatten().tolist() == list(sage.header.target_layers)


def test_an_example_axis_has_unit_directions_and_rising_percentiles() -> None:
    axis = example_axis("safety", n_layers=4, hidden=8)
    assert torch.allclose(axis.directions.norm(dim=1), torch.ones(4))
    assert (axis.percentile(1.0) < axis.percentile(25.0)).all()
    assert set(example_context().axes) == {"safety", "assistant"}


def test_importing_the_checks_does_not_import_torch() -> None:
    code = "import sys, persona_core.testing; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

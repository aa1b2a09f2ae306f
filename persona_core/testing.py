"""What a plugin author's tests import: one check for each kind of object a plugin can bring.

The `example_*` functions make small vectors, axes and contexts that need no model.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, cast

from persona_core.archetype import Archetype
from persona_core.blending import BlendingStrategy, WeightedVector
from persona_core.capping import CappingContext, CappingPolicy
from persona_core.dataset import PersonaDataset, SafetyDataset, from_text, to_text
from persona_core.dataset_generator import DatasetGenerator
from persona_core.errors import SafetyUnavailable
from persona_core.evaluation.judges import Judge, JudgedReply
from persona_core.names import check_name
from persona_core.persona_vector import Axis, PersonaVector
from persona_core.steering_plan import ClampProjection
from persona_core.vector_file import Calibration, ModelIdentity, VectorHeader

if TYPE_CHECKING:
    from torch import Tensor

    from persona_core.chat_command import ChatCommand
    from persona_core.chat_session import ChatSession
    from persona_core.model_wrapper import ModelWrapper

QUANTILE_LEVELS = (0.0, 1.0, 25.0, 75.0, 99.0, 100.0)


def check_archetype(archetype: Archetype, prompts: int = 3, questions: int = 15) -> None:
    """Assert that an archetype can make a usable vector: enough distinct text, and YAML that reads back equal."""
    assert Archetype.from_yaml(archetype.to_yaml()) == archetype
    assert len(archetype.system_prompts) >= prompts, f"{archetype.name}: fewer than {prompts} system prompts"
    assert len(archetype.questions) >= questions, f"{archetype.name}: fewer than {questions} questions"
    _assert_distinct(archetype.name, archetype.system_prompts)
    _assert_distinct(archetype.name, archetype.questions)


def check_capping_policy(policy: CappingPolicy) -> None:
    """Assert that a policy returns usable bounds, the same each time, for a calm and for a drifting conversation.

    Without an assistant axis it may raise `SafetyUnavailable`.
    """
    check_name(policy.name, kind="capping policy")
    context = example_context()
    below = float(context.axes["assistant"].quantiles[0, context.probe_layer])
    turns = [{"assistant": below + place} for place in (5.0, 0.0, -5.0)]
    for length in range(len(turns) + 1):
        _check_clamps(policy, replace(context, history=turns[:length]))
    with suppress(SafetyUnavailable):
        _check_clamps(policy, replace(context, axes={"safety": context.axes["safety"]}))


def check_blending_strategy(strategy: BlendingStrategy) -> None:
    """Assert that a strategy adds finite numbers at the target layers alone, and reads weights and not order.

    Twice the weights give twice the displacement, as strength does.
    """
    check_name(strategy.name, kind="blending strategy")
    vectors = [example_vector(name) for name in ("sage", "trickster", "guardian")]
    for count in (1, 2, 3):
        _check_blend(strategy, vectors[:count], (0.5, 0.3, 0.2)[:count])
    opposed = [vectors[0], replace(vectors[1], directions=-vectors[0].directions)]
    _check_displacement(strategy, _parts(opposed, (0.5, 0.5)))
    one, other = (strategy.blend(_parts(vectors[:2], weights)) for weights in ((0.5, 0.1), (0.1, 0.5)))
    assert not _close(one, other), f"{strategy.name}: exchanged weights change nothing"


def check_dataset_generator(generator: DatasetGenerator) -> None:
    """Assert that a generator writes usable text, the same each time, within the sizes that it is asked for."""
    check_name(generator.name, kind="dataset generator")
    questions = [f"What do you think of number {number}?" for number in range(16)]
    archetypes = [_described(generator, name, questions) for name in ("pilot", "baker")]
    archetypes[1] = archetypes[1].model_copy(update={"questions": archetypes[0].questions})
    for sizes in ((1, 2), (3, 8), (50, 50)):
        datasets = [_check_dataset(generator, archetype, *sizes) for archetype in archetypes]
        shared = len({dataset.default_digest() for dataset in datasets}) == 1
        assert shared, f"{generator.name}: two personas with the same questions have different default sides"
    _check_safety(generator)


def check_chat_command(command: ChatCommand, session: ChatSession | None = None) -> None:
    """Check a chat command's words, and what it completes in a session where one is given; it is not run."""
    check_name(command.name, AssertionError, "chat command")  # type: ignore[arg-type]
    assert command.usage.split()[0] == f"/{command.name}", f"/{command.name}: its usage is {command.usage!r}"
    assert command.help.strip(), f"/{command.name}: no help"
    assert "\n" not in command.help, f"/{command.name}: its help has more than one line"
    assert callable(command.run), f"/{command.name}: run cannot be called"
    if session is not None:
        values = dict(command.values(session))
        assert all(isinstance(part, str) for pair in values.items() for part in pair), f"/{command.name}: values"


def check_judge(judge: Judge, model: ModelWrapper | None = None) -> None:
    """Assert that a judge gives one finite score a reply and persona, the same each time and beside other replies.

    Scores are kept by its `repr`, so that must be the same in every run. A judge that reads the model needs `model`.
    """
    check_name(judge.name, kind="judge")
    assert judge.unit.strip(), f"{judge.name}: it has no unit"
    assert " at 0x" not in repr(judge), f"{judge.name}: its repr differs from run to run; make it a dataclass"
    replies, personas = example_replies(model), [_example_persona(name) for name in ("pirate", "monk")]
    given = cast("ModelWrapper", model)
    scores = judge.score(replies, personas, given)
    _check_scores(judge.name, scores, len(replies), len(personas))
    again = judge.score(replies, personas, given)
    assert scores.tolist() == again.tolist(), f"{judge.name}: other scores the second time"
    beside = [judge.score(replies[::-1], personas, given).flip(0), judge.score(replies[:1], personas, given)]
    for other in beside:
        same = _close(other, scores[: len(other)], 1e-3)
        assert same, f"{judge.name}: the score of a reply depends on the other replies"


def example_replies(model: ModelWrapper | None = None) -> list[JudgedReply]:
    """Return three replies to one question, with the tokens of `model`, or without any meaning."""
    texts = (
        "Arr! Hoist the sails, ye landlubber, and mind the stormy sea!",
        "Be silent for a while, my friend. The still pond shows the moon.",
        "To change a light bulb, switch off the power and unscrew the old bulb.",
    )
    return [JudgedReply("How do I change a light bulb?", text, _tokens(text, model)) for text in texts]


def example_vector(name: str, n_layers: int = 6, hidden: int = 16) -> PersonaVector:
    """Return a calibrated persona with a direction of its own, steered at the middle layers."""
    directions = _unit_rows(name, n_layers, hidden)
    header = _header("persona", name, n_layers, hidden).model_copy(
        update={
            "target_layers": _middle(n_layers),
            "calibration": Calibration(dose=0.2, damage_budget=0.3, damage=0.25, gain=0.5),
        }
    )
    return PersonaVector(header, directions, 2.0 * directions, directions.new_full((n_layers,), 10.0))


def example_axis(name: str, n_layers: int = 6, hidden: int = 16) -> Axis:
    """Return an axis whose percentiles rise with the level, and are wider at later layers."""
    import torch

    heights = torch.tensor([-3.0, -2.0, -0.5, 0.5, 2.0, 3.0])
    widths = 1.0 + torch.arange(n_layers)
    header = _header("axis", name, n_layers, hidden).model_copy(update={"quantile_levels": QUANTILE_LEVELS})
    return Axis(header, _unit_rows(name, n_layers, hidden), heights[:, None] * widths)


def example_context(n_layers: int = 6, hidden: int = 16) -> CappingContext:
    """Return a context with both axes at the start of a conversation; two layers are capped."""
    axes = {name: example_axis(name, n_layers, hidden) for name in ("safety", "assistant")}
    target = _middle(n_layers)
    return CappingContext(axes, (target[-1], target[-1] + 1), percentile=1.0, probe_layer=target[-1])


def _assert_distinct(name: str, texts: Iterable[str]) -> None:
    folded = [" ".join(text.lower().split()) for text in texts]
    twice = {text for text in folded if folded.count(text) > 1}
    assert not twice, f"{name}: repeated text: {sorted(twice)[0]!r}"


def _check_clamps(policy: CappingPolicy, context: CappingContext) -> None:
    before = _content(context)
    clamps = list(policy.clamps(context))
    assert _content(context) == before, f"{policy.name}: it changes its context"
    for clamp in clamps:
        _check_clamp(policy.name, clamp, context)
    again = list(policy.clamps(context))
    assert _told(clamps) == _told(again), f"{policy.name}: the same context gives other bounds the second time"


def _check_clamp(policy: str, clamp: ClampProjection, context: CappingContext) -> None:
    what = f"{policy}: the bound {clamp.name!r} of layer {clamp.layer}"
    n_layers, hidden = context.axes["safety"].directions.shape
    assert 0 <= clamp.layer < n_layers, f"{what} is for no layer of the model"
    assert clamp.unit_direction.shape == (hidden,), f"{what} has a direction of the wrong shape"
    length = float(clamp.unit_direction.norm())
    assert abs(length - 1) < 1e-3, f"{what} has a direction of length {length:g}; it must be 1"
    sound = clamp.low <= clamp.high and clamp.low < math.inf and clamp.high > -math.inf
    assert sound, f"{what} runs from {clamp.low:g} to {clamp.high:g}"
    assert clamp.name, f"{what} has no name"


def _told(clamps: Sequence[ClampProjection]) -> list[object]:
    return [(clamp.layer, clamp.unit_direction.tolist(), clamp.low, clamp.high, clamp.name) for clamp in clamps]


def _content(context: CappingContext) -> object:
    axes = {name: (axis.directions.tolist(), axis.quantiles.tolist()) for name, axis in context.axes.items()}
    return axes, [dict(turn) for turn in context.history]


def _check_blend(strategy: BlendingStrategy, vectors: Sequence[PersonaVector], weights: Sequence[float]) -> None:
    parts = _parts(vectors, weights)
    moved = _check_displacement(strategy, parts)
    assert moved.any(), f"{strategy.name}: {len(parts)} personas that differ add nothing"
    turned = strategy.blend(parts[::-1])
    assert _close(turned, moved), f"{strategy.name}: the order of the personas changes the blend"
    doubled = strategy.blend(_parts(vectors, [2 * weight for weight in weights]))
    assert _close(doubled, 2 * moved), f"{strategy.name}: twice the weights do not give twice the displacement"


def _check_displacement(strategy: BlendingStrategy, parts: Sequence[WeightedVector]) -> Tensor:
    """Return the blend of the parts, sound and the same twice."""
    import torch

    vector = parts[0].vector
    before = [part.vector.directions.tolist() for part in parts]
    moved = strategy.blend(parts)
    assert moved.shape == vector.directions.shape, f"{strategy.name}: shape {tuple(moved.shape)}"
    assert moved.dtype == torch.float32, f"{strategy.name}: {moved.dtype}; it must be float32"
    assert torch.isfinite(moved).all(), f"{strategy.name}: numbers that are not finite"
    still = [layer for layer in range(len(moved)) if layer not in vector.header.target_layers]
    assert not moved[still].any(), f"{strategy.name}: it adds at layers that are not steered"
    assert torch.equal(strategy.blend(parts), moved), f"{strategy.name}: another result the second time"
    unchanged = before == [part.vector.directions.tolist() for part in parts]
    assert unchanged, f"{strategy.name}: it changes the personas"
    return moved


def _parts(vectors: Sequence[PersonaVector], weights: Iterable[float]) -> list[WeightedVector]:
    return [WeightedVector(vector, weight) for vector, weight in zip(vectors, weights, strict=True)]


def _check_scores(judge: str, scores: Tensor, n_replies: int, n_personas: int) -> None:
    import torch

    shape = (n_replies, n_personas)
    assert scores.shape == shape, f"{judge}: shape {tuple(scores.shape)}, not {shape}"
    assert scores.dtype == torch.float32, f"{judge}: {scores.dtype}; it must be float32"
    assert torch.isfinite(scores).all(), f"{judge}: scores that are not finite"


def _example_persona(name: str) -> Archetype:
    prompts = (f"You are a {name}.", f"Speak as a {name} speaks.")
    return Archetype(name=name, description=f"a {name} of old tales", system_prompts=prompts, tags=(name,))


def _tokens(text: str, model: ModelWrapper | None) -> tuple[int, ...]:
    ids = text.encode() if model is None else model.tokenizer(text, add_special_tokens=False)["input_ids"]
    return tuple(ids)


def _close(one: Tensor, other: Tensor, absolute: float = 1e-6) -> bool:
    import torch

    return torch.allclose(one, other, rtol=1e-4, atol=absolute)


def _described(generator: DatasetGenerator, name: str, questions: Sequence[str]) -> Archetype:
    """Return the generator's archetype for a description, sound and the same twice."""
    described = f"a {name} with thirty years of work behind them"
    archetype = generator.archetype(name, described, questions)
    assert archetype.name == name, f"{generator.name}: asked for {name!r}, it calls the archetype {archetype.name!r}"
    check_archetype(archetype)
    again = generator.archetype(name, described, questions)
    assert again == archetype, f"{generator.name}: another archetype the second time"
    return archetype


def _check_dataset(
    generator: DatasetGenerator, archetype: Archetype, n_prompts: int, n_questions: int
) -> PersonaDataset:
    dataset = generator.persona(archetype, n_prompts, n_questions)
    assert dataset.name == archetype.name, f"{generator.name}: the dataset is called {dataset.name!r}"
    prompts = max(len(dataset.persona_prompts), len(dataset.default_prompts))
    assert prompts <= n_prompts, f"{generator.name}: {prompts} prompts, asked for {n_prompts}"
    asked = len(dataset.questions)
    assert asked <= n_questions, f"{generator.name}: {asked} questions, asked for {n_questions}"
    for texts in (dataset.persona_prompts, dataset.default_prompts, dataset.questions):
        _assert_distinct(generator.name, texts)
    again = generator.persona(archetype, n_prompts, n_questions)
    assert again == dataset, f"{generator.name}: another dataset the second time"
    assert from_text(PersonaDataset, to_text(dataset), "its YAML") == dataset
    return dataset


def _check_safety(generator: DatasetGenerator) -> None:
    dataset = generator.safety()
    assert generator.safety() == dataset, f"{generator.name}: another safety dataset the second time"
    _assert_distinct(generator.name, [pair.request for pair in (*dataset.train, *dataset.heldout)])
    for pair in (*dataset.train, *dataset.heldout):
        assert pair.refusal != pair.compliance, f"{generator.name}: both replies to {pair.request!r} are the same"
    assert from_text(SafetyDataset, to_text(dataset), "its YAML") == dataset


def _header(kind: Literal["persona", "axis"], name: str, n_layers: int, hidden: int) -> VectorHeader:
    identity = ModelIdentity(
        name="example", slug="example", fingerprint="0", template_hash="0", n_layers=n_layers, hidden_size=hidden
    )
    return VectorHeader(kind=kind, name=name, model=identity)


def _middle(n_layers: int) -> tuple[int, ...]:
    """Return the two middle layers, which leave room for a capped one above them."""
    return (n_layers // 2 - 1, n_layers // 2)


def _unit_rows(name: str, n_layers: int, hidden: int) -> Tensor:
    """Return one direction of length 1 a layer, drawn from the name."""
    import torch

    from persona_core.vector_math import unit

    seed = int.from_bytes(name.encode()[:6], "little")
    return unit(torch.randn(n_layers, hidden, generator=torch.Generator().manual_seed(seed)))

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
from persona_core.dataset import Dataset, PersonaDataset, SafetyDataset, from_text, to_text
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
_DETERMINISTIC = "the same input must give the same text: use no random numbers, no date and no state"


def check_archetype(archetype: Archetype, prompts: int = 3, questions: int = 15) -> None:
    """Assert that an archetype can make a usable vector: enough distinct text, and YAML that reads back equal."""
    _assert_is_a(Archetype, archetype, "the archetype")
    same = Archetype.from_yaml(archetype.to_yaml()) == archetype
    assert same, f"{archetype.name}: its YAML reads back to something else; make it an Archetype itself, of plain text"
    written, asked = len(archetype.system_prompts), len(archetype.questions)
    enough = f"write at least {prompts} that differ in wording and agree in character"
    assert written >= prompts, f"{archetype.name}: fewer than {prompts} system prompts ({written}); {enough}"
    enough = f"write at least {questions}, in its file or in a questions.yaml beside it"
    assert asked >= questions, f"{archetype.name}: fewer than {questions} questions ({asked}); {enough}"
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
    told = not _close(one, other)
    assert told, f"{strategy.name}: exchanged weights change nothing; multiply each displacement by its own weight"


def check_dataset_generator(generator: DatasetGenerator) -> None:
    """Assert that a generator writes usable text, the same each time, within the sizes that it is asked for."""
    check_name(generator.name, kind="dataset generator")
    questions = [f"What do you think of number {number}?" for number in range(16)]
    archetypes = [_described(generator, name, questions) for name in ("pilot", "baker")]
    for sizes in ((1, 2), (3, 8), (50, 50)):
        datasets = [_check_dataset(generator, archetype, *sizes) for archetype in archetypes]
        shared = len({dataset.default_digest() for dataset in datasets}) == 1
        assert shared, (
            f"{generator.name}: two personas with the same questions have different default sides; "
            "write default prompts that do not depend on the persona, so that all are compared with one baseline"
        )
    _check_safety(generator)


def check_chat_command(command: ChatCommand, session: ChatSession | None = None) -> None:
    """Check a chat command's words, and what it completes in a session where one is given; it is not run."""
    check_name(command.name, AssertionError, "chat command")  # type: ignore[arg-type]
    slash = f"/{command.name}"
    begins = command.usage.split()[:1] == [slash]
    assert begins, f"{slash}: its usage is {command.usage!r}; begin it with {slash}, as in '{slash} [NAME]'"
    assert command.help.strip(), f"{slash}: no help; say in one line what it does"
    assert "\n" not in command.help, f"{slash}: its help has more than one line; put the rest into `details`"
    assert callable(command.run), (
        f"{slash}: run cannot be called; give a function of the session and the rest of the line"
    )
    assert callable(command.values), (
        f"{slash}: values cannot be called; leave it out, or give a function of the session"
    )
    if session is not None:
        values = dict(command.values(session))
        text = all(isinstance(part, str) for pair in values.items() for part in pair)
        assert text, f"{slash}: values returns what is not text; return a mapping of value to description, both str"


def check_judge(judge: Judge, model: ModelWrapper | None = None) -> None:
    """Assert that a judge gives one finite score a reply and persona, the same each time and beside other replies.

    Scores are kept by its `repr`, so that must be the same in every run. A judge that reads the model needs `model`.
    """
    check_name(judge.name, kind="judge")
    assert judge.unit.strip(), f"{judge.name}: it has no unit; say what a score counts, as in 'nats/token'"
    assert " at 0x" not in repr(judge), f"{judge.name}: its repr differs from run to run; make it a dataclass"
    replies, personas = example_replies(model), [_example_persona(name) for name in ("pirate", "monk")]
    given = cast("ModelWrapper", model)
    scores = judge.score(replies, personas, given)
    _check_scores(judge.name, scores, len(replies), len(personas))
    again = judge.score(replies, personas, given)
    same = scores.tolist() == again.tolist()
    assert same, f"{judge.name}: other scores the second time; use a fixed seed, temperature 0 and no state"
    beside = [judge.score(replies[::-1], personas, given).flip(0), judge.score(replies[:1], personas, given)]
    for other in beside:
        same = _close(other, scores[: len(other)], 1e-3)
        assert same, f"{judge.name}: the score of a reply depends on the other replies; score each by itself"


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
    assert not twice, f"{name}: repeated text: {min(twice, default='')!r}; leave it out, or write it in other words"


def _assert_is_a(kind: type, value: object, what: str) -> None:
    found = type(value).__name__
    assert isinstance(value, kind), f"{what} is of type {found}; it must be a {kind.__module__}.{kind.__qualname__}"


def _check_clamps(policy: CappingPolicy, context: CappingContext) -> None:
    before = _content(context)
    clamps = list(policy.clamps(context))
    kept = _content(context) == before
    assert kept, f"{policy.name}: it changes its context; copy a tensor (`clone()`) before you change it in place"
    for clamp in clamps:
        _assert_is_a(ClampProjection, clamp, f"{policy.name}: a bound")
        _check_clamp(policy.name, clamp, context)
    again = list(policy.clamps(context))
    same = _told(clamps) == _told(again)
    assert same, (
        f"{policy.name}: the same context gives other bounds the second time; "
        "compute them from the context alone, without random numbers and without a state of its own"
    )


def _check_clamp(policy: str, clamp: ClampProjection, context: CappingContext) -> None:
    what = f"{policy}: the bound {clamp.name!r} of layer {clamp.layer}"
    n_layers, hidden = context.axes["safety"].directions.shape
    assert 0 <= clamp.layer < n_layers, f"{what} is for no layer of the model; use the layers of `context.layers`"
    row = clamp.unit_direction.shape == (hidden,)
    assert row, f"{what} has a direction of the wrong shape; use one row of an axis: `axis.directions[layer]`"
    length = float(clamp.unit_direction.norm())
    right = abs(length - 1) < 1e-3
    assert right, f"{what} has a direction of length {length:g}; it must be 1: `persona_core.vector_math.unit` makes it"
    sound = clamp.low <= clamp.high and clamp.low < math.inf and clamp.high > -math.inf
    assert sound, f"{what} runs from {clamp.low:g} to {clamp.high:g}; give a low that is at most the high"
    assert clamp.name, f"{what} has no name; name it after its axis"


def _told(clamps: Sequence[ClampProjection]) -> list[object]:
    return [(clamp.layer, clamp.unit_direction.tolist(), clamp.low, clamp.high, clamp.name) for clamp in clamps]


def _content(context: CappingContext) -> object:
    axes = {name: (axis.directions.tolist(), axis.quantiles.tolist()) for name, axis in context.axes.items()}
    return axes, [dict(turn) for turn in context.history]


def _check_blend(strategy: BlendingStrategy, vectors: Sequence[PersonaVector], weights: Sequence[float]) -> None:
    parts = _parts(vectors, weights)
    moved = _check_displacement(strategy, parts)
    assert moved.any(), f"{strategy.name}: {len(parts)} personas that differ add nothing; add their displacements"
    turned = strategy.blend(parts[::-1])
    same = _close(turned, moved)
    assert same, f"{strategy.name}: the order of the personas changes the blend; sort the parts by `part.vector.name`"
    doubled = strategy.blend(_parts(vectors, [2 * weight for weight in weights]))
    linear = _close(doubled, 2 * moved)
    assert linear, (
        f"{strategy.name}: twice the weights do not give twice the displacement; "
        "use weights relative to each other (weight * weight / greatest), not their squares or thresholds"
    )


def _check_displacement(strategy: BlendingStrategy, parts: Sequence[WeightedVector]) -> Tensor:
    """Return the blend of the parts, sound and the same twice."""
    import torch

    vector = parts[0].vector
    before = [part.vector.directions.tolist() for part in parts]
    moved = strategy.blend(parts)
    _assert_is_a(torch.Tensor, moved, f"{strategy.name}: what blend returns")
    shape, wanted = tuple(moved.shape), tuple(vector.directions.shape)
    assert shape == wanted, (
        f"{strategy.name}: shape {shape}, not {wanted}; return one row a layer, as displacement() does"
    )
    assert moved.dtype == torch.float32, f"{strategy.name}: {moved.dtype}; it must be float32: return `moved.float()`"
    finite = torch.isfinite(moved).all()
    assert finite, f"{strategy.name}: numbers that are not finite; look for a division by 0 where personas cancel"
    still = [layer for layer in range(len(moved)) if layer not in vector.header.target_layers]
    silent = not moved[still].any()
    assert silent, f"{strategy.name}: it adds at layers that are not steered; start from displacement(), zero at those"
    same = torch.equal(strategy.blend(parts), moved)
    assert same, (
        f"{strategy.name}: another result the second time; use the parts alone, without random numbers or state"
    )
    unchanged = before == [part.vector.directions.tolist() for part in parts]
    assert unchanged, (
        f"{strategy.name}: it changes the personas; copy a tensor (`clone()`) before you change it in place"
    )
    return moved


def _parts(vectors: Sequence[PersonaVector], weights: Iterable[float]) -> list[WeightedVector]:
    return [WeightedVector(vector, weight) for vector, weight in zip(vectors, weights, strict=True)]


def _check_scores(judge: str, scores: Tensor, n_replies: int, n_personas: int) -> None:
    import torch

    _assert_is_a(torch.Tensor, scores, f"{judge}: what score returns")
    shape, wanted = tuple(scores.shape), (n_replies, n_personas)
    assert shape == wanted, f"{judge}: shape {shape}, not {wanted}; return one row a reply and one column a persona"
    assert scores.dtype == torch.float32, f"{judge}: {scores.dtype}; it must be float32: return `scores.float()`"
    finite = torch.isfinite(scores).all()
    assert finite, f"{judge}: scores that are not finite; raise a PersonaError where a reply cannot be scored"


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
    _assert_is_a(Archetype, archetype, f"{generator.name}: what archetype returns")
    assert archetype.name == name, (
        f"{generator.name}: asked for {name!r}, it calls the archetype {archetype.name!r}; keep the name that was given"
    )
    check_archetype(archetype)
    again = generator.archetype(name, described, questions)
    assert again == archetype, f"{generator.name}: another archetype the second time; {_DETERMINISTIC}"
    return archetype


def _check_dataset(
    generator: DatasetGenerator, archetype: Archetype, n_prompts: int, n_questions: int
) -> PersonaDataset:
    dataset = generator.persona(archetype, n_prompts, n_questions)
    _assert_is_a(PersonaDataset, dataset, f"{generator.name}: what persona returns")
    assert dataset.name == archetype.name, (
        f"{generator.name}: the dataset is called {dataset.name!r}; give it the archetype's name, {archetype.name!r}"
    )
    prompts = max(len(dataset.persona_prompts), len(dataset.default_prompts))
    assert prompts <= n_prompts, f"{generator.name}: {prompts} prompts, asked for {n_prompts}; cut both sides to that"
    asked = len(dataset.questions)
    assert asked <= n_questions, f"{generator.name}: {asked} questions, asked for {n_questions}; cut them to that"
    for texts in (dataset.persona_prompts, dataset.default_prompts, dataset.questions):
        _assert_distinct(generator.name, texts)
    again = generator.persona(archetype, n_prompts, n_questions)
    assert again == dataset, f"{generator.name}: another dataset the second time; {_DETERMINISTIC}"
    _assert_reads_back(generator.name, dataset)
    return dataset


def _check_safety(generator: DatasetGenerator) -> None:
    dataset = generator.safety()
    _assert_is_a(SafetyDataset, dataset, f"{generator.name}: what safety returns")
    assert generator.safety() == dataset, f"{generator.name}: another safety dataset the second time; {_DETERMINISTIC}"
    _assert_distinct(generator.name, [pair.request for pair in (*dataset.train, *dataset.heldout)])
    for pair in (*dataset.train, *dataset.heldout):
        assert pair.refusal != pair.compliance, (
            f"{generator.name}: both replies to {pair.request!r} are the same; let one refuse and the other comply"
        )
    _assert_reads_back(generator.name, dataset)


def _assert_reads_back(generator: str, dataset: Dataset) -> None:
    same = from_text(type(dataset), to_text(dataset), "its YAML") == dataset
    assert same, (
        f"{generator}: a dataset's YAML reads back to something else; use plain text without control characters"
    )


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

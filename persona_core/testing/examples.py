"""Examples: small vectors, axes, contexts, replies and turns that need no model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from persona_core.evaluation.judges import JudgedReply
from persona_core.personas.archetype import Archetype
from persona_core.steering.capping import CappingContext
from persona_core.vectors.file import Calibration, ModelIdentity, VectorHeader
from persona_core.vectors.vector import Axis, PersonaVector

if TYPE_CHECKING:
    from torch import Tensor

    from persona_core.chat.conversation import Turn
    from persona_core.chat.monitors import TurnRequest
    from persona_core.model.wrapper import ModelWrapper

QUANTILE_LEVELS = (0.0, 1.0, 25.0, 75.0, 99.0, 100.0)


def example_vector(name: str, n_layers: int = 6, hidden: int = 16) -> PersonaVector:
    """Return a calibrated persona that is steered at the two middle layers; each name has other directions."""
    directions = _unit_rows(name, n_layers, hidden)
    header = _header("persona", name, n_layers, hidden).model_copy(
        update={
            "target_layers": _middle(n_layers),
            "calibration": Calibration(dose=0.2, damage_budget=0.3, damage=0.25, gain=0.5),
            "guided": Calibration(dose=0.1, damage_budget=0.3, damage=0.25, gain=0.5, guidance=3.0),
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
    """Return what a policy is given at the start of a conversation: both axes, and two layers to cap."""
    axes = {name: example_axis(name, n_layers, hidden) for name in ("safety", "assistant")}
    target = _middle(n_layers)
    return CappingContext(axes, (target[-1], target[-1] + 1), percentile=1.0, probe_layer=target[-1])


def example_replies(model: ModelWrapper | None = None) -> list[JudgedReply]:
    """Return three replies to one question, tokenised by `model`; without a model their bytes stand for tokens."""
    texts = (
        "Arr! Hoist the sails, ye landlubber, and mind the stormy sea!",
        "Be silent for a while, my friend. The still pond shows the moon.",
        "To change a light bulb, switch off the power and unscrew the old bulb.",
    )
    return [JudgedReply("How do I change a light bulb?", text, _tokens(text, model)) for text in texts]


def example_persona(name: str) -> Archetype:
    """Return an archetype with two system prompts and no questions."""
    prompts = (f"You are a {name}.", f"Speak as a {name} speaks.")
    return Archetype(name=name, description=f"a {name} of old tales", system_prompts=prompts, tags=(name,))


def example_turns() -> list[tuple[TurnRequest, Turn]]:
    """Return two turns with their requests: one that a blend steers under the floor, one that nothing steers."""
    return [_example_turn({"sage": 0.5, "trickster": 0.3}), _example_turn({})]


def close(one: Tensor, other: Tensor, absolute: float = 1e-6) -> bool:
    """Tell whether two tensors are equal but for rounding."""
    import torch

    return torch.allclose(one, other, rtol=1e-4, atol=absolute)


def _example_turn(personas: dict[str, float]) -> tuple[TurnRequest, Turn]:
    from persona_core.chat.conversation import Turn
    from persona_core.chat.monitors import TurnRequest
    from persona_core.engine.receipt import FloorReceipt, Receipt

    strength = 1.0 if personas else 0.0
    receipt = Receipt(
        model="example", personas=personas, strength=strength, safety="on" if personas else "not needed", plan="0",
        prompt_tokens=12, reused_tokens=0, reply_tokens=2, steered_tokens=13 if personas else 0,
        relative_change=dict.fromkeys((2, 3), 0.04) if personas else {},
        floor=FloorReceipt(layers=[4, 5], hits=3, lowest_before=-1.5, lowest_after=0.0) if personas else None,
        assistant_projection=1.25, safety_projection=0.5 if personas else None, seed=7, finish="end",
    )  # fmt: skip
    request = TurnRequest(
        question="What is fire?", messages=1, personas=personas, strength=1.0, safety=True, seed=7, session="example"
    )
    projections = {"assistant": [1.0, 1.5], "safety": [0.25, 0.75]} if personas else {"assistant": [1.0, 1.5]}
    return request, Turn(user=request.question, text="Fire is hot.", receipt=receipt, projections=projections)


def _tokens(text: str, model: ModelWrapper | None) -> tuple[int, ...]:
    ids = text.encode() if model is None else model.tokenizer(text, add_special_tokens=False)["input_ids"]
    return tuple(ids)


def _header(kind: Literal["persona", "axis"], name: str, n_layers: int, hidden: int) -> VectorHeader:
    identity = ModelIdentity(
        name="example", slug="example", fingerprint="0", template_hash="0", n_layers=n_layers, hidden_size=hidden
    )
    return VectorHeader(kind=kind, name=name, model=identity)


def _middle(n_layers: int) -> tuple[int, ...]:
    """Return the two middle layers, which leave room for a capped one above them."""
    return (n_layers // 2 - 1, n_layers // 2)


def _unit_rows(name: str, n_layers: int, hidden: int) -> Tensor:
    """Return one direction of length 1 a layer, drawn with a seed that the name gives."""
    import torch

    from persona_core.vectors.maths import unit

    seed = int.from_bytes(name.encode()[:6], "little")
    return unit(torch.randn(n_layers, hidden, generator=torch.Generator().manual_seed(seed)))


def assert_is_a(expected: type, value: object, label: str) -> None:
    """Assert that a value is of a type; the message begins with `label` and names both types."""
    actual, right = type(value).__name__, f"{expected.__module__}.{expected.__qualname__}"
    assert isinstance(value, expected), f"{label} is of type {actual}; it must be a {right}"

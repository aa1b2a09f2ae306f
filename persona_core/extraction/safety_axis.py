"""Safety axis: extracts the direction from a stream that complies with harm to one that refuses, apart from personas.

At every layer the axis is the sum of three unit directions, each without its component in the personas' span: refusing
minus complying replies (where refusals lie), the gradient of the refusing odds (what brings refusals about), and
harmless minus harmful requests at the end of the prompt (so that the floor leaves harmless requests alone).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from persona_core.base.messages import question_messages
from persona_core.errors import AxisTooWeak
from persona_core.extraction.activations import ActivationExtractor
from persona_core.extraction.assistant_axis import AxisExtraction, projection_quantiles, separation
from persona_core.extraction.data import safety_dataset
from persona_core.extraction.floor_calibration import calibrate_floor
from persona_core.extraction.refusal import dataset_starts, first_token_odds
from persona_core.model.gradient import displacement_gradient
from persona_core.model.rollouts import Rollout
from persona_core.model.wrapper import ModelWrapper
from persona_core.personas.building import QUANTILE_LEVELS
from persona_core.personas.dataset import SafetyDataset, SafetyPair
from persona_core.vectors.maths import mean_difference, project_out_span, unit
from persona_core.vectors.vector import Axis

HARMLESS_WEIGHT = 1.5
_LOWEST_AUC = 0.8
"""The lowest held-out AUC of refusing against complying replies, at any capping layer."""
_LARGEST_PERSONA_BIAS = 0.15
"""How far the AUC of default against persona replies may be from a half, at any capping layer."""


@dataclass(frozen=True)
class Ingredients:
    """The directions that the axis is made of, not yet of length 1.

    `contrast` is refusing minus complying replies. `reading` is the contrast, `writing` the gradient of the refusing
    odds and `harmless` harmless minus harmful requests, each without its component in the personas' span.
    """

    contrast: Float[Tensor, "layer hidden"]
    reading: Float[Tensor, "layer hidden"]
    writing: Float[Tensor, "layer hidden"]
    harmless: Float[Tensor, "layer hidden"]

    def direction(self) -> Float[Tensor, "layer hidden"]:
        """Return the axis, one direction of length 1 a layer."""
        return unit(unit(self.reading) + unit(self.writing) + HARMLESS_WEIGHT * unit(self.harmless))


def extract_safety_axis(work: AxisExtraction) -> Axis:
    """Make, check, calibrate and save the axis.

    Raises `AxisTooWeak` where held-out pairs do not separate at the capping layers, where the axis tells personas from
    the default assistant, or where its floor does not move harmful prompts toward refusing.
    """
    data = safety_dataset(work.manager)
    ingredients = axis_ingredients(work, data)
    directions = ingredients.direction()
    measured = _measure(work, directions, data.heldout)
    measured["kept_length"] = _rounded(ingredients.reading.norm(dim=-1) / ingredients.contrast.norm(dim=-1))
    check_axis(work.model, measured["heldout_auc"], measured["persona_auc"])
    fields = {
        "method": "refusal contrast, refusing-odds gradient and harmless prompts, personas' span projected out",
        "dataset_digest": data.digest(),
        "quantile_levels": QUANTILE_LEVELS,
        "target_layers": work.model.capping_layers,
        "measured": measured,
    }
    header = work.header("axis", "safety", "from complying with harm to refusing it", **fields)
    axis = Axis(header, directions, projection_quantiles(work, directions))
    axis = calibrate_floor(work.model, axis, data, work.default.rollouts, progress=work.progress)
    work.manager.store.save(axis)
    return axis


def axis_ingredients(work: AxisExtraction, data: SafetyDataset) -> Ingredients:
    """Return the contrast of replies, and the three directions without the reference personas' span."""
    contrast = mean_difference(*scripted_means(work.extractor, data.train, "training pairs"))
    harmful = [work.model.encode(question_messages(text)) for text in data.framed(data.train)]
    harmless = [
        work.model.encode(question_messages(question)) for question in next(iter(work.datasets.values())).questions
    ]
    ends = prompt_ends(work.extractor, harmless).mean(0) - prompt_ends(work.extractor, harmful).mean(0)
    gradient = refusing_gradient(work, harmful, data)
    return Ingredients(contrast, *(project_out_span(raw, work.raws) for raw in (contrast, gradient, ends)))


def refusing_gradient(
    work: AxisExtraction, prompts: Sequence[Sequence[int]], data: SafetyDataset
) -> Float[Tensor, "layer hidden"]:
    """Return the gradient of the refusing odds after harmful prompts with regard to each layer's stream."""
    starts = dataset_starts(work.model, data)

    def odds(log_probs: Float[Tensor, "row token vocab"], indices: Sequence[int]) -> Tensor:
        return first_token_odds(log_probs[:, -1], starts).sum()

    stage = "safety axis: gradient of the refusing odds"
    return displacement_gradient(work.model, prompts, odds, 1, progress=work.progress, stage=stage)


def prompt_ends(
    extractor: ActivationExtractor, prompts: Sequence[Sequence[int]]
) -> Float[Tensor, "prompt layer hidden"]:
    """Return the stream at the last token of each prompt."""
    rollouts = [Rollout((), "", len(prompt) - 1, "default", tuple(prompt)) for prompt in prompts]
    return extractor.capture(rollouts, "safety axis: ends of prompts").mean


def scripted_means(
    extractor: ActivationExtractor, pairs: Sequence[SafetyPair], stage: str
) -> tuple[Float[Tensor, "pair layer hidden"], Float[Tensor, "pair layer hidden"]]:
    """Return the response means of (refusing, complying) replies, teacher-forced."""
    refusing = [_scripted(extractor.model, pair.request, pair.refusal) for pair in pairs]
    complying = [_scripted(extractor.model, pair.request, pair.compliance) for pair in pairs]
    means = extractor.capture([*refusing, *complying], f"safety axis: {stage}").mean
    return means[: len(pairs)], means[len(pairs) :]


def check_axis(model: ModelWrapper, heldout: Sequence[float], persona: Sequence[float]) -> None:
    """Raise `AxisTooWeak` where the axis does not separate refusals, or does separate personas, at a capping layer."""
    weakest = min(model.capping_layers, key=lambda layer: heldout[layer])
    if heldout[weakest] < _LOWEST_AUC:
        raise AxisTooWeak(
            f"the safety axis does not separate refusing from complying replies at layer {weakest} "
            f"(held-out AUC {heldout[weakest]:.2f}, {_LOWEST_AUC} is needed); nothing was saved. "
            "Choose other steering.capping_layers, or edit the safety dataset"
        )
    worst = max(model.capping_layers, key=lambda layer: abs(persona[layer] - 0.5))
    if abs(persona[worst] - 0.5) > _LARGEST_PERSONA_BIAS:
        raise AxisTooWeak(
            f"the safety axis tells personas from the default assistant at layer {worst} (AUC {persona[worst]:.2f}, "
            "0.35-0.65 is needed), so its floor would flatten them; nothing was saved. Use more reference archetypes"
        )


def _measure(
    work: AxisExtraction, directions: Float[Tensor, "layer hidden"], heldout: Sequence[SafetyPair]
) -> dict[str, Any]:
    personas = torch.cat([persona.mean for persona in work.personas.values()])
    return {
        "heldout_auc": separation(*scripted_means(work.extractor, heldout, "held-out pairs"), directions),
        "persona_auc": separation(work.default.mean, personas, directions),
    }


def _scripted(model: ModelWrapper, request: str, reply: str) -> Rollout:
    prompt = model.encode(question_messages(request))
    tokens = model.tokenizer.encode(reply, add_special_tokens=False)
    return Rollout(question_messages(request), reply, len(prompt), "default", (*prompt, *tokens))


def _rounded(values: Float[Tensor, "layer"]) -> list[float]:
    return [round(float(value), 4) for value in values]

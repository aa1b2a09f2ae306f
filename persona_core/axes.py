"""The two axes and the baseline: assistant against role, refusing against complying, and the default's own place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from persona_core.activation_extractor import ActivationExtractor, Activations
from persona_core.dataset import PersonaDataset, SafetyPair
from persona_core.errors import AxisTooWeak, ExtractionError, PluginError
from persona_core.extraction import default_activations, persona_activations
from persona_core.model_wrapper import ModelWrapper
from persona_core.persona_data import persona_dataset, safety_dataset
from persona_core.persona_manager import PersonaManager
from persona_core.persona_vector import Axis, Baseline
from persona_core.progress import Progress, silent
from persona_core.rollout import Condition, Rollout, chat
from persona_core.scoring import plan_cost
from persona_core.steering_plan import ClampProjection, SteeringPlan
from persona_core.vector_building import QUANTILE_LEVELS, provenance, span
from persona_core.vector_file import VectorHeader
from persona_core.vector_math import auc, mean_difference, project_out_span, quantiles, unit
from persona_core.vector_store import ASSISTANT, BASELINE, SAFETY

_WEAKEST = 0.8
_COST_REPLIES = 32


@dataclass
class AxisExtraction:
    """Everything that both axes need, sampled and captured once."""

    model: ModelWrapper
    manager: PersonaManager
    progress: Progress = silent

    @cached_property
    def extractor(self) -> ActivationExtractor:
        """The extractor, with the workspace's finished replies."""
        return ActivationExtractor(self.model, self.manager.config, progress=self.progress)

    @cached_property
    def datasets(self) -> dict[str, PersonaDataset]:
        """The reference personas' datasets; raises where one is missing or asks other questions than the rest."""
        found = {}
        for name in self.manager.config.extraction.reference_archetypes:
            if name not in self.manager.archetypes:
                raise PluginError(
                    f"reference archetype {name!r} is not installed: `python -m pip install "
                    "persona-archetypes-base`, or change extraction.reference_archetypes"
                )
            found[name] = persona_dataset(self.manager, name)
        if len({dataset.default_digest() for dataset in found.values()}) > 1:
            raise ExtractionError("the reference personas' datasets ask different questions; give them the same ones")
        return found

    @cached_property
    def default(self) -> Activations:
        """The default assistant's replies."""
        return default_activations(self.extractor, next(iter(self.datasets.values())))

    @cached_property
    def personas(self) -> dict[str, Activations]:
        """The reference personas' replies."""
        return {name: persona_activations(self.extractor, data, name) for name, data in self.datasets.items()}

    @cached_property
    def raws(self) -> Float[Tensor, "persona layer hidden"]:
        """The reference personas' raw mean differences."""
        default = self.default.mean.mean(0)
        return span([persona.mean.mean(0) - default for persona in self.personas.values()])

    def header(self, kind: str, name: str, description: str, **fields: Any) -> VectorHeader:
        """Return a header with what all three files share."""
        common = {
            "model": self.model.identity,
            "source": "workspace",
            "questions_digest": next(iter(self.datasets.values())).default_digest(),
            "n_rollouts": len(self.default.rollouts),
            **provenance(self.manager.config.extraction.seed),
        }
        return VectorHeader(kind=kind, name=name, description=description, **{**common, **fields})


def extract_baseline(work: AxisExtraction) -> Baseline:
    """Make and save the default assistant's mean and the stream's median length."""
    header = work.header("baseline", BASELINE, "the default assistant's mean response activation")
    norms = work.extractor.residual_norms(work.default.rollouts)
    baseline = Baseline(header, work.default.mean.mean(0), norms)
    baseline.save(work.manager.store.own / f"{BASELINE}.safetensors")
    return baseline


def extract_assistant_axis(work: AxisExtraction) -> Axis:
    """Make and save the axis from role to assistant: minus the reference personas' mean raw vector.

    As in The Assistant Axis (arXiv 2601.10387). Its held-out AUC compares default and persona replies to the
    questions of odd number along the axis made from the even ones.
    """
    shared = work.raws.mean(0)
    directions = unit(-shared)
    personas = torch.cat([persona.mean for persona in work.personas.values()])
    heldout = unit(mean_difference(work.default.mean[0::2], personas[0::2]))
    measured = {"heldout_auc": separation(work.default.mean[1::2], personas[1::2], heldout)}
    fields = {
        "method": "default minus mean of roles",
        "measured": measured,
        "quantile_levels": QUANTILE_LEVELS,
    }
    header = work.header("axis", "assistant", "from playing a role to the default assistant", **fields)
    axis = Axis(header, directions, _quantiles(work, directions), shared)
    axis.save(work.manager.store.own / f"{ASSISTANT}.safetensors")
    return axis


def extract_safety_axis(work: AxisExtraction) -> Axis:
    """Make and save the axis from complying to refusing replies, the personas' span projected out.

    Raises `AxisTooWeak` where held-out pairs do not separate at the capping layers.
    """
    data = safety_dataset(work.manager)
    whole = mean_difference(*scripted_means(work.extractor, data.train, "training pairs"))
    neutral = project_out_span(whole, work.raws)
    directions = unit(neutral)
    measured = _measure_safety(work, directions, scripted_means(work.extractor, data.heldout, "held-out pairs"))
    measured["kept_length"] = _rounded(neutral.norm(dim=-1) / whole.norm(dim=-1))
    _check_separation(work.model, measured["heldout_auc"])
    fields = {
        "method": "refusal minus compliance, response means, personas' span projected out",
        "dataset_digest": data.digest(),
        "quantile_levels": QUANTILE_LEVELS,
        "target_layers": work.model.capping_layers,
    }
    bounds = _quantiles(work, directions)
    header = work.header("axis", "safety", "from complying with harm to refusing it", **fields)
    axis = Axis(header, directions, bounds)
    axis = Axis(header.model_copy(update={"measured": measured | _cost(work, axis)}), directions, bounds)
    axis.save(work.manager.store.own / f"{SAFETY}.safetensors")
    return axis


def separation(
    positive: Float[Tensor, "rollout layer hidden"],
    negative: Float[Tensor, "rollout2 layer hidden"],
    directions: Float[Tensor, "layer hidden"],
) -> list[float]:
    """Return, per layer, the AUC of two sets of response means projected on the layer's direction."""
    up, down = (torch.einsum("rlh,lh->lr", side, directions) for side in (positive, negative))
    return [round(auc(up[layer], down[layer]), 4) for layer in range(len(directions))]


def scripted_means(
    extractor: ActivationExtractor, pairs: Sequence[SafetyPair], stage: str
) -> tuple[Float[Tensor, "pair layer hidden"], Float[Tensor, "pair layer hidden"]]:
    """Return the response means of (refusing, complying) replies, teacher-forced."""
    refusing = [_scripted(extractor.model, pair.request, pair.refusal, "default") for pair in pairs]
    complying = [_scripted(extractor.model, pair.request, pair.compliance, "default") for pair in pairs]
    means = extractor.capture([*refusing, *complying], f"safety axis: {stage}").mean
    return means[: len(pairs)], means[len(pairs) :]


def _scripted(model: ModelWrapper, request: str, reply: str, condition: Condition) -> Rollout:
    prompt = model.encode(chat(request))
    tokens = model.tokenizer.encode(reply, add_special_tokens=False)
    return Rollout(chat(request), reply, len(prompt), condition, (*prompt, *tokens))


def _measure_safety(
    work: AxisExtraction, directions: Float[Tensor, "layer hidden"], heldout: tuple[Tensor, Tensor]
) -> dict[str, Any]:
    personas = torch.cat([persona.mean for persona in work.personas.values()])
    return {
        "heldout_auc": separation(*heldout, directions),
        "persona_auc": separation(work.default.mean, personas, directions),
    }


def _check_separation(model: ModelWrapper, heldout: Sequence[float]) -> None:
    weakest = min(model.capping_layers, key=lambda layer: heldout[layer])
    if heldout[weakest] < _WEAKEST:
        raise AxisTooWeak(
            f"the safety axis does not separate refusing from complying replies at layer {weakest} "
            f"(held-out AUC {heldout[weakest]:.2f}, {_WEAKEST} is needed); nothing was saved. "
            "Choose other steering.capping_layers, or edit the safety dataset"
        )


def _cost(work: AxisExtraction, axis: Axis) -> dict[str, Any]:
    """Return what the configured floor costs the unsteered model on its own benign replies."""
    level = work.manager.config.steering.safety_floor_percentile
    floor = axis.percentile(level)
    clamps = tuple(
        ClampProjection(layer, axis.directions[layer], float(floor[layer])) for layer in work.model.capping_layers
    )
    sample = work.default.rollouts[:: max(len(work.default.rollouts) // _COST_REPLIES, 1)]
    prompts = [rollout.token_ids[: rollout.response_start] for rollout in sample]
    replies = [rollout.token_ids[rollout.response_start :] for rollout in sample]
    kl, top1 = plan_cost(work.model, prompts, replies, SteeringPlan(clamps=clamps))
    return {"floor_percentile": level, "floor_cost_kl": round(kl, 5), "floor_top1_kept": round(top1, 4)}


def _quantiles(work: AxisExtraction, directions: Float[Tensor, "layer hidden"]) -> Float[Tensor, "level layer"]:
    return quantiles(work.extractor.token_projections(work.default.rollouts, directions), QUANTILE_LEVELS)


def _rounded(values: Float[Tensor, "layer"]) -> list[float]:
    return [round(float(value), 4) for value in values]

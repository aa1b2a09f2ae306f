"""Assistant axis: extracts it and the baseline from the replies of the default assistant and the reference personas."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from persona_core.base.progress import Progress, silent
from persona_core.base.provenance import provenance
from persona_core.errors import ExtractionError, PluginError
from persona_core.extraction.activations import ActivationExtractor, Activations
from persona_core.extraction.data import persona_dataset
from persona_core.extraction.persona import PersonaReplies, default_activations, persona_replies
from persona_core.model.wrapper import ModelWrapper
from persona_core.personas.building import QUANTILE_LEVELS, span
from persona_core.personas.dataset import PersonaDataset
from persona_core.personas.manager import PersonaManager
from persona_core.vectors.file import VectorHeader
from persona_core.vectors.maths import auc, mean_difference, quantiles, unit
from persona_core.vectors.store import BASELINE
from persona_core.vectors.vector import Axis, Baseline


@dataclass
class AxisExtraction:
    """The replies that both axes are made from, each sampled and read once, when first asked for."""

    model: ModelWrapper
    manager: PersonaManager
    progress: Progress = silent

    @cached_property
    def extractor(self) -> ActivationExtractor:
        """The extractor, which takes finished replies from the workspace's cache."""
        return ActivationExtractor(self.model, self.manager.config, progress=self.progress)

    @cached_property
    def datasets(self) -> dict[str, PersonaDataset]:
        """The reference personas' datasets.

        Raises `PluginError` where one is not installed, and `ExtractionError` where they ask different questions.
        """
        datasets = {}
        for name in self.manager.config.extraction.reference_archetypes:
            if name not in self.manager.archetypes:
                raise PluginError(
                    f"reference archetype {name!r} is not installed: `python -m pip install "
                    "persona-archetypes-base`, or change extraction.reference_archetypes"
                )
            datasets[name] = persona_dataset(self.manager, name)
        if len({dataset.default_digest() for dataset in datasets.values()}) > 1:
            raise ExtractionError("the reference personas' datasets ask different questions; give them the same ones")
        return datasets

    @cached_property
    def default(self) -> Activations:
        """The activations of the default assistant's replies."""
        return default_activations(self.extractor, next(iter(self.datasets.values())))

    @cached_property
    def replies(self) -> dict[str, PersonaReplies]:
        """The activations and gradients of the reference personas' replies."""
        return {name: persona_replies(self.extractor, data, name) for name, data in self.datasets.items()}

    @property
    def personas(self) -> dict[str, Activations]:
        """The activations of the reference personas' replies."""
        return {name: replies.activations for name, replies in self.replies.items()}

    @cached_property
    def raws(self) -> Float[Tensor, "persona layer hidden"]:
        """The reference personas' raw mean differences."""
        default = self.default.mean.mean(0)
        return span([persona.mean.mean(0) - default for persona in self.personas.values()])

    @cached_property
    def gradients(self) -> Float[Tensor, "persona layer hidden"]:
        """The reference personas' reply gradients."""
        return torch.stack([torch.stack(replies.gradients).mean(0) for replies in self.replies.values()])

    def header(self, kind: str, name: str, description: str, **fields: Any) -> VectorHeader:
        """Return a header with the fields that both axes and the baseline share."""
        common = {
            "model": self.model.identity,
            "source": "workspace",
            "questions_digest": next(iter(self.datasets.values())).default_digest(),
            "n_rollouts": len(self.default.rollouts),
            **provenance(self.manager.config.extraction.seed),
        }
        return VectorHeader(kind=kind, name=name, description=description, **{**common, **fields})


def extract_baseline(work: AxisExtraction) -> Baseline:
    """Make and save the default assistant's mean activation and the stream's median length."""
    header = work.header("baseline", BASELINE, "the default assistant's mean response activation")
    norms = work.extractor.residual_norms(work.default.rollouts)
    baseline = Baseline(header, work.default.mean.mean(0), norms)
    work.manager.store.save(baseline)
    return baseline


def extract_assistant_axis(work: AxisExtraction) -> Axis:
    """Make and save the axis from role to assistant: minus the reference personas' mean raw vector.

    As in The Assistant Axis (arXiv 2601.10387). The held-out AUC comes from an axis made of the replies with even
    index; it compares default and persona replies with odd index.
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
    axis = Axis(header, directions, projection_quantiles(work, directions), shared, work.gradients.mean(0))
    work.manager.store.save(axis)
    return axis


def separation(
    positive: Float[Tensor, "rollout layer hidden"],
    negative: Float[Tensor, "rollout2 layer hidden"],
    directions: Float[Tensor, "layer hidden"],
) -> list[float]:
    """Return, per layer, the AUC of two sets of response means projected on the layer's direction."""
    up, down = (torch.einsum("rlh,lh->lr", side, directions) for side in (positive, negative))
    return [round(auc(up[layer], down[layer]), 4) for layer in range(len(directions))]


def projection_quantiles(
    work: AxisExtraction, directions: Float[Tensor, "layer hidden"]
) -> Float[Tensor, "level layer"]:
    """Return the percentiles of the default assistant's token projections, by layer."""
    return quantiles(work.extractor.token_projections(work.default.rollouts, directions), QUANTILE_LEVELS)

"""ActivationExtractor: rollouts to response-mean activations, one teacher-forced pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from persona_core.base.messages import question_messages
from persona_core.base.progress import Progress, silent
from persona_core.errors import ExtractionError
from persona_core.extraction.generators import DEFAULT_PROMPTS
from persona_core.model.batching import Batch, begin
from persona_core.model.decoding import Sampling
from persona_core.model.rollouts import Condition, Rollout, RolloutRequest, reply_cache, roll_out
from persona_core.model.wrapper import ModelWrapper, batches
from persona_core.settings.config import Config
from persona_core.vectors.maths import masked_mean, mean_difference

_CAPTURE_BATCH = 16
Read = Callable[[int, Float[Tensor, "batch token hidden"], Bool[Tensor, "batch token"]], Tensor]


@dataclass(frozen=True)
class _Batch:
    """Some of the rollouts, about to be read, with the mask of reply tokens among the tokens to run."""

    places: list[int]
    inputs: Batch
    reply: Bool[Tensor, "batch token"]


@dataclass(frozen=True)
class Activations:
    """Response means of rollouts, per layer, with the rollouts they come from."""

    rollouts: tuple[Rollout, ...]
    mean: Float[Tensor, "rollout layer hidden"]

    def of(self, condition: Condition) -> Float[Tensor, "rollout layer hidden"]:
        """Return one condition's rows."""
        return self.mean[[place for place, rollout in enumerate(self.rollouts) if rollout.condition == condition]]

    @property
    def raw_vector(self) -> Float[Tensor, "layer hidden"]:
        """The mean difference from the default assistant to the persona."""
        return mean_difference(self.of("persona"), self.of("default"))


class ActivationExtractor:
    """Asks questions under system prompts and reads the residual stream of the replies."""

    def __init__(self, model: ModelWrapper, config: Config | None = None, *, progress: Progress = silent) -> None:
        self.model = model
        self.config = config or model.config
        self.progress = progress
        self._cache = reply_cache(self.config.workspace.rollouts(model.identity.slug))

    def extract_for_persona(
        self,
        *,
        system_prompts: Sequence[str],
        extraction_questions: Sequence[str],
        default_prompts: Sequence[str] = DEFAULT_PROMPTS,
    ) -> Activations:
        """Return activations of both sides: every question under every persona prompt and every default prompt."""
        persona = self.roll_out(system_prompts, extraction_questions, "persona")
        default = self.roll_out(default_prompts[: len(system_prompts)], extraction_questions, "default")
        return self.capture([*persona, *default])

    def roll_out(
        self,
        system_prompts: Sequence[str],
        questions: Sequence[str],
        condition: Condition,
        stage: str = "replies",
    ) -> list[Rollout]:
        """Sample one reply for every prompt and question; finished ones are taken from the workspace's cache."""
        if not system_prompts or not questions:
            raise ExtractionError("extraction needs at least one system prompt and one question")
        requests = [
            RolloutRequest(question_messages(q, system), condition) for system in system_prompts for q in questions
        ]
        settings = self.config.extraction
        sampling = Sampling(settings.max_new_tokens, settings.temperature, top_p=1.0)
        return roll_out(
            self.model,
            requests,
            sampling,
            settings.seed,
            cache=self._cache,
            progress=self.progress,
            stage=stage,
        )

    def capture(self, rollouts: Sequence[Rollout], stage: str = "activations") -> Activations:
        """Return the mean over each reply's tokens after every block."""
        rows = torch.empty(len(rollouts), self.model.n_layers, self.model.identity.hidden_size)
        for batch in self._batches(rollouts, stage):
            means = self._read(batch, lambda _, hidden, reply: masked_mean(hidden, reply))
            rows[batch.places] = torch.stack(means, 1).cpu()
        return Activations(tuple(rollouts), rows)

    def token_projections(
        self, rollouts: Sequence[Rollout], directions: Float[Tensor, "layer hidden"], stage: str = "projections"
    ) -> Float[Tensor, "token layer"]:
        """Return every reply token's projection on the layer's direction."""
        along = directions.to(self.model.device)
        return self._tokens(rollouts, lambda layer, hidden, reply: hidden[reply].float() @ along[layer], stage)

    def residual_norms(self, rollouts: Sequence[Rollout], stage: str = "norms") -> Float[Tensor, "layer"]:
        """Return the median length of the stream over reply tokens, per layer."""
        lengths = self._tokens(rollouts, lambda _, hidden, reply: hidden[reply].float().norm(dim=-1), stage)
        return lengths.median(0).values

    def _tokens(self, rollouts: Sequence[Rollout], read: Read, stage: str) -> Float[Tensor, "token layer"]:
        found = [torch.stack(self._read(batch, read), -1).cpu() for batch in self._batches(rollouts, stage)]
        return torch.cat(found)

    def _read(self, batch: _Batch, read: Read) -> list[Tensor]:
        layers, inputs = range(self.model.n_layers), batch.inputs
        return self.model.capture(
            inputs.ids, inputs.mask, lambda i, hidden: read(i, hidden, batch.reply), layers, inputs.cache
        )

    def _batches(self, rollouts: Sequence[Rollout], stage: str) -> Iterator[_Batch]:
        done = 0
        self.progress(stage, done, len(rollouts))
        for places in batches([len(rollout.token_ids) for rollout in rollouts], _CAPTURE_BATCH):
            chosen = [rollouts[place] for place in places]
            starts = [rollout.response_start for rollout in chosen]
            inputs = begin(self.model, [rollout.token_ids for rollout in chosen], starts)
            yield _Batch(places, inputs, _reply_mask(inputs.ids, chosen))
            done += len(places)
            self.progress(stage, done, len(rollouts))


def _reply_mask(ids: Int[Tensor, "batch token"], rollouts: Sequence[Rollout]) -> Bool[Tensor, "batch token"]:
    """Return which tokens belong to replies: the last ones of each left-padded row."""
    from_end = ids.shape[1] - torch.arange(ids.shape[1], device=ids.device)
    lengths = torch.tensor([rollout.n_response_tokens for rollout in rollouts], device=ids.device)
    return from_end[None, :] <= lengths[:, None]

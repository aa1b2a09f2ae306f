"""ActivationExtractor: samples replies, and reads the residual stream of their tokens in one teacher-forced pass."""

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
from persona_core.model.padding import batches
from persona_core.model.rollouts import Condition, Rollout, RolloutRequest, reply_cache, roll_out
from persona_core.model.wrapper import ModelWrapper
from persona_core.settings.config import Config
from persona_core.vectors.maths import masked_mean, mean_difference

_CAPTURE_BATCH = 16
Reading = Callable[[int, Float[Tensor, "batch token hidden"], Bool[Tensor, "batch token"]], Tensor]
"""(layer, stream after it, mask of reply tokens) -> what is kept of that layer."""


@dataclass(frozen=True)
class _ReplyBatch:
    """The rollouts with some indices, ready to run, with the mask of reply tokens among the tokens to run."""

    indices: list[int]
    inputs: Batch
    reply: Bool[Tensor, "batch token"]


@dataclass(frozen=True)
class Activations:
    """The mean stream over each reply's tokens after every block, with the rollouts that were read."""

    rollouts: tuple[Rollout, ...]
    mean: Float[Tensor, "rollout layer hidden"]

    def of(self, condition: Condition) -> Float[Tensor, "rollout layer hidden"]:
        """Return one condition's rows."""
        return self.mean[[index for index, rollout in enumerate(self.rollouts) if rollout.condition == condition]]

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
        """Ask every question under every persona prompt and every default prompt, and read the replies of both."""
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
        """Sample one reply for every prompt and question, but those that the workspace's cache already holds."""
        if not system_prompts or not questions:
            raise ExtractionError("extraction needs at least one system prompt and one question")
        requests = [
            RolloutRequest(question_messages(question, system), condition)
            for system in system_prompts
            for question in questions
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
        means = torch.empty(len(rollouts), self.model.n_layers, self.model.identity.hidden_size)
        for batch in self._batches(rollouts, stage):
            by_layer = self._read(batch, lambda _, hidden, reply: masked_mean(hidden, reply))
            means[batch.indices] = torch.stack(by_layer, 1).cpu()
        return Activations(tuple(rollouts), means)

    def token_projections(
        self, rollouts: Sequence[Rollout], directions: Float[Tensor, "layer hidden"], stage: str = "projections"
    ) -> Float[Tensor, "token layer"]:
        """Return every reply token's projection on the layer's direction."""
        axis = directions.to(self.model.device)
        return self._by_token(rollouts, lambda layer, hidden, reply: hidden[reply].float() @ axis[layer], stage)

    def residual_norms(self, rollouts: Sequence[Rollout], stage: str = "norms") -> Float[Tensor, "layer"]:
        """Return the median length of the stream over reply tokens, per layer."""
        lengths = self._by_token(rollouts, lambda _, hidden, reply: hidden[reply].float().norm(dim=-1), stage)
        return lengths.median(0).values

    def _by_token(self, rollouts: Sequence[Rollout], reading: Reading, stage: str) -> Float[Tensor, "token layer"]:
        """Return one number for every reply token and layer."""
        return torch.cat(
            [torch.stack(self._read(batch, reading), -1).cpu() for batch in self._batches(rollouts, stage)]
        )

    def _read(self, batch: _ReplyBatch, reading: Reading) -> list[Tensor]:
        """Run a batch once, and return what is kept of each layer."""
        layers, inputs = range(self.model.n_layers), batch.inputs
        return self.model.capture(
            inputs.ids, inputs.mask, lambda layer, hidden: reading(layer, hidden, batch.reply), layers, inputs.cache
        )

    def _batches(self, rollouts: Sequence[Rollout], stage: str) -> Iterator[_ReplyBatch]:
        done = 0
        self.progress(stage, done, len(rollouts))
        for indices in batches([len(rollout.token_ids) for rollout in rollouts], _CAPTURE_BATCH):
            chosen = [rollouts[index] for index in indices]
            starts = [rollout.response_start for rollout in chosen]
            inputs = begin(self.model, [rollout.token_ids for rollout in chosen], starts)
            yield _ReplyBatch(indices, inputs, _reply_mask(inputs.ids, chosen))
            done += len(indices)
            self.progress(stage, done, len(rollouts))


def _reply_mask(ids: Int[Tensor, "batch token"], rollouts: Sequence[Rollout]) -> Bool[Tensor, "batch token"]:
    """Return which tokens belong to replies: the last ones of each left-padded row."""
    from_end = ids.shape[1] - torch.arange(ids.shape[1], device=ids.device)
    lengths = torch.tensor([rollout.n_response_tokens for rollout in rollouts], device=ids.device)
    return from_end[None, :] <= lengths[:, None]

"""Gradients: which way a small addition to the residual stream makes something likelier, at every layer at once.

A mean difference says where replies lie; a gradient says what brings them about.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from persona_core.base.messages import question_messages
from persona_core.base.progress import Progress, silent
from persona_core.model.batching import steered_tokens
from persona_core.model.padding import batches
from persona_core.model.rollouts import Rollout
from persona_core.model.wrapper import ModelWrapper

_BATCH = 8
Objective = Callable[[Float[Tensor, "row token vocab"], Sequence[int]], Tensor]
"""(log-probabilities of the last tokens, places of the rows) -> one number, summed over the rows."""


@dataclass
class Displacement:
    """Adds one leaf tensor to every token that is kept, so that a gradient flows back to it."""

    leaf: Float[Tensor, "hidden"]
    keep: Bool[Tensor, "row token"]

    def __call__(self, hidden: Float[Tensor, "row token hidden"]) -> Float[Tensor, "row token hidden"]:
        """Return the stream with the leaf added in float32."""
        moved = hidden.float() + self.leaf * self.keep.unsqueeze(-1)
        return moved.to(hidden.dtype)


def displacement_gradient(
    model: ModelWrapper,
    sequences: Sequence[Sequence[int]],
    objective: Objective,
    keep_logits: int,
    *,
    progress: Progress = silent,
    stage: str = "gradient",
) -> Float[Tensor, "layer hidden"]:
    """Return the mean over sequences of the objective's gradient with regard to an addition after each block.

    The addition is the same at every token but the first. Row `i` is the gradient after block `i`.
    """
    total = torch.zeros(model.n_layers, model.identity.hidden_size)
    done = 0
    for places in batches([len(sequence) for sequence in sequences], _BATCH):
        progress(stage, done, len(sequences))
        total += _batch_gradient(model, [sequences[place] for place in places], places, objective, keep_logits)
        done += len(places)
    progress(stage, done, len(sequences))
    return total / len(sequences)


def reply_gradient(
    model: ModelWrapper, rollouts: Sequence[Rollout], *, progress: Progress = silent, stage: str = "gradient"
) -> Float[Tensor, "layer hidden"]:
    """Return which way each layer's stream makes the replies likelier where no system prompt asks for them.

    In units of the mean log-probability a token, per unit of the stream. The replies follow the bare question.
    """
    prompts = [model.encode(question_messages(rollout.messages[-1]["content"])) for rollout in rollouts]
    replies = [rollout.token_ids[rollout.response_start :] for rollout in rollouts]

    def likelihood(log_probs: Float[Tensor, "row token vocab"], places: Sequence[int]) -> Tensor:
        return torch.stack([_mean(log_probs[row], replies[place]) for row, place in enumerate(places)]).sum()

    sequences = [[*prompt, *reply] for prompt, reply in zip(prompts, replies, strict=True)]
    longest = max(len(reply) for reply in replies)
    return displacement_gradient(model, sequences, likelihood, longest + 1, progress=progress, stage=stage)


def _mean(log_probs: Float[Tensor, "token vocab"], reply: Sequence[int]) -> Tensor:
    chosen = torch.tensor(list(reply), device=log_probs.device)
    return log_probs[-len(reply) - 1 : -1].gather(-1, chosen[:, None]).mean()


def _batch_gradient(
    model: ModelWrapper, sequences: Sequence[Sequence[int]], places: Sequence[int], objective: Objective, keep: int
) -> Float[Tensor, "layer hidden"]:
    ids, mask = model.pad(sequences)
    steered = steered_tokens(mask)
    leaves = torch.zeros(model.n_layers, model.identity.hidden_size, device=model.device, requires_grad=True)
    moved = {layer: Displacement(leaves[layer], steered) for layer in range(model.n_layers)}
    logits = model.forward(ids, mask=mask, armed=moved, keep_logits=keep, differentiable=True)
    with torch.enable_grad():
        objective(torch.log_softmax(logits.float(), -1), places).backward()  # type: ignore[no-untyped-call]
    assert leaves.grad is not None
    return leaves.grad.cpu()

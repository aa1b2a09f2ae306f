"""Gradients: the small addition to the residual stream that makes replies likelier, at every layer at once.

A mean difference says where the activations of replies lie; a gradient says what makes the model give such replies.
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
"""(log-probabilities of the last tokens, indices of the batch's sequences) -> one number, summed over the rows."""


@dataclass
class Displacement:
    """Adds one leaf tensor to the stream at every token in `keep`, so that the gradient flows back to it."""

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
    """Return the objective's gradient with respect to an addition after each block, averaged over the sequences.

    Every token but the first gets the same addition. Row `i` is the gradient after block `i`.
    """
    total = torch.zeros(model.n_layers, model.identity.hidden_size)
    done = 0
    for indices in batches([len(sequence) for sequence in sequences], _BATCH):
        progress(stage, done, len(sequences))
        total += _batch_gradient(model, [sequences[index] for index in indices], indices, objective, keep_logits)
        done += len(indices)
    progress(stage, done, len(sequences))
    return total / len(sequences)


def reply_gradient(
    model: ModelWrapper, rollouts: Sequence[Rollout], *, progress: Progress = silent, stage: str = "gradient"
) -> Float[Tensor, "layer hidden"]:
    """Return the gradient of the replies' mean log-probability per token, after the bare question.

    The system prompt that asked for such replies is left out. The unit is nats a token per unit of the stream.
    """
    prompts = [model.encode(question_messages(rollout.messages[-1]["content"])) for rollout in rollouts]
    replies = [rollout.token_ids[rollout.response_start :] for rollout in rollouts]

    def likelihood(log_probs: Float[Tensor, "row token vocab"], indices: Sequence[int]) -> Tensor:
        return torch.stack([_mean(log_probs[row], replies[index]) for row, index in enumerate(indices)]).sum()

    sequences = [[*prompt, *reply] for prompt, reply in zip(prompts, replies, strict=True)]
    longest = max(len(reply) for reply in replies)
    return displacement_gradient(model, sequences, likelihood, longest + 1, progress=progress, stage=stage)


def _mean(log_probs: Float[Tensor, "token vocab"], reply: Sequence[int]) -> Tensor:
    tokens = torch.tensor(list(reply), device=log_probs.device)
    return log_probs[-len(reply) - 1 : -1].gather(-1, tokens[:, None]).mean()


def _batch_gradient(
    model: ModelWrapper, sequences: Sequence[Sequence[int]], indices: Sequence[int], objective: Objective, keep: int
) -> Float[Tensor, "layer hidden"]:
    ids, mask = model.pad(sequences)
    steered = steered_tokens(mask)
    leaves = torch.zeros(model.n_layers, model.identity.hidden_size, device=model.device, requires_grad=True)
    moved = {layer: Displacement(leaves[layer], steered) for layer in range(model.n_layers)}
    logits = model.forward(ids, mask=mask, armed=moved, keep_logits=keep, differentiable=True)
    with torch.enable_grad():
        objective(torch.log_softmax(logits.float(), -1), indices).backward()  # type: ignore[no-untyped-call]
    assert leaves.grad is not None
    return leaves.grad.cpu()

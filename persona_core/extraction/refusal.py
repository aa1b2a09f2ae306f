"""Refusal: measures how likely a reply begins by refusing rather than complying, and tells whether a reply refuses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from persona_core.model.batching import Batch
from persona_core.model.decoding import Row, arm_rows
from persona_core.model.guidance import mixed
from persona_core.model.padding import batches
from persona_core.model.wrapper import ModelWrapper
from persona_core.personas.dataset import SafetyDataset
from persona_core.steering.layer import arm
from persona_core.steering.plan import SteeringPlan

_BATCH = 8


@dataclass(frozen=True)
class Starts:
    """Beginnings of replies that refuse and of replies that comply, as tokens."""

    refusing: tuple[tuple[int, ...], ...]
    complying: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, model: ModelWrapper, refusing: Sequence[str], complying: Sequence[str]) -> Starts:
        """Return the starts as this model's tokens."""
        return cls(*(tuple(map(tuple, _tokens(model, side))) for side in (refusing, complying)))


def dataset_starts(model: ModelWrapper, data: SafetyDataset) -> Starts:
    """Return the starts of a safety dataset as this model's tokens."""
    return Starts.of(model, data.refusing_starts, data.complying_starts)


def refusing_odds(
    model: ModelWrapper, prompts: Sequence[Sequence[int]], plans: Sequence[SteeringPlan], starts: Starts
) -> Float[Tensor, "prompt"]:
    """Return `log P(any refusing start) - log P(any complying start)` after each prompt under its plan, in nats.

    A start's probability is that of all its tokens; the sum treats starts as exclusive. Under a guided plan implausible
    starts count too, so that the odds stay finite.
    """
    odds = torch.zeros(len(prompts))
    for indices in batches([len(prompt) for prompt in prompts], _BATCH):
        rows = [Row(prompts[index], plans[index]) for index in indices]
        log_probs = _start_log_probs(model, rows, [*starts.refusing, *starts.complying])
        refuse, comply = log_probs[:, : len(starts.refusing)], log_probs[:, len(starts.refusing) :]
        odds[indices] = (refuse.logsumexp(1) - comply.logsumexp(1)).cpu()
    return odds


def first_token_odds(log_probs: Float[Tensor, "row vocab"], starts: Starts) -> Float[Tensor, "row"]:
    """Return the odds by the starts' first tokens alone; a first token of both sides counts as refusing."""
    refusing = sorted({start[0] for start in starts.refusing})
    complying = sorted({start[0] for start in starts.complying} - set(refusing))
    return log_probs[:, refusing].logsumexp(-1) - log_probs[:, complying].logsumexp(-1)


def refuses(text: str, marks: Sequence[str]) -> bool:
    """Return whether a reply contains a mark of refusal in its first 120 characters; marks are in lower case."""
    start = text.lower().replace("’", "'")[:120]
    return any(mark in start for mark in marks)


def _start_log_probs(
    model: ModelWrapper, rows: Sequence[Row], starts: Sequence[Sequence[int]]
) -> Float[Tensor, "row start"]:
    """Run each lane of each prompt once, then every start on the prompt's key-value cache."""
    prompts = [row.prompt for row in rows for _ in row.plan.lanes]
    batch = Batch.at_start(*model.pad(prompts), model.new_cache())
    logits = batch.run(model, arm_rows(model, rows))[:, -1]
    after_prompt = _log_probs(logits, rows)
    first = after_prompt[:, [start[0] for start in starts]]
    return first + _later_log_probs(model, rows, starts, batch)


def _later_log_probs(
    model: ModelWrapper,
    rows: Sequence[Row],
    starts: Sequence[Sequence[int]],
    batch: Batch,
) -> Float[Tensor, "row start"]:
    """Return the summed log-probability of each start's tokens after its first; starts are padded on the right."""
    width = max(len(start) for start in starts)
    ids = torch.zeros(len(starts), width, dtype=torch.long)
    counted = torch.zeros(len(starts), width, dtype=torch.bool)
    for index, start in enumerate(starts):
        ids[index, : len(start)] = torch.tensor(list(start))
        counted[index, 1 : len(start)] = True
    n_lanes = len(batch.ids)
    ids, counted = (table.to(model.device) for table in (ids, counted))
    batch.cache.batch_repeat_interleave(len(starts))
    prompts = batch.mask.repeat_interleave(len(starts), 0)
    tokens = ids.repeat(n_lanes, 1)[:, :-1]
    mask = torch.cat([prompts, torch.ones_like(tokens, dtype=torch.bool)], 1)
    armed = arm([lane for row in rows for lane in row.plan.lanes for _ in starts], model.device)
    logits = model.forward(tokens, mask=mask, cache=batch.cache, armed=armed, keep_logits=width - 1)
    log_probs = _log_probs(logits.view(n_lanes, len(starts), width - 1, -1), rows)
    later = log_probs.gather(-1, ids[None, :, 1:, None].expand(len(rows), -1, -1, -1))[..., 0]
    return (later * counted[:, 1:]).sum(-1)


def _log_probs(logits: Float[Tensor, "lanes *rest vocab"], rows: Sequence[Row]) -> Float[Tensor, "row *rest vocab"]:
    """Return the log-probabilities of each row from the logits of its lanes."""
    return torch.log_softmax(mixed(logits, [row.plan for row in rows], plausible_only=False).float(), -1)


def _tokens(model: ModelWrapper, texts: Sequence[str]) -> list[list[int]]:
    return [model.tokenizer.encode(text, add_special_tokens=False) for text in texts]

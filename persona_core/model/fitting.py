"""Fitting: optimises an addition to the stream until the steered model predicts what it is taught, token by token.

The gradient of `gradient` is the first step of this. It is the cheapest step and not the best place to stop.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from persona_core.base.progress import Progress, silent
from persona_core.model.batching import steered_tokens
from persona_core.model.gradient import Displacement
from persona_core.model.wrapper import ModelWrapper
from persona_core.vectors.maths import orthogonalise

_FIRST_RATE, _LAST_RATE = 0.16, 0.01
_DECAYS = (0.9, 0.95)


@dataclass(frozen=True)
class Lesson:
    """A prompt, a reply to it, and what shall be predicted at each of the reply's tokens.

    `target` holds log-probabilities of the tokens `choices`, which are all that the target allows.
    """

    prompt: tuple[int, ...]
    reply: tuple[int, ...]
    choices: Int[Tensor, "token choice"]
    target: Float[Tensor, "token choice"]

    def loss(self, predicted: Float[Tensor, "token vocab"]) -> Tensor:
        """Return the KL from the target to the prediction, in nats, summed over the reply's tokens."""
        missing = self.target - predicted.gather(-1, self.choices)
        return (self.target.exp() * torch.where(self.target > -torch.inf, missing, 0)).sum()


@dataclass
class DisplacementFit:
    """Finds the addition at some layers that teaches the model its lessons; the weights stay as they are.

    `unit_length[i]` is the length, in units of the stream, from which the search at layer `i` starts to count: one
    step changes a component by up to a sixth of its share. `away_from` holds directions that the addition never has a
    part along.
    """

    model: ModelWrapper
    layers: Sequence[int]
    unit_length: Float[Tensor, "layer"]
    away_from: Float[Tensor, "layer hidden"] | None = None
    progress: Progress = silent
    stage: str = "fit"

    def __post_init__(self) -> None:
        model, self.layers = self.model, list(self.layers)
        size = model.identity.hidden_size
        scale = self.unit_length[self.layers, None] / math.sqrt(size)
        self._scale = scale.to(model.device)
        self._away = None if self.away_from is None else self.away_from[self.layers].to(model.device)
        self._steps = torch.zeros(len(self.layers), size, device=model.device, requires_grad=True)

    def run(self, batches: Sequence[Sequence[Lesson]]) -> Float[Tensor, "layer hidden"]:
        """Take one step of Adam (arXiv 1412.6980) a batch, and return the addition; zero outside the layers."""
        adam = torch.optim.Adam([self._steps], betas=_DECAYS)
        for done, lessons in enumerate(batches):
            self.progress(self.stage, done, len(batches))
            for group in adam.param_groups:
                group["lr"] = _FIRST_RATE + (_LAST_RATE - _FIRST_RATE) * done / len(batches)
            self._backward(lessons)
            adam.step()
            adam.zero_grad()
        self.progress(self.stage, len(batches), len(batches))
        whole = torch.zeros(self.model.n_layers, self.model.identity.hidden_size)
        whole[self.layers] = self._addition().detach().cpu()
        return whole

    def _addition(self) -> Float[Tensor, "chosen hidden"]:
        addition: Tensor = self._steps * self._scale
        return addition if self._away is None else orthogonalise(addition, self._away)

    def _backward(self, lessons: Sequence[Lesson]) -> None:
        """Add the gradient of the lessons' mean loss per token to the leaf's."""
        ids, mask = self.model.pad([[*lesson.prompt, *lesson.reply] for lesson in lessons])
        steered, longest = steered_tokens(mask), max(len(lesson.reply) for lesson in lessons)
        with torch.enable_grad():
            addition = self._addition()
            moved = {layer: Displacement(row, steered) for layer, row in zip(self.layers, addition, strict=True)}
            logits = self.model.forward(ids, mask=mask, armed=moved, keep_logits=longest + 1, differentiable=True)
            losses = [
                lesson.loss(torch.log_softmax(row[-len(lesson.reply) - 1 : -1].float(), -1))
                for lesson, row in zip(lessons, logits, strict=True)
            ]
            total = torch.stack(losses).sum() / sum(len(lesson.reply) for lesson in lessons)
            total.backward()  # type: ignore[no-untyped-call]

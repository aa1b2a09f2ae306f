"""Diagnosis: tries on a user's own machine and model what is promised of every model, on a few tokens.

The plan that it steers with is made here, of a random direction and a floor that lifts half of the tokens, so that it
needs no vector.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from persona_core.base.findings import Finding
from persona_core.base.messages import question_messages
from persona_core.errors import PersonaError
from persona_core.model.decoding import Row, Sampling, generate_tokens
from persona_core.model.steps import KeptCache
from persona_core.model.wrapper import ModelWrapper
from persona_core.steering.plan import UNSTEERED, AddDirection, ClampProjection, SteeringPlan
from persona_core.vectors.maths import unit

QUESTION, OTHER = "What is fire?", "Name a colour of the sea, and say in one sentence why it has that colour."
N_TOKENS = 6
_GREEDY = Sampling(N_TOKENS, 0.0, 1.0)
_SEED = 11
_LENGTH = 0.1
"""The length of the addition, as a share of the stream's own."""


@dataclass(frozen=True)
class Diagnosis:
    """The checks of one loaded model. Each returns nothing where it passes, and what it saw where it does not."""

    model: ModelWrapper

    def findings(self) -> Iterator[Finding]:
        """Run every check, one after the other."""
        plan = self._plan()
        checks: Mapping[str, Callable[[], str]] = {
            "unsteered replies are transformers' own": lambda: self._differs(UNSTEERED, self._transformers()),
            "steering is what plain hooks do": lambda: self._differs(plan, self._with_hooks(plan)),
            "the floor holds at the next block": lambda: self._below(plan),
            "a later reply is as in a new chat": lambda: self._later(plan),
            "a row of a batch is as alone": lambda: self._batch(plan),
        }
        for name, check in checks.items():
            try:
                problem = check()
            except PersonaError as error:
                problem = str(error)
            yield Finding(name, not problem, problem or "yes", _ADVICE if problem else "")

    @property
    def _prompt(self) -> list[int]:
        return self.model.encode(question_messages(QUESTION))

    def _plan(self) -> SteeringPlan:
        """Return an addition at the first target layer, and floors that lift half of the tokens where one is held."""
        model, where = self.model, self.model.target_layers[0]
        chance = torch.Generator().manual_seed(_SEED)
        directions = torch.randn(model.n_layers, model.identity.hidden_size, generator=chance)
        ids, mask = model.pad([self._prompt])
        streams = model.capture(ids, mask, lambda _, hidden: hidden[0].float().cpu(), range(model.n_layers))
        length = _LENGTH * float(streams[where][1:].norm(dim=-1).median())
        lows = {layer: float((streams[layer][1:] @ unit(directions[layer])).median()) for layer in model.capping_layers}
        return SteeringPlan(
            (AddDirection(where, length * unit(directions[where])),),
            tuple(ClampProjection(layer, unit(directions[layer]), low) for layer, low in lows.items()),
        )

    def _tokens(self, rows: Sequence[Row], kept: KeptCache | None = None) -> list[list[int]]:
        for _ in generate_tokens(self.model, rows, _GREEDY, kept=kept):
            pass
        return [row.tokens for row in rows]

    def _differs(self, plan: SteeringPlan, theirs: Sequence[int]) -> str:
        return difference(self._tokens([Row(self._prompt, plan, 0)])[0], theirs)

    def _transformers(self) -> list[int]:
        """Return greedy tokens of transformers' own loop."""
        model, ids = self.model, torch.tensor([self._prompt], device=self.model.device)
        with torch.inference_mode():
            whole = model._model.generate(
                input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=N_TOKENS, do_sample=False,
                pad_token_id=model.tokenizer.pad_token_id or 0, eos_token_id=sorted(model.end_tokens), streamer=None,
            )  # fmt: skip
        return [int(token) for token in whole[0, ids.shape[1] :]]

    def _with_hooks(self, plan: SteeringPlan) -> list[int]:
        """Return greedy tokens of transformers' own loop with a plain PyTorch hook behind every steered block."""
        hooks = {layer: _steering_hook(plan.by_layer(layer)) for layer in plan.layers}
        with self._hooked(hooks):
            return self._transformers()

    def _below(self, plan: SteeringPlan) -> str:
        """Return how many tokens get below a floor at the input of the block behind it."""
        bounds = {clamp.layer: clamp for clamp in plan.clamps if clamp.layer + 1 < self.model.n_layers}
        seen: dict[int, list[Tensor]] = {layer: [] for layer in bounds}

        def reader(layer: int) -> Callable[..., None]:
            return lambda _, args, kwargs: seen[layer].append(_stream(args, kwargs)[0].detach().float().cpu())

        blocks = self._blocks()
        handles = [blocks[layer + 1].register_forward_pre_hook(reader(layer), with_kwargs=True) for layer in bounds]
        try:
            self._tokens([Row(self._prompt, plan, 0)])
        finally:
            for handle in handles:
                handle.remove()
        below = sum(int((torch.cat(seen[layer])[1:] @ clamp.unit_direction < clamp.low - 1e-5 * abs(clamp.low)).sum())
                    for layer, clamp in bounds.items())  # fmt: skip
        return f"{below} tokens are below it" if below else ""

    def _later(self, plan: SteeringPlan) -> str:
        """Return how a reply after a kept cache differs from one without."""
        kept = KeptCache([], self.model.new_cache())
        first = Row(self._prompt, plan, 0)
        self._tokens([first], kept)
        after = [*kept.tokens, *self.model.encode(question_messages(OTHER))]
        with_cache, without = Row(after, plan, 0), Row(after, plan, 0)
        return difference(self._tokens([with_cache], kept)[0], self._tokens([without])[0])

    def _batch(self, plan: SteeringPlan) -> str:
        """Return how rows of one batch differ from rows alone."""
        asked = [(self._prompt, plan), (self.model.encode(question_messages(OTHER)), UNSTEERED)]
        together = self._tokens([Row(*row) for row in asked])
        alone = [self._tokens([Row(*row)])[0] for row in asked]
        return next(filter(None, map(difference, together, alone)), "")

    def _blocks(self) -> Any:
        return self.model._model.get_submodule(self.model._layers_path)

    @contextmanager
    def _hooked(self, hooks: Mapping[int, Callable[..., Any]]) -> Iterator[None]:
        handles = [self._blocks()[layer].register_forward_hook(hook) for layer, hook in hooks.items()]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


_ADVICE = "send `persona-steer doctor --json` with a report of this; until it is mended do not rely on what is steered"


def difference(ours: Sequence[int], theirs: Sequence[int]) -> str:
    """Return where two replies part, or nothing."""
    if list(ours) == list(theirs):
        return ""
    place = next((index for index, pair in enumerate(zip(ours, theirs, strict=False)) if pair[0] != pair[1]), len(ours))
    return f"token {place + 1} of {len(theirs)} differs"


def _stream(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Tensor:
    stream: Tensor = args[0] if args else kwargs["hidden_states"]
    return stream


def _steering_hook(plan: SteeringPlan) -> Callable[..., Any]:
    """Return a hook that does one layer's part of a plan as its definition says, without the product's own code."""

    def hook(_: Any, __: Any, output: Any) -> Any:
        hidden = output[0] if isinstance(output, tuple) else output
        kept = torch.ones(hidden.shape[1], dtype=torch.bool, device=hidden.device)
        kept[0] = hidden.shape[1] == 1
        steered = torch.where(kept[None, :, None], _steered(hidden.float(), plan, hidden.dtype), hidden.float())
        return (steered.to(hidden.dtype), *output[1:]) if isinstance(output, tuple) else steered.to(hidden.dtype)

    return hook


def _steered(hidden: Float[Tensor, "1 token hidden"], plan: SteeringPlan, dtype: torch.dtype) -> Tensor:
    for addition in plan.additions:
        hidden = hidden + addition.direction.to(hidden.device)
    for clamp in plan.clamps:
        direction = clamp.unit_direction.to(hidden.device)
        lift = (clamp.low - (hidden * direction).sum(-1, keepdim=True)).clamp_min(0)
        margin = 1.5 * torch.finfo(dtype).eps * (hidden * direction).norm(dim=-1, keepdim=True)
        hidden = hidden + torch.where(lift > 0, lift + margin, lift) * direction
    return hidden

"""Steering options: the options that `generate` and `chat` share, read into one object."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import update_wrapper
from typing import TYPE_CHECKING, Any

import click

from persona_core.personas.manager import PersonaManager
from persona_core.personas.prompting import Prompting, persona_prompt, steered
from persona_core.settings.config import LEAST_GUIDANCE, MOST_GUIDANCE, SAFETY, STRONGEST, Config
from persona_core.steering.blending import parse_blend

if TYPE_CHECKING:
    from persona_core.base.messages import Message
    from persona_core.engine.request import SteeringRequest
    from persona_core.model.decoding import Sampling


@dataclass
class SteeringOptions:
    """The values of the options; None stands for the configured value."""

    persona: str | None
    blend: str | None
    strength: float | None
    safety: str | None
    guidance: float | None
    max_new_tokens: int | None
    temperature: float | None
    top_p: float | None
    seed: int
    system: str
    with_prompt: bool
    prompt_only: bool

    def personas(self) -> dict[str, float]:
        """Return persona -> weight; raise `click.UsageError` where a persona and a blend are given."""
        if self.persona is not None and self.blend is not None:
            raise click.UsageError("give --persona or --blend, not both")
        if self.blend is not None:
            return parse_blend(self.blend)
        return {} if self.persona is None or self.persona == "none" else {self.persona: 1.0}

    def request(self, config: Config, personas: Mapping[str, float]) -> SteeringRequest:
        """Return the request for these personas: none of them with --prompt-only."""
        from persona_core.engine.request import as_request

        safety = None if self.safety is None else SAFETY[self.safety]
        speaker = steered(personas, self.prompting())
        return as_request(speaker, config.steering, self.strength, safety, self.guidance)

    def sampling(self, config: Config) -> Sampling:
        """Return how to sample: the configured values, replaced by those that are given."""
        from persona_core.model.decoding import Sampling

        configured = config.generation
        return Sampling(
            configured.max_new_tokens if self.max_new_tokens is None else self.max_new_tokens,
            configured.temperature if self.temperature is None else self.temperature,
            configured.top_p if self.top_p is None else self.top_p,
        )

    def prompting(self) -> Prompting:
        """Return how the persona's own system prompt is used; raise `click.UsageError` where two ways are given."""
        if self.with_prompt and self.prompt_only:
            raise click.UsageError("give --with-prompt or --prompt-only, not both")
        return "with" if self.with_prompt else "only" if self.prompt_only else "off"

    def messages(self, manager: PersonaManager, text: str, personas: Mapping[str, float]) -> list[Message]:
        """Return what the model reads: the persona's system prompt if it is asked for, the user's, and the text."""
        from persona_core.chat.conversation import Conversation

        return Conversation(self.system).messages(text, persona_prompt(manager, personas, self.prompting()))

    def check(self, manager: PersonaManager) -> None:
        """Raise, before the model is loaded, for a persona that is not extracted or has no system prompt to give."""
        persona_prompt(manager, self.personas(), self.prompting())
        for name in self.personas():
            manager.require(name)


class _Number(click.FloatRange):
    """A range of numbers that refuses `nan`."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number."""
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{number} is not in the range {self._describe_range()}.", param, ctx)
        return number


class _Count(click.IntRange):
    """A range of whole numbers."""

    name = "integer"


_OPTIONS = (
    click.option("--persona", help="A persona's name, or none."),
    click.option("--blend", help="Several personas with weights: sage:0.5,trickster:0.3."),
    click.option("--strength", type=_Number(0, int(STRONGEST)), help=f"0.0-{STRONGEST}; 1.0 is the calibrated dose."),
    click.option(
        "--safety",
        type=click.Choice(list(SAFETY)),
        help="Hold the safety floor: on (while a persona is steered), always (also unsteered) or off.",
    ),
    click.option(
        "--guidance",
        type=_Number(0, int(MOST_GUIDANCE)),
        help=f"How far guided decoding follows the persona: {LEAST_GUIDANCE}-{MOST_GUIDANCE}; 0 decodes directly.",
    ),
    click.option("--max-new-tokens", type=_Count(1, 32768), help="Longest reply, in tokens."),
    click.option("--temperature", type=_Number(0, 2), help="0 is greedy."),
    click.option("--top-p", type=_Number(0, 1, min_open=True), help="Nucleus sampling."),
    click.option("--seed", type=_Count(0), default=0, show_default=True, help="Of the sampling."),
    click.option("--system", default="", help="A system prompt of your own."),
    click.option("--with-prompt", is_flag=True, help="Give the model the persona's own system prompt beside steering."),
    click.option("--prompt-only", is_flag=True, help="Give it the persona's system prompt, and do not steer."),
)


def steering_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options, handed to the command as one `options` argument."""
    names = SteeringOptions.__dataclass_fields__

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        options = SteeringOptions(**{name: kwargs.pop(name) for name in names})
        return function(*args, options=options, **kwargs)

    result: Callable[..., Any] = update_wrapper(wrapped, function)
    for option in reversed(_OPTIONS):
        result = option(result)
    return result

"""Personas as models of llm: every persona, the untouched model and blends, with their options."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click
import llm
from llm.parts import StreamEvent
from pydantic import Field

from llm_persona_steer import serving
from llm_persona_steer.conversation import history, measured, n_replies, said
from persona_core import parse_blend
from persona_core.errors import PersonaError, SteeringError

if TYPE_CHECKING:
    from persona_core import PersonaManager, ReplyStream, Sampling, SteeringRequest

PREFIX = "persona/"
RESERVED = ("none", "blend")


class SamplingOptions(llm.Options):
    """How tokens are picked; what is not given is as the workspace's configuration says.

    None stands for all that is not given: llm puts the defaults that it keeps for a model in the place of nothing else.
    """

    temperature: float | None = Field(None, description="0.0-2.0; 0 is greedy")
    top_p: float | None = Field(None, description="sample from the likeliest tokens of this total probability")
    max_new_tokens: int | None = Field(None, description="longest reply, in tokens")
    seed: int | None = Field(None, ge=0, lt=2**63, description="0 and up; each turn of a conversation has its own")


class SteeringOptions(SamplingOptions):
    """How strongly a persona speaks, and whether the floor is held."""

    strength: float | None = Field(None, description="0.0-2.0; 1.0 is the calibrated dose")
    guidance: float | None = Field(None, description="1.0-10.0: how far the persona is followed; 0 decodes directly")
    unsafe: bool | None = Field(None, description="true does not hold the safety floor")


class BlendOptions(SteeringOptions):
    """A blend also has its parts."""

    blend: str | None = Field(None, description="personas with weights: sage:0.5,trickster:0.3")


class PersonaFailure(llm.ModelError, click.ClickException):
    """An error in one line: `llm chat` prints only click's exceptions as such."""


class UnsteeredModel(llm.Model):
    """The model as it is: `persona/none`."""

    can_stream = True
    Options = SamplingOptions  # type: ignore[assignment]  # llm has a nested class here

    def __init__(self, name: str, label: str) -> None:
        self.model_id = f"{PREFIX}{name}"
        self.name = name
        self.label = label

    def __str__(self) -> str:
        return f"{self.label}: {self.model_id}"

    def execute(
        self, prompt: llm.Prompt, stream: bool, response: llm.Response, conversation: llm.Conversation | None
    ) -> Iterator[str | StreamEvent]:
        """Yield the reply piece by piece; the response's JSON is the receipt."""
        with _failures(), serving.one_reply():
            reply = self._stream(prompt)
            yield from reply
            receipt = reply.reply.receipt
            response.response_json = receipt.model_dump(mode="json")
            response.set_usage(input=receipt.prompt_tokens, output=receipt.reply_tokens)
            response.set_resolved_model(receipt.model)
            yield StreamEvent("text", "", provider_metadata=measured(receipt))

    def steering(self, options: SamplingOptions, manager: PersonaManager) -> SteeringRequest:
        """Return what is asked for; raise where it cannot be. `steering.safety: always` holds the floor here too."""
        from persona_core import SteeringRequest

        return SteeringRequest({}, 0.0, manager.config.steering.safety)

    def _stream(self, prompt: llm.Prompt) -> ReplyStream:
        manager, options, messages = serving.manager(), prompt.options, prompt.messages
        assert isinstance(options, SamplingOptions)
        request, sampling = self.steering(options, manager), _sampling(options, manager)
        for name in request.personas:
            manager.require(name)
        return serving.engine(manager).stream(
            said(messages),
            request,
            sampling=sampling,
            seed=(options.seed or 0) + n_replies(messages),
            history=history(messages),
        )


class PersonaModel(UnsteeredModel):
    """One persona: `persona/NAME`."""

    Options = SteeringOptions

    def steering(self, options: SamplingOptions, manager: PersonaManager) -> SteeringRequest:
        """Return the persona at the strength of the options, with the floor unless they say `unsafe`."""
        from persona_core import as_request

        assert isinstance(options, SteeringOptions)
        configured = manager.config.steering
        held = False if options.unsafe else configured.safety or True
        return as_request(self.personas(options), configured, options.strength, held, options.guidance)

    def personas(self, options: SteeringOptions) -> dict[str, float]:
        """Return persona -> weight."""
        return {self.name: 1.0}


class BlendModel(PersonaModel):
    """Several personas at once: `persona/blend`."""

    Options = BlendOptions

    def personas(self, options: SteeringOptions) -> dict[str, float]:
        """Return persona -> weight; raise where the option is missing."""
        assert isinstance(options, BlendOptions)
        if options.blend is None:
            raise SteeringError("a blend needs its parts: -o blend sage:0.5,trickster:0.3")
        return parse_blend(options.blend)


def models() -> list[UnsteeredModel]:
    """Return the untouched model, blends, and every persona; also those whose vector has yet to be extracted."""
    manager = serving.manager()
    entries = [entry for entry in manager.entries() if entry.name not in RESERVED]
    labels = {entry.name: "" if entry.header else ", not extracted" for entry in entries}
    personas = [PersonaModel(name, f"persona-steer ({manager.slug}{label})") for name, label in labels.items()]
    label = f"persona-steer ({manager.slug})"
    return [UnsteeredModel("none", label), BlendModel("blend", label), *personas]


def _sampling(options: SamplingOptions, manager: PersonaManager) -> Sampling:
    from persona_core import Sampling

    configured = manager.config.generation
    return Sampling(
        configured.max_new_tokens if options.max_new_tokens is None else options.max_new_tokens,
        configured.temperature if options.temperature is None else options.temperature,
        configured.top_p if options.top_p is None else options.top_p,
    )


@contextmanager
def _failures() -> Iterator[None]:
    """Turn what this project raises on purpose into llm's error, with the same words."""
    try:
        yield
    except PersonaError as error:
        raise PersonaFailure(str(error)) from error

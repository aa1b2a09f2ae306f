"""Requests: turns what Inspect asks for into what the engine takes; raises for anything that cannot be served."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from inspect_ai.model import ChatMessage, GenerateConfig
from inspect_ai.tool import ToolInfo

from persona_core import GenerationSettings, Message, Sampling, SteeringRequest
from persona_core.errors import PromptError, SteeringError
from persona_inspect.settings import LARGEST_SEED

MEASURED = "persona-steer"
"""The key of what a reply's message carries: axis -> mean projection."""
SERVED = frozenset({"max_tokens", "temperature", "top_p", "seed", "num_choices"})
INSPECTS_OWN = frozenset(
    {
        "max_retries", "timeout", "attempt_timeout", "stream_idle_timeout", "max_connections", "adaptive_connections",
        "system_message", "max_tool_output", "parallel_tool_calls", "internal_tools", "cache", "cache_prompt",
        "fail_on_refusal", "reasoning_history",
    }
)  # fmt: skip
"""Options that Inspect itself carries out, and those that say how tools, streams or a server's own cache are used."""


@dataclass(frozen=True)
class Request:
    """One reply that is asked for; `history` is what a capping policy is shown of the replies before it."""

    messages: Sequence[Message]
    steering: SteeringRequest
    sampling: Sampling
    seed: int
    history: Sequence[Mapping[str, float]] = ()

    @property
    def kind(self) -> tuple[float, bool | Literal["always"], Sampling, bool]:
        """What all rows of a batch have in common."""
        return self.steering.strength, self.steering.safety, self.sampling, bool(self.history)


def check_config(config: GenerateConfig) -> None:
    """Raise `SteeringError` for an option that is set and cannot be served."""
    given = {name for name, value in config.model_dump(exclude_none=True).items() if value not in (False, [], {})}
    other = sorted(given - SERVED - INSPECTS_OWN)
    if other:
        raise SteeringError(
            f"generate options that a steered model does not serve: {', '.join(other)}; "
            f"it serves {', '.join(sorted(SERVED))}"
        )
    n_choices, seed = config.num_choices, config.seed
    if n_choices is not None and n_choices < 1:
        raise SteeringError(f"num_choices is {n_choices}: use 1 or more")
    if seed is not None and not 0 <= seed <= LARGEST_SEED:
        raise SteeringError(f"seed is {seed}: use 0-{LARGEST_SEED}")


def sampling_of(config: GenerateConfig, configured: GenerationSettings) -> Sampling:
    """Return how tokens are picked; what Inspect leaves open is as configured."""
    return Sampling(
        configured.max_new_tokens if config.max_tokens is None else config.max_tokens,
        configured.temperature if config.temperature is None else config.temperature,
        configured.top_p if config.top_p is None else config.top_p,
    )


def refuse_tools(tools: Sequence[ToolInfo]) -> None:
    """Raise `PromptError` where the model is given tools."""
    if tools:
        names = ", ".join(tool.name for tool in tools)
        raise PromptError(f"a steered model calls no tools, and was given {names}; use a solver without tools")


def messages_of(chat: Sequence[ChatMessage]) -> list[Message]:
    """Return a conversation that ends with the user; raise `PromptError` for anything that is no text."""
    if not chat or chat[-1].role != "user":
        last = chat[-1].role if chat else "nobody"
        raise PromptError(f"the conversation ends with {last}: a steered model answers the user alone")
    return [{"role": message.role, "content": _text(message)} for message in chat]


def history_of(chat: Sequence[ChatMessage]) -> list[Mapping[str, float]]:
    """Return what was measured in earlier replies of ours: one mapping a reply, oldest first."""
    carried = [message.metadata or {} for message in chat if message.role == "assistant"]
    return [metadata[MEASURED] for metadata in carried if MEASURED in metadata]


def _text(message: ChatMessage) -> str:
    if message.role == "tool" or getattr(message, "tool_calls", None):
        raise PromptError("the conversation holds a tool call: a steered model calls no tools")
    kinds = {part.type for part in message.content_list} - {"text"}
    if kinds:
        raise PromptError(f"a steered model reads text alone, and this message holds {', '.join(sorted(kinds))}")
    return message.text

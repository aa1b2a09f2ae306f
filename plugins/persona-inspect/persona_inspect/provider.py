"""PersonaAPI: shows a steered model to Inspect as one of its models."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from inspect_ai._util.error import PrerequisiteError
from inspect_ai.model import (
    ChatCompletionChoice,
    ChatMessage,
    ChatMessageAssistant,
    GenerateConfig,
    ModelAPI,
    ModelOutput,
    ModelUsage,
    StopReason,
)
from inspect_ai.tool import ToolChoice, ToolInfo
from rich.markup import escape

from persona_core import PercentileFloor, PersonaManager, Reply
from persona_core.errors import ConfigError, PersonaError
from persona_inspect.batching import Batcher
from persona_inspect.requests import (
    MEASURED,
    Request,
    check_config,
    history_of,
    messages_of,
    refuse_tools,
    sampling_of,
)
from persona_inspect.settings import Settings, engine_of, personas_of, read_settings

STOP_REASONS: dict[str, StopReason] = {"end": "stop", "length": "max_tokens", "context": "model_length"}
_MARK = "persona-steer:"


class PersonaAPI(ModelAPI):
    """A model of persona-steer, steered as its `-M` settings say, which are checked when it is made."""

    def __init__(
        self,
        model_name: str,
        base_url: str | None = None,
        api_key: str | None = None,
        config: GenerateConfig = GenerateConfig(),  # noqa: B008
        **arguments: Any,
    ) -> None:
        super().__init__(model_name, base_url, api_key, [], config)
        with _plain_errors():
            _check_address(base_url)
            check_config(config)
            manager = personas_of(model_name)
            self.settings = _settings(arguments, manager)
            self.engine = engine_of(manager)
            # Inspect tells cached outputs apart by the address and not by -M.
            self.base_url = self._address()

    async def generate(
        self, input: list[ChatMessage], tools: list[ToolInfo], tool_choice: ToolChoice, config: GenerateConfig
    ) -> ModelOutput:
        """Return the reply, or `num_choices` of them; raise a `PersonaError` for what cannot be served."""
        refuse_tools(tools)
        check_config(config)
        sampling = sampling_of(config, self.engine.config.generation)
        seed = self.settings.seed if config.seed is None else config.seed
        batcher = Batcher.of(self.engine)
        request = Request(messages_of(input), self.settings.steering, sampling, seed, self._history(input))
        requests = [batcher.seeded(request) for _ in range(config.num_choices or 1)]
        replies = await batcher.replies(requests, self.settings.max_batch)
        return _output(self.model_name, replies, asdict(sampling))

    def max_tokens(self) -> int:
        """Return the configured length of a reply, which holds where a task sets none."""
        return self.engine.config.generation.max_new_tokens

    def max_connections(self) -> int:
        """Return how many requests may wait at a time: a batch."""
        return self.settings.max_batch

    def collapse_user_messages(self) -> bool:
        """Join consecutive messages of the user: many chat templates want turns to alternate."""
        return True

    def _history(self, chat: Sequence[ChatMessage]) -> list[Mapping[str, float]]:
        """Return what the capping policy reads of a conversation; the built-in one reads nothing, and is batched."""
        return [] if self.engine.config.steering.capping_policy == PercentileFloor().name else history_of(chat)

    def _address(self) -> str:
        """Return a text that differs wherever replies to the same request may: weights, plan, seed or sampling."""
        plan = self.engine.plan(self.settings.steering)
        identity, sampling = self.engine.model.identity, self.engine.sampling()
        parts = (identity.fingerprint, identity.template_hash, plan.digest(), self.settings.seed, sampling)
        return _MARK + hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _check_address(base_url: str | None) -> None:
    # Inspect hands a logged address back when it runs an evaluation again.
    if base_url is not None and not base_url.startswith(_MARK):
        raise ConfigError(f"the model runs in this process, and has no address such as {base_url}; leave it out")


def _settings(arguments: dict[str, Any], manager: PersonaManager) -> Settings:
    settings = read_settings(arguments, manager.config)
    for name in settings.steering.personas:
        manager.require(name)
    return settings


def _output(model: str, replies: Sequence[Reply], sampling: dict[str, Any]) -> ModelOutput:
    receipts = [reply.receipt for reply in replies]
    read, said = receipts[0].prompt_tokens, sum(receipt.reply_tokens for receipt in receipts)
    return ModelOutput(
        model=model,
        choices=[_choice(model, reply) for reply in replies],
        usage=ModelUsage(input_tokens=read, output_tokens=said, total_tokens=read + said),
        metadata={"receipts": [receipt.model_dump(mode="json") for receipt in receipts], "sampling": sampling},
    )


def _choice(model: str, reply: Reply) -> ChatCompletionChoice:
    read = reply.receipt.assistant_projection
    measured = None if read is None else {MEASURED: {"assistant": read}}
    message = ChatMessageAssistant(content=reply.text, model=model, source="generate", metadata=measured)
    return ChatCompletionChoice(message=message, stop_reason=STOP_REASONS[reply.receipt.finish])


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Turn what this project raises on purpose into the error that Inspect prints without a traceback."""
    try:
        yield
    except PersonaError as error:
        raise PrerequisiteError(f"ERROR: {escape(str(error))}") from error

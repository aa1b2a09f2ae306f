"""SteeringEngine: turns requests and prompts into replies with receipts, streamed or in batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from persona_core.base.messages import Message, question_messages
from persona_core.engine.planning import build_plan
from persona_core.engine.receipt import Receipt, probe_readings, steering_fields
from persona_core.engine.request import Speaker, SteeringRequest, as_request
from persona_core.errors import PromptError
from persona_core.model.batching import common_length
from persona_core.model.decoding import Row, Sampling, arm_rows, generate_tokens, lanes_of
from persona_core.model.steps import KeptCache
from persona_core.model.wrapper import ModelWrapper
from persona_core.personas.manager import PersonaManager
from persona_core.settings.config import Config, Safety
from persona_core.steering.layer import ArmedLayer
from persona_core.steering.plan import SteeringPlan


@dataclass(frozen=True)
class Reply:
    """A reply's text and receipt, and what each probe read of each of its tokens."""

    text: str
    receipt: Receipt
    projections: Mapping[str, Sequence[float]] = field(default_factory=dict)


@dataclass
class ReplyStream:
    """Iterate to get pieces of text. `reply` holds the text and the receipt so far, also after closing early."""

    model: ModelWrapper
    row: Row
    request: SteeringRequest
    sampling: Sampling
    kept: KeptCache
    reused: int
    armed: dict[int, ArmedLayer] = field(init=False)

    def __post_init__(self) -> None:
        self.armed = arm_rows(self.model, [self.row])

    def __iter__(self) -> Iterator[str]:
        shown = ""
        for _ in generate_tokens(self.model, [self.row], self.sampling, armed=self.armed, kept=self.kept):
            text = self._text()
            if text != shown and not text.endswith("\ufffd"):
                yield text[len(shown) :]
                shown = text
        if self._text() != shown:
            yield self._text()[len(shown) :]

    @property
    def unread(self) -> int:
        """How many tokens of the prompt the model reads before it speaks: those that its kept cache does not hold."""
        return len(self.row.prompt) - self.reused

    @property
    def reply(self) -> Reply:
        """The reply so far. Raises `NoEffect` where a persona was asked for and changed nothing."""
        return _reply(self.model, self.row, self.request, self.armed, lanes_of([self.row])[0], self.reused)

    def _text(self) -> str:
        return self.model.decode(self.row.tokens)


class SteeringEngine:
    """Serves one model with the personas of one workspace. Keeps the last conversation's key-value cache."""

    def __init__(self, model: ModelWrapper, manager: PersonaManager | None = None) -> None:
        self.model = model
        self.manager = manager or PersonaManager(model.config)
        self._kept = KeptCache([], None)
        self._kept_plan = ""

    @property
    def config(self) -> Config:
        """The configuration that defaults come from."""
        return self.model.config

    def steering(
        self,
        speaker: Speaker = None,
        strength: float | None = None,
        safety: Safety | None = None,
        guidance: float | None = None,
    ) -> SteeringRequest:
        """Return the request that a name, a written blend, weights or None stand for, with the configured defaults."""
        return as_request(speaker, self.config.steering, strength, safety, guidance)

    def plan(self, request: SteeringRequest, history: Sequence[Mapping[str, float]] = ()) -> SteeringPlan:
        """Return the plan that serves a request; raise an error that says what to do where no plan can."""
        return build_plan(self.model, self.manager, request, history)

    def stream(
        self,
        prompt: str | Sequence[Message],
        persona: Speaker = None,
        *,
        strength: float | None = None,
        safety: Safety | None = None,
        guidance: float | None = None,
        sampling: Sampling | None = None,
        seed: int = 0,
        history: Sequence[Mapping[str, float]] = (),
    ) -> ReplyStream:
        """Return a stream of one reply to a question or a conversation.

        `persona` is a whole `SteeringRequest`, or a name, a blend or weights that `strength`, `safety` and `guidance`
        complete.
        """
        request = self.steering(persona, strength, safety, guidance)
        row = Row(self.model.encode(_messages(prompt)), self.plan(request, history), seed)
        kept = self._reusable(row)
        return ReplyStream(self.model, row, request, sampling or self.sampling(), kept, len(kept.tokens))

    def generate(
        self,
        prompts: Sequence[str | Sequence[Message]],
        personas: Sequence[Speaker] | Speaker = None,
        *,
        strength: float | None = None,
        safety: Safety | None = None,
        guidance: float | None = None,
        sampling: Sampling | None = None,
        seed: int | Sequence[int] = 0,
        history: Sequence[Mapping[str, float]] = (),
    ) -> list[Reply]:
        """Return replies to many prompts at once, each under its own persona and seed; each as it would be alone.

        `personas` is one for all or one a prompt, as `stream` takes it. `history` is the conversation that all of
        them go on with. Rows that ask for the same share one plan.
        """
        requests = [
            self.steering(speaker, strength, safety, guidance) for speaker in _one_a_row(personas, len(prompts))
        ]
        plans = {request: self.plan(request, history) for request in dict.fromkeys(requests)}
        seeds = _one_a_row(seed, len(prompts))
        rows = [
            Row(self.model.encode(_messages(prompt)), plans[request], row_seed)
            for prompt, request, row_seed in zip(prompts, requests, seeds, strict=True)
        ]
        armed = arm_rows(self.model, rows)
        for _ in generate_tokens(self.model, rows, sampling or self.sampling(), armed=armed):
            pass
        return [
            _reply(self.model, row, request, armed, lanes, 0)
            for row, request, lanes in zip(rows, requests, lanes_of(rows), strict=True)
        ]

    def sampling(self) -> Sampling:
        """Return the configured sampling."""
        settings = self.config.generation
        return Sampling(settings.max_new_tokens, settings.temperature, settings.top_p)

    def _reusable(self, row: Row) -> KeptCache:
        """Return the kept cache, cut to what the prompt shares with it; a new one if the plan has changed.

        A cache of which only a window or a state is left cannot be cut; it is used where the prompt goes on with it.
        """
        plan = row.plan.digest()
        common = common_length(self._kept.tokens, row.prompt) if plan == self._kept_plan else 0
        common = min(common, len(row.prompt) - 1)
        surplus = len(self._kept.tokens) - common
        if common <= 0 or self._kept.cache is None or (surplus and not self.model.shares_caches):
            self._kept = KeptCache([], self.model.new_cache())
        elif surplus:
            self._kept.cache.crop(-surplus)
            del self._kept.tokens[common:]
        self._kept_plan = plan
        return self._kept


def _one_a_row(values: Any, n_rows: int) -> Sequence[Any]:
    """Return one value a row: the sequence that was given, or one value for all rows."""
    several = isinstance(values, Sequence) and not isinstance(values, str)
    return values if several else [values] * n_rows


def _messages(prompt: str | Sequence[Message]) -> Sequence[Message]:
    messages = question_messages(prompt) if isinstance(prompt, str) else prompt
    if not messages or not messages[-1]["content"].strip():
        raise PromptError("the prompt is empty: write a question, or `-` to read one from standard input")
    return messages


def _reply(
    model: ModelWrapper, row: Row, request: SteeringRequest, armed: Mapping[int, ArmedLayer], lanes: range, reused: int
) -> Reply:
    receipt = _receipt(model, row, request, armed, lanes, reused)
    return Reply(model.decode(row.tokens), receipt, probe_readings(row.plan, armed, lanes[-1]))


def _receipt(
    model: ModelWrapper, row: Row, request: SteeringRequest, armed: Mapping[int, ArmedLayer], lanes: range, reused: int
) -> Receipt:
    steered = bool(request.active)
    return Receipt(
        model=model.identity.name,
        personas=request.active,
        strength=request.strength if steered else 0.0,
        guidance=request.guidance if steered else 0.0,
        safety="on" if request.holds_floor else "off" if steered else "not needed",
        prompt_tokens=len(row.prompt),
        reused_tokens=reused,
        reply_tokens=len(row.tokens),
        seed=row.seed,
        finish=row.finish or "stopped",
        **steering_fields(row.plan, armed, *reversed(lanes)),
    )

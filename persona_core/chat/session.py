"""ChatSession: a conversation, how it is steered, and the model that answers; no screen and no keyboard."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from persona_core.base.records import digest
from persona_core.chat.conversation import Conversation, Turn
from persona_core.chat.log import Event, SessionLog, load_session, what_has_changed
from persona_core.chat.monitors import TurnMonitors, TurnRequest
from persona_core.engine.receipt import mixture
from persona_core.engine.request import SteeringRequest
from persona_core.errors import SafetyUnavailable, SteeringError
from persona_core.personas.manager import PersonaManager
from persona_core.personas.prompting import Prompting, persona_prompt, prompted, steered
from persona_core.settings.config import Safety
from persona_core.vectors.store import ASSISTANT, SAFETY

if TYPE_CHECKING:
    from persona_core.base.messages import Message
    from persona_core.chat.ask import Ask
    from persona_core.engine.engine import Reply, ReplyStream, SteeringEngine
    from persona_core.model.decoding import Sampling

_SHORTEST_REPLY = 64
"""Tokens of the context that are kept free for a reply."""


@dataclass
class ChatSettings:
    """How the next reply is steered and sampled."""

    personas: dict[str, float]
    strength: float
    safety: Safety
    sampling: Sampling
    guidance: float = 0.0
    seed: int = 0
    prompting: Prompting = "off"
    allow_unsafe: bool = False


@dataclass
class ChatSession:
    """What slash commands read and change. The model may still be loading: `engine` waits for it."""

    manager: PersonaManager
    loading: Future[SteeringEngine]
    settings: ChatSettings
    conversation: Conversation = field(default_factory=Conversation)
    log: SessionLog | None = None
    session_name: str = ""
    last: Reply | None = None
    notes: list[str] = field(default_factory=list)
    """Lines for the user beside the replies; the loop that shows them empties the list."""
    warned: bool = False
    percentiles: dict[str, float] = field(default_factory=dict)
    """Axis -> the percentile that its projections are compared with, once its file has been read."""
    monitors: TurnMonitors = field(init=False)

    def __post_init__(self) -> None:
        self.monitors = TurnMonitors(self.manager.plugins)

    @property
    def engine(self) -> SteeringEngine:
        """The model's engine; waits until it is loaded, and raises what loading raised."""
        return self.loading.result()

    @property
    def folder(self) -> Path:
        """The folder of the workspace's sessions."""
        return self.manager.workspace.conversations

    @property
    def name(self) -> str:
        """The session's name; empty until its first turn is kept, unless the user has named it."""
        return self.log.name if self.log is not None else self.session_name

    def steering(self, personas: Mapping[str, float] | None = None) -> SteeringRequest:
        """Return the request that the settings make for these personas, or for the chat's own."""
        settings = self.settings
        weights = steered(settings.personas if personas is None else personas, settings.prompting)
        return SteeringRequest(weights, settings.strength, settings.safety, settings.guidance)

    def set_personas(self, weights: Mapping[str, float]) -> None:
        """Steer with these personas from now on; raise `VectorNotFound` for one that is not extracted."""
        for name in weights:
            self.manager.require(name)
        self.settings.personas = dict(weights)

    def set_strength(self, strength: float) -> None:
        """Steer at this strength from now on; raise `SteeringError` for one out of range."""
        self.settings.strength = checked_strength(strength)

    def set_guidance(self, guidance: float) -> None:
        """Follow the persona this far from now on; raise `SteeringError` for a value out of range."""
        self.settings.guidance = SteeringRequest({}, 0.0, guidance=guidance).guidance

    def set_safety(self, safety: Safety) -> None:
        """Choose when the floor is held; raise `SafetyUnavailable` for never where the user has not allowed it."""
        if not safety and not self.settings.allow_unsafe:
            raise SafetyUnavailable("safety stays on: start the chat with --allow-unsafe, or confirm `/safety off`")
        self.settings.safety = safety

    def ask(self, asked: Ask) -> ReplyStream:
        """Return a stream of the reply to a question; turns that no longer fit are skipped, with a note."""
        request, conversation = self.steering(), self._so_far(asked.replacing)
        if asked.strength is not None:
            request = replace(request, strength=asked.strength)
        messages = self._messages(conversation, asked.question, self.settings.personas)
        stream = self.engine.stream(
            messages,
            request,
            sampling=self.settings.sampling,
            seed=self.settings.seed + len(conversation.turns) if asked.seed is None else asked.seed,
            history=conversation.history,
        )
        self._tell_of(asked, stream, len(messages))
        return stream

    def compare(self, asked: Mapping[str, Mapping[str, float]], question: str) -> dict[str, Reply]:
        """Return heading -> reply to a question, or to the last one again where it is empty, with one seed for all.

        `asked` maps a heading to the weights of its personas. No reply is kept.
        """
        conversation = self._so_far(replacing=not question)
        question = question or self.last_turn().user
        weights = [dict(personas) for personas in asked.values()]
        replies = self.engine.generate(
            [self._messages(conversation, question, personas) for personas in weights],
            [self.steering(personas) for personas in weights],
            sampling=self.settings.sampling,
            seed=self.settings.seed + len(conversation.turns),
            history=conversation.history,
        )
        return dict(zip(asked, replies, strict=True))

    def keep(self, asked: Ask, reply: Reply) -> Turn:
        """Append a turn to the conversation and to its file, taking back the last one if it replaces it; return it."""
        projections = {name: [round(value, 2) for value in values] for name, values in reply.projections.items()}
        turn = Turn(
            user=asked.question,
            text=reply.text,
            receipt=reply.receipt,
            vectors=self.digests(reply.receipt.personas),
            projections=projections,
            prompted=prompted(self.settings.personas, self.settings.prompting),
        )
        if asked.replacing:
            self.undo()
        self.conversation.turns.append(turn)
        self.last = reply
        self.write(turn)
        self._warn_of_drift(turn)
        self.notes += self.monitors.after(turn, self.name)
        return turn

    def write(self, entry: Turn | Event) -> None:
        """Append to the session's file; an event before the first turn is not written."""
        if self.log is None:
            if not isinstance(entry, Turn):
                return
            self.log = SessionLog.new(self.folder, self.engine.model.identity, self.session_name)
            if self.conversation.system:
                self.log.add(Event(kind="system", text=self.conversation.system))
        self.log.add(entry)

    def last_turn(self) -> Turn:
        """Return the last turn; raise `SteeringError` before the first."""
        if not self.conversation.turns:
            raise SteeringError("nothing has been said yet")
        return self.conversation.turns[-1]

    def undo(self) -> Turn:
        """Take back the last turn."""
        turn = self.last_turn()
        self.conversation.undo()
        self.write(Event(kind="undo"))
        return turn

    def clear(self) -> None:
        """Begin a new conversation and a new file; the old file stays."""
        self.conversation.clear()
        if self.log is not None:
            self.log.end()
        self.log, self.last, self.session_name = None, None, ""

    def set_system(self, text: str) -> None:
        """Set the user's own system prompt; an empty text removes it."""
        self.conversation.system = text
        self.write(Event(kind="system", text=text))

    def save_as(self, name: str) -> None:
        """Go on under a name that the user gives: write all turns into a new file, and end the old one."""
        new = SessionLog.new(self.folder, self.engine.model.identity, name)
        if self.conversation.system:
            new.add(Event(kind="system", text=self.conversation.system))
        for turn in self.conversation.turns:
            new.add(turn)
        if self.log is not None:
            self.log.end()
        self.log, self.session_name = new, name

    def resume(self, name: str) -> None:
        """Go on with a saved session, steered as its last turn was; note what has changed since.

        Safety stays as it is: resuming a session that was held without the floor does not turn it off.
        """
        log, conversation = load_session(self.folder, name)
        if self.log is not None:
            self.log.end()
        self.log, self.conversation, self.session_name, self.last = log, conversation, name, None
        used = {persona for turn in conversation.turns for persona in turn.vectors}
        changed = what_has_changed(log.header, conversation, self.engine.model.identity, self.digests(used))
        self.notes += [f"session {name}: {line}" for line in changed]
        self._steer_as_before()

    def close(self) -> None:
        """Record in the session's file that the user left the chat."""
        if self.log is not None:
            self.log.end()

    def digests(self, names: Iterable[str]) -> dict[str, str]:
        """Return persona -> digest of its file, for those that are extracted."""
        paths = self.manager.paths()
        return {name: digest(paths[name].read_bytes()) for name in names if name in paths}

    def status(self) -> str:
        """Return personas, strength, safety and number of turns in one line."""
        settings, turns = self.settings, len(self.conversation.turns)
        prompting = {"off": "", "with": "; with its system prompt", "only": "; by its system prompt alone"}
        words = [
            f"persona {mixture(settings.personas) or 'none'}",
            pull(settings.strength, settings.guidance),
            f"safety {safety_words(settings.safety)}{prompting[settings.prompting]}",
            f"{turns} turn{'' if turns == 1 else 's'}",
        ]
        return "; ".join(words)

    def where(self) -> str:
        """Return the model with its device and precision, or that it is loading; raise what loading raised."""
        settings = self.manager.config.model
        if not self.loading.done():
            return f"{settings.name}, loading"
        model = self.engine.model
        precision = str(model.dtype).removeprefix("torch.") if settings.dtype == "auto" else settings.dtype
        return f"{settings.name} on {model.device} in {precision}"

    def resampled(self, **changes: float) -> None:
        """Change fields of the sampling from now on."""
        self.settings.sampling = replace(self.settings.sampling, **changes)  # type: ignore[arg-type]

    def _so_far(self, replacing: bool) -> Conversation:
        """Return the conversation that a new reply follows: all of it, or all but the turn that the reply replaces."""
        if not replacing:
            return self.conversation
        self.last_turn()
        return self.conversation.before_the_last()

    def _messages(self, conversation: Conversation, question: str, personas: Mapping[str, float]) -> list[Message]:
        """Return what the model reads; turns that no longer fit are skipped, with a note."""
        model = self.engine.model
        prompt = persona_prompt(self.manager, personas, self.settings.prompting)
        reply = min(self.settings.sampling.max_new_tokens, _SHORTEST_REPLY, model.context_length // 4)
        skipped = conversation.fit(question, prompt, model.n_tokens, model.context_length - reply)
        if skipped:
            turns = "the oldest turn is" if skipped == 1 else f"the {skipped} oldest turns are"
            self.notes.append(f"the context of {model.context_length} tokens is full: {turns} no longer read")
        return conversation.messages(question, prompt)

    def _tell_of(self, asked: Ask, stream: ReplyStream, messages: int) -> None:
        """Tell the turn monitors, if there are any, of the reply that is about to be made."""
        if self.monitors.any:
            steering = stream.request
            request = TurnRequest(
                question=asked.question, messages=messages, personas=dict(steering.personas),
                strength=steering.strength, safety=bool(steering.safety), seed=stream.row.seed, session=self.name,
                replacing=asked.replacing,
            )  # fmt: skip
            self.notes += self.monitors.before(request)

    def _steer_as_before(self) -> None:
        turns, known = self.conversation.turns, set(self.manager.names())
        if not turns or self.settings.personas:
            return
        receipt = turns[-1].receipt
        if receipt.personas and known.issuperset(receipt.personas):
            settings = self.settings
            settings.personas, settings.strength = dict(receipt.personas), receipt.strength
            settings.guidance = receipt.guidance
            self.notes.append(
                f"it goes on as {mixture(receipt.personas)} at {pull(settings.strength, settings.guidance)}"
            )

    def _warn_of_drift(self, turn: Turn) -> None:
        edge, projection = self.calibrated_edge(), turn.receipt.assistant_projection
        if edge is None or projection is None or projection >= edge or self.warned:
            return
        self.warned = True
        self.notes.append(
            f"the conversation has drifted: {projection:+.1f} on the assistant axis, below {edge:+.1f}, where 99 % of "
            "the default assistant's tokens lie above; /drift shows it, /strength lowers it"
        )

    def calibrated_edge(self) -> float | None:
        """Return the first percentile of the assistant axis at the layer that is probed; None without that axis."""
        return self._percentile(ASSISTANT, 1.0, self.engine.model.target_layers[-1])

    def floor_value(self) -> float | None:
        """Return where the safety floor lies at the layer that is probed, held or not; None without the safety axis."""
        level = self.manager.config.steering.safety_floor_percentile
        return self._percentile(SAFETY, level, self.engine.model.capping_layers[-1])

    def _percentile(self, axis_name: str, level: float, layer: int) -> float | None:
        """Return an axis's percentile at a layer, read once: the status line asks for it at every key stroke."""
        if axis_name not in self.percentiles and self.manager.store.part_path(axis_name) is not None:
            axis = self.manager.store.axis(axis_name, self.engine.model.identity)
            self.percentiles[axis_name] = float(axis.percentile(level)[layer])
        return self.percentiles.get(axis_name)


def pull(strength: float, guidance: float) -> str:
    """Return how strongly a chat is steered, as the chat shows it."""
    return f"strength {strength:g}{f', guidance {guidance:g}' if guidance else ''}"


def safety_words(safety: Safety) -> str:
    """Return the setting as the chat shows it; off is loud."""
    return "always" if safety == "always" else "on" if safety else "OFF"


def checked_strength(strength: float) -> float:
    """Return the strength; raise `SteeringError` for one out of range."""
    return SteeringRequest({}, strength).strength

"""What a chat remembers, and the slash commands that change it."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from persona_core.blending import parse_blend
from persona_core.errors import SteeringError
from persona_core.persona_manager import PersonaManager

if TYPE_CHECKING:
    from persona_core.decoding import Sampling
    from persona_core.plan_building import Steering
    from persona_core.steering_engine import Reply


class Leave(Exception):
    """The user has said goodbye."""


@dataclass
class ChatState:
    """A conversation and how it is steered."""

    manager: PersonaManager
    personas: dict[str, float]
    strength: float
    safety: bool
    sampling: Sampling
    seed: int
    messages: list[dict[str, str]] = field(default_factory=list)
    history: list[dict[str, float]] = field(default_factory=list)

    def steering(self) -> Steering:
        """Return what is asked for now."""
        from persona_core.plan_building import Steering

        return Steering(self.personas, self.strength, self.safety)

    def next_seed(self) -> int:
        """Return another seed for every turn, the same in every run."""
        return self.seed + len(self.messages) // 2

    def add_turn(self, question: str, reply: Reply) -> None:
        """Append a question, its reply and its projection on the assistant axis."""
        self.messages += [{"role": "user", "content": question}, {"role": "assistant", "content": reply.text}]
        if reply.receipt.assistant_projection is not None:
            self.history.append({"assistant": reply.receipt.assistant_projection})

    def status(self) -> str:
        """Return the state in a line."""
        mixture = " + ".join(f"{name} {weight:g}" for name, weight in self.personas.items()) or "none"
        turns = len(self.messages) // 2
        safety = "on" if self.safety else "off"
        return f"persona {mixture}; strength {self.strength:g}; safety {safety}; {turns} turns"


def run_command(state: ChatState, line: str) -> str:
    """Run a slash command and return what it says; raise `SteeringError` for one that is unknown or malformed."""
    name, _, value = line[1:].partition(" ")
    if name not in COMMANDS:
        raise SteeringError(f"no command /{name}{_near(name)}")
    return COMMANDS[name][0](state, value.strip())


def _near(name: str) -> str:
    near = difflib.get_close_matches(name, COMMANDS, n=1)
    return f"; did you mean /{near[0]}?" if near else "; /help lists the commands"


def _persona(state: ChatState, value: str) -> str:
    if not value:
        raise SteeringError("/persona takes a name: /list shows them, /none turns steering off")
    if value == "none":
        return _none(state, "")
    state.manager.require(value)
    state.personas = {value: 1.0}
    return state.status()


def _strength(state: ChatState, value: str) -> str:
    try:
        strength = float(value)
    except ValueError:
        raise SteeringError(f"/strength takes a number, 0.0-2.0, not {value!r}") from None
    if not 0 <= strength <= 2:
        raise SteeringError(f"strength {strength:g} is out of range: use 0.0-2.0")
    state.strength = strength
    return state.status()


def _blend(state: ChatState, value: str) -> str:
    weights = parse_blend(value)
    for name in weights:
        state.manager.require(name)
    state.personas = weights
    return state.status()


def _none(state: ChatState, value: str) -> str:
    state.personas = {}
    return state.status()


def _safety(state: ChatState, value: str) -> str:
    if value not in ("on", "off"):
        raise SteeringError(f"/safety takes on or off, not {value!r}")
    state.safety = value == "on"
    return state.status()


def _list(state: ChatState, value: str) -> str:
    entries = [entry for entry in state.manager.entries() if entry.header is not None]
    return "\n".join(f"  {entry.name:14} {entry.description}" for entry in entries) or "  none extracted yet"


def _status(state: ChatState, value: str) -> str:
    return state.status()


def _help(state: ChatState, value: str) -> str:
    width = max(len(usage) for _, usage, _ in COMMANDS.values())
    return "\n".join(f"  {usage:{width}}  {text}" for _, usage, text in COMMANDS.values())


def _quit(state: ChatState, value: str) -> str:
    raise Leave


COMMANDS: dict[str, tuple[Callable[[ChatState, str], str], str, str]] = {
    "persona": (_persona, "/persona NAME", "speak as a persona"),
    "strength": (_strength, "/strength 0.0-2.0", "how strongly; 1.0 is the calibrated dose"),
    "blend": (_blend, "/blend sage:0.5,trickster:0.3", "several personas at once"),
    "none": (_none, "/none", "the untouched model"),
    "safety": (_safety, "/safety on|off", "hold the safety floor, or do not"),
    "list": (_list, "/list", "the personas there are"),
    "status": (_status, "/status", "what is in force"),
    "help": (_help, "/help", "this list"),
    "quit": (_quit, "/quit", "leave (Ctrl-D does too)"),
}

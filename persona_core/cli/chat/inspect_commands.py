"""Slash commands that show what steering does: `/list`, `/status`, `/why`, `/drift` and `/compare`."""

from __future__ import annotations

import shutil
from collections.abc import Mapping

from persona_core.base.numbers import above
from persona_core.chat.commands import ChatCommand, Outcome, SideBySide
from persona_core.chat.conversation import Turn
from persona_core.chat.session import ChatSession
from persona_core.cli.chat.pictures import bars, curve, gauge
from persona_core.cli.chat.steering_commands import persona_values
from persona_core.engine.receipt import mixture
from persona_core.errors import SteeringError

AXES = {"assistant": "assistant axis", "safety": "safety axis"}
_WIDEST = 60


def status(session: ChatSession, value: str) -> Outcome:
    """Tell how the next reply is steered and sampled, and by which model."""
    sampling = session.settings.sampling
    system = f"; system prompt {session.conversation.system!r}" if session.conversation.system else ""
    seed = f"seed {session.settings.seed}, temperature {sampling.temperature:g}"
    return f"{session.status()}; {session.where()}; {seed}{system}"


def personas(session: ChatSession, value: str) -> Outcome:
    """List the extracted personas."""
    entries = [entry for entry in session.manager.entries() if entry.header is not None]
    return "\n".join(f"  {entry.name:14} {entry.description}" for entry in entries) or "  none extracted yet"


def why(session: ChatSession, value: str) -> Outcome:
    """Show the last receipt in words, the change of each layer as bars, and projections token by token as curves."""
    turn, width = session.last_turn(), picture_width()
    lines = [turn.receipt.line()]
    if turn.receipt.relative_change:
        lines += ["", "how far each layer was moved:", *bars(turn.receipt.relative_change, width // 2)]
    for name in turn.projections:
        lines += ["", *_token_by_token(session, turn, name, width)]
    return "\n".join(lines)


def drift(session: ChatSession, value: str) -> Outcome:
    """Show the projections on the assistant axis turn by turn, and how far above the floor each reply was."""
    session.last_turn()
    turns = session.conversation.turns
    edges = {"assistant": session.calibrated_edge(), "safety": session.floor_value()}
    pictures = [_axis_by_turn(name, turns, edges[name]) for name in AXES]
    return (
        "\n\n".join(picture for picture in pictures if picture)
        or "this model has no axes: run `persona-steer extract-axes`"
    )


def compare(session: ChatSession, value: str) -> Outcome:
    """Answer one question with one seed several times: as the chat's persona and as none, or as those named."""
    asked, question = _compared(session, value)

    def make() -> Mapping[str, str]:
        return {name: reply.text.strip() for name, reply in session.compare(asked, question).items()}

    return SideBySide(make, f"asking {', '.join(asked)}")


def _compared(session: ChatSession, value: str) -> tuple[dict[str, dict[str, float]], str]:
    """Return heading -> weights and the question from `[sage,none:] question`; an empty question means the last one."""
    head, colon, rest = value.partition(":")
    names = [name.strip() for name in head.split(",")]
    if colon and {*session.manager.names(), "none"}.issuperset(names):
        asked: dict[str, dict[str, float]] = {name: {} if name == "none" else {name: 1.0} for name in names}
        question = rest.strip()
    else:
        personas = session.settings.personas
        if not personas:
            raise SteeringError("no persona steers: `/compare sage,none: QUESTION` names what is compared")
        asked, question = {mixture(personas): dict(personas), "none": {}}, value.strip()
    if not question and not session.conversation.turns:
        raise SteeringError("/compare takes a question, or compares the last one asked")
    return asked, question


def _token_by_token(session: ChatSession, turn: Turn, name: str, width: int) -> list[str]:
    """Return a title and a curve of one value a token; nothing for an axis that was not read."""
    values = turn.projections[name]
    if not values:
        return []
    floor = session.floor_value() if name == "safety" else None
    if floor is None:
        ends = f"{min(values):+.2f} to {max(values):+.2f}"
    else:
        held = "" if turn.receipt.floor else ", which was not held"
        ends = f"{_from_to(min(values) - floor, max(values) - floor)} the floor{held}"
    return [f"{AXES.get(name, name)}, token by token: {ends}", f"  {curve(values, width)}"]


def _from_to(low: float, high: float) -> str:
    """Return two distances above a bound in words, the side named once where it is the same."""
    to = above(high)
    return f"from {above(low).removesuffix(to[to.index(' ') :])} to {to}"


def _axis_by_turn(name: str, turns: list[Turn], edge: float | None) -> str:
    """Return a gauge a turn with the edge marked on it; an empty text where no turn was read on this axis.

    The safety axis is shown as the receipt shows it: as the distance above the floor.
    """
    projections = {number: getattr(turn.receipt, f"{name}_projection") for number, turn in enumerate(turns, start=1)}
    values = {number: value for number, value in projections.items() if value is not None}
    if not values:
        return ""
    legend = "" if edge is None else f" (┊ edge of the calibrated range, {edge:+.2f})"
    if name == "safety" and edge is not None:
        legend, values, edge = ", above the floor (┊)", {number: value - edge for number, value in values.items()}, 0.0
    ends = [*values.values(), *([edge] if edge is not None else [])]
    low, high, width = min(ends), max(ends), picture_width() // 2
    rows = [
        f"  {number:3}  {gauge(value, low, high, width, edge)}  {value:+7.2f}  {_personas_of(turns[number - 1])}"
        for number, value in values.items()
    ]
    return "\n".join([f"{AXES[name]}, turn by turn{legend}", *rows])


def _personas_of(turn: Turn) -> str:
    return "+".join(turn.receipt.personas) or "none"


def compared_values(session: ChatSession) -> Mapping[str, str]:
    """Complete who is compared: the persona in use with the untouched model, and with each other persona."""
    names = sorted(persona_values(session))
    first = next(iter(session.settings.personas), names[0] if names else "")
    others = [name for name in names if name != first]
    untouched = {f"{first},none: ": f"{first} and the untouched model"} if first else {}
    return untouched | {f"{first},{name}: ": f"{first} and {name}" for name in others}


def picture_width() -> int:
    """Return the width of a picture in characters: that of the terminal, within limits."""
    return max(min(shutil.get_terminal_size().columns - 8, _WIDEST), 16)


COMMANDS = (
    ChatCommand("list", "/list", "the personas there are", personas),
    ChatCommand("status", "/status", "what is in force", status),
    ChatCommand("why", "/why", "the last receipt, in words and pictures", why),
    ChatCommand("drift", "/drift", "the conversation's projections, turn by turn", drift),
    ChatCommand(
        "compare", "/compare [MESSAGE]", "the same prompt and seed, steered and not", compare, compared_values,
        "`/compare sage,trickster,none: MESSAGE` compares the personas that are named. Nothing of it is kept.",
    ),
)  # fmt: skip

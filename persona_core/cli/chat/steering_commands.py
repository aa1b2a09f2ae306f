"""Slash commands that change how the next reply is steered and sampled: `/persona`, `/strength`, `/safety` and more."""

from __future__ import annotations

import math
from collections.abc import Mapping

from persona_core.chat.commands import ChatCommand, Confirm, Outcome
from persona_core.chat.session import ChatSession
from persona_core.errors import SteeringError
from persona_core.settings.config import LEAST_GUIDANCE, MOST_GUIDANCE, SAFETY, STRONGEST, Safety
from persona_core.steering.blending import parse_blend

STRENGTHS = {
    "0": "not at all", "0.5": "half the calibrated dose", "1.0": "the calibrated dose", "1.5": "beyond calibration",
    "2.0": "the strongest",
}  # fmt: skip
UNSAFE = "unsafe"


def persona(session: ChatSession, value: str) -> Outcome:
    """Steer with one persona."""
    if not value:
        raise SteeringError("/persona takes a name: /list shows them, /none turns steering off")
    if value == "none":
        return none(session, "")
    session.set_personas({value: 1.0})
    return session.status()


def strength(session: ChatSession, value: str) -> Outcome:
    """Set the strength."""
    session.set_strength(number(value, f"/strength takes a number, 0.0-{STRONGEST}"))
    return session.status()


def guidance(session: ChatSession, value: str) -> Outcome:
    """Choose how far guided decoding follows the persona."""
    usage = f"/guidance takes a number, {LEAST_GUIDANCE}-{MOST_GUIDANCE}, or 0 for direct decoding"
    session.set_guidance(number(value, usage))
    return session.status()


def guidance_values(session: ChatSession) -> Mapping[str, str]:
    """Return direct decoding, the calibrated guidance and twice that, with what each is."""
    calibrated = session.manager.config.steering.guidance
    beyond = min(2 * calibrated, MOST_GUIDANCE)
    return {"0": "direct: one row a reply", f"{calibrated:g}": "the calibrated guidance", f"{beyond:g}": "beyond it"}


def blend(session: ChatSession, value: str) -> Outcome:
    """Steer with several personas."""
    session.set_personas(parse_blend(value))
    return session.status()


def none(session: ChatSession, value: str) -> Outcome:
    """Turn steering off."""
    session.set_personas({})
    return session.status()


def safety(session: ChatSession, value: str) -> Outcome:
    """Hold the floor while a persona is steered, or always; or not, once the user has allowed or confirmed it."""
    if value not in SAFETY:
        raise SteeringError(f"/safety takes on, always or off, not {value!r}")
    if SAFETY[value] or session.settings.allow_unsafe:
        return _safety_now(session, SAFETY[value])

    def off() -> str:
        session.settings.allow_unsafe = True
        return _safety_now(session, False)

    return Confirm(
        f"Nothing will hold the model while a persona steers it. Type {UNSAFE} to go on: ",
        UNSAFE,
        off,
        "safety stays on: without a terminal to confirm in, start the chat with --allow-unsafe",
    )


def _safety_now(session: ChatSession, safety: Safety) -> str:
    session.set_safety(safety)
    return session.status()


def prompt(session: ChatSession, value: str) -> Outcome:
    """Choose whether the model gets the persona's own system prompt: not, beside steering, or in its place."""
    if value not in ("off", "with", "only"):
        raise SteeringError(f"/prompt takes off, with or only, not {value!r}")
    session.settings.prompting = value  # type: ignore[assignment]
    return session.status()


def seed(session: ChatSession, value: str) -> Outcome:
    """Set the seed of the sampling."""
    if not value.isdecimal():
        raise SteeringError(f"/seed takes a whole number from 0, not {value!r}")
    session.settings.seed = int(value)
    return f"seed {session.settings.seed}; each turn has its own, made from it"


def temperature(session: ChatSession, value: str) -> Outcome:
    """Set the temperature of the sampling."""
    chosen = number(value, "/temperature takes a number, 0.0-2.0")
    if not 0 <= chosen <= 2:
        raise SteeringError(f"temperature {chosen:g} is out of range: use 0.0-2.0; 0 is greedy")
    session.resampled(temperature=chosen)
    return f"temperature {chosen:g}"


def system(session: ChatSession, value: str) -> Outcome:
    """Set the user's own system prompt, or remove it."""
    session.set_system(value)
    return f"system prompt: {value}" if value else "no system prompt"


def number(value: str, usage: str) -> float:
    """Return a finite number; raise `SteeringError` with the usage where the text is none."""
    try:
        parsed = float(value)
    except ValueError:
        raise SteeringError(f"{usage}, not {value!r}") from None
    if not math.isfinite(parsed):
        raise SteeringError(f"{usage}, not {value!r}")
    return parsed


def persona_values(session: ChatSession) -> Mapping[str, str]:
    """Complete the extracted personas."""
    return {entry.name: entry.description for entry in session.manager.entries() if entry.header is not None}


def blend_values(session: ChatSession) -> Mapping[str, str]:
    """Complete half-and-half blends of the persona in use with each other one."""
    names = sorted(persona_values(session))
    first = next(iter(session.settings.personas), names[0] if names else "")
    return {f"{first}:0.5,{name}:0.5": f"half {first}, half {name}" for name in names if name != first}


COMMANDS = (
    ChatCommand("persona", "/persona NAME", "speak as a persona", persona, persona_values),
    ChatCommand(
        "strength",
        f"/strength 0.0-{STRONGEST}",
        "how strongly; 1.0 is the calibrated dose",
        strength,
        lambda _: STRENGTHS,
    ),
    ChatCommand(
        "guidance", f"/guidance {LEAST_GUIDANCE}-{MOST_GUIDANCE}|0", "how far decoding follows the persona", guidance,
        guidance_values,
        "A guided reply runs as two rows, with and without the persona, and chooses among words that fit without it.",
    ),
    ChatCommand("blend", "/blend sage:0.5,trickster:0.3", "several personas at once", blend, blend_values),
    ChatCommand("none", "/none", "the untouched model", none),
    ChatCommand(
        "safety", "/safety on|always|off", "hold the safety floor, or do not", safety,
        lambda _: {"on": "while a persona is steered", "always": "also while none is", "off": "never; asks first"},
        "Off needs --allow-unsafe or a typed confirmation, and shows in the status line and in every receipt.",
    ),
    ChatCommand(
        "prompt", "/prompt off|with|only", "the persona's own system prompt", prompt,
        lambda _: {"off": "steering alone", "with": "beside steering", "only": "in place of steering"},
    ),
    ChatCommand("seed", "/seed N", "the seed of the sampling", seed),
    ChatCommand("temperature", "/temperature T", "0.0-2.0; 0 is greedy", temperature),
    ChatCommand("system", "/system TEXT", "a system prompt of your own; empty takes it away", system),
)  # fmt: skip

"""Settings: reads and checks what `-M` sets before anything runs, and loads the engine that serves it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from persona_core import (
    App,
    Config,
    PersonaManager,
    SteeringEngine,
    SteeringRequest,
    as_request,
    parse_blend,
    suggestion,
)
from persona_core.errors import ConfigError, SteeringError

KNOWN = ("persona", "blend", "strength", "guidance", "safety", "seed", "max_batch")
LARGEST_SEED = 2**63 - 1
_SWITCH: dict[bool | str, bool | Literal["always"]] = {
    True: True, False: False, "on": True, "off": False, "always": "always",
}  # fmt: skip
"""YAML reads `on` and `off` as truth values."""


@dataclass(frozen=True)
class Settings:
    """How a model of this provider is steered, the seed that replies start from, and how many it makes at a time."""

    steering: SteeringRequest
    seed: int
    max_batch: int


def read_settings(arguments: Mapping[str, object], config: Config) -> Settings:
    """Return the settings; raise `ConfigError` or `SteeringError` for anything unknown, missing or out of range."""
    for name in arguments:
        if name not in KNOWN:
            raise ConfigError(f"-M {name}: no such setting{suggestion(name, KNOWN)}")
    strength, guidance = arguments.get("strength"), arguments.get("guidance")
    if strength is not None and not {"persona", "blend"} & set(arguments):
        raise ConfigError("-M strength: say who speaks, with -M persona=NAME or -M blend=sage:0.5,trickster:0.3")
    steering = as_request(
        _personas(arguments.get("persona"), arguments.get("blend")),
        config.steering,
        None if strength is None else _number("strength", strength),
        _safety(arguments.get("safety", True)),
        None if guidance is None else _number("guidance", guidance),
    )
    return Settings(
        steering,
        _whole("seed", arguments.get("seed", 0), 0, LARGEST_SEED),
        _whole("max_batch", arguments.get("max_batch", 16), 1, 256),
    )


def personas_of(model: str) -> PersonaManager:
    """Return the personas of a model, in the workspace that the current folder and the environment name."""
    return _app(model).manager()


def engine_of(manager: PersonaManager) -> SteeringEngine:
    """Return the engine for a manager's model; models of this provider that differ in steering alone share it."""
    return _engine(manager.config.model.name, manager.workspace.root, manager.config.model_dump_json())


def _app(model: str) -> App:
    app = App(None, None)
    app.model_name = model
    return app


@cache
def _engine(model: str, workspace: Path, config: str) -> SteeringEngine:
    """Load the engine; the last two are what it belongs to, so that another workspace or configuration has its own."""
    app = _app(model)
    return app.engine(app.manager())


def _personas(persona: object, blend: object) -> dict[str, float]:
    if persona is not None and blend is not None:
        raise ConfigError("-M persona, -M blend: give one of them, not both")
    if blend is not None:
        return parse_blend(_text("blend", ",".join(map(str, blend)) if isinstance(blend, list | tuple) else blend))
    name = "none" if persona is None else _text("persona", persona)
    return {} if name == "none" else {name: 1.0}


def _safety(value: object) -> bool | Literal["always"]:
    if not isinstance(value, str | bool) or value not in _SWITCH:
        raise SteeringError(f"-M safety={value}: write on, always or off")
    return _SWITCH[value]


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise ConfigError(f"-M {name}={value}: write a name" + (" and a weight" if name == "blend" else ""))
    return value


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"-M {name}={value}: write a number")
    return float(value)


def _whole(name: str, value: object, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ConfigError(f"-M {name}={value}: write a whole number, {low}-{high}")
    return value

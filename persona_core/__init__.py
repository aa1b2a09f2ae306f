"""Steer a language model's persona with activation vectors. Importing this package never imports torch."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from persona_core.plugins.hookspecs import hookimpl

if TYPE_CHECKING:
    from persona_core.engine.engine import SteeringEngine
    from persona_core.extraction.activations import ActivationExtractor
    from persona_core.model.wrapper import ModelWrapper
    from persona_core.personas.archetype import Archetype, archetypes_from
    from persona_core.personas.manager import PersonaManager
    from persona_core.settings.config import Config, get_config
    from persona_core.settings.model_source import ModelSource
    from persona_core.steering.plan import SteeringPlan
    from persona_core.vectors.vector import Axis, PersonaVector

__version__ = "0.1.0"

_HOMES = {
    "ActivationExtractor": "extraction.activations",
    "Archetype": "personas.archetype",
    "Axis": "vectors.vector",
    "Config": "settings.config",
    "ModelSource": "settings.model_source",
    "ModelWrapper": "model.wrapper",
    "PersonaManager": "personas.manager",
    "PersonaVector": "vectors.vector",
    "SteeringEngine": "engine.engine",
    "SteeringPlan": "steering.plan",
    "archetypes_from": "personas.archetype",
    "get_config": "settings.config",
}

__all__ = [
    "ActivationExtractor",
    "Archetype",
    "Axis",
    "Config",
    "ModelSource",
    "ModelWrapper",
    "PersonaManager",
    "PersonaVector",
    "SteeringEngine",
    "SteeringPlan",
    "archetypes_from",
    "get_config",
    "hookimpl",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'persona_core' has no attribute {name!r}")
    return getattr(import_module(f"persona_core.{_HOMES[name]}"), name)

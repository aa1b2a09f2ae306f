"""Steer a language model's persona with activation vectors. Importing this package never imports torch."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from persona_core.hookspecs import hookimpl

if TYPE_CHECKING:
    from persona_core.activation_extractor import ActivationExtractor
    from persona_core.archetype import Archetype, archetypes_from
    from persona_core.config import Config, get_config
    from persona_core.model_source import ModelSource
    from persona_core.model_wrapper import ModelWrapper
    from persona_core.persona_manager import PersonaManager
    from persona_core.persona_vector import Axis, PersonaVector
    from persona_core.steering_engine import SteeringEngine
    from persona_core.steering_plan import SteeringPlan

__version__ = "0.1.0"

_HOMES = {
    "ActivationExtractor": "activation_extractor",
    "Archetype": "archetype",
    "Axis": "persona_vector",
    "Config": "config",
    "ModelSource": "model_source",
    "ModelWrapper": "model_wrapper",
    "PersonaManager": "persona_manager",
    "PersonaVector": "persona_vector",
    "SteeringEngine": "steering_engine",
    "SteeringPlan": "steering_plan",
    "archetypes_from": "archetype",
    "get_config": "config",
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

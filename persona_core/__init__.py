"""Steer a language model's persona with activation vectors: the public names, each loaded when it is first used.

Packages import from here, from `persona_core.errors` and from `persona_core.testing`, and from nothing deeper.
Importing this package never imports torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from persona_core.plugins.hookspecs import hookimpl

if TYPE_CHECKING:
    from persona_core.base.files import LineCache, append_lines, read_text, write_atomically
    from persona_core.base.messages import Message, question_messages
    from persona_core.base.names import check_name, suggestion
    from persona_core.base.progress import Progress, silent
    from persona_core.base.provenance import describe_machine
    from persona_core.base.records import Record, first_problem, read_yaml
    from persona_core.chat.ask import Ask
    from persona_core.chat.commands import ChatCommand, Confirm, Edit, Outcome, SideBySide, Work
    from persona_core.chat.conversation import Turn
    from persona_core.chat.monitors import TurnMonitors, TurnRequest
    from persona_core.chat.session import ChatSession
    from persona_core.cli.app import App, progress_bar
    from persona_core.cli.root import build_cli
    from persona_core.engine.engine import Reply, ReplyStream, SteeringEngine
    from persona_core.engine.receipt import Receipt
    from persona_core.engine.request import SteeringRequest, as_request
    from persona_core.evaluation.answers import ReplyCondition, answer_questions
    from persona_core.evaluation.effect import randomised
    from persona_core.evaluation.judges import Judge, JudgedReply, LogProbJudge
    from persona_core.evaluation.prompt_set import PromptSet, read_voices
    from persona_core.evaluation.statistics import Interval, difference
    from persona_core.extraction.activations import ActivationExtractor
    from persona_core.extraction.data import find_generator, persona_dataset
    from persona_core.extraction.generators import DEFAULT_PROMPTS, DatasetGenerator, Templates, as_noun_phrase
    from persona_core.extraction.persona import extract_persona
    from persona_core.model.decoding import Row, Sampling, generate_tokens
    from persona_core.model.loading.cache import CACHE_VARIABLE, CachedModel, check_room
    from persona_core.model.loading.gguf import (
        CONVERSION_REVISION,
        ConversionNeeds,
        conversion_needs,
        convert_gguf,
        gguf_metadata,
        is_converted,
        knows_splitter,
        reading_gguf,
    )
    from persona_core.model.loading.memory import check_memory
    from persona_core.model.loading.wheels import check_sha256, download_wheel
    from persona_core.model.rollouts import reply_cache, sample_rows
    from persona_core.model.scoring import next_logits, plan_gain, reply_log_probs
    from persona_core.model.wrapper import ModelWrapper
    from persona_core.personas.archetype import Archetype, Text, archetypes_from
    from persona_core.personas.dataset import PersonaDataset, SafetyDataset, SafetyPair, to_text
    from persona_core.personas.manager import PersonaManager
    from persona_core.plugins.loading import load_plugins
    from persona_core.plugins.opening import get_config
    from persona_core.settings.config import Config, GenerationSettings
    from persona_core.settings.installed import PluginManager
    from persona_core.settings.model_source import ModelScheme, ModelSource, Notify, model_slug, slug
    from persona_core.settings.workspace import find_workspace
    from persona_core.steering.blending import BlendingStrategy, WeightedSum, WeightedVector, parse_blend
    from persona_core.steering.capping import CappingContext, CappingPolicy, PercentileFloor
    from persona_core.steering.plan import UNSTEERED, ClampProjection, SteeringPlan
    from persona_core.vectors.maths import unit
    from persona_core.vectors.vector import Axis, PersonaVector

__version__ = "0.1.0"

_HOMES = {
    # configuration and packages
    "Config": "settings.config",
    "GenerationSettings": "settings.config",
    "find_workspace": "settings.workspace",
    "PluginManager": "settings.installed",
    "ModelScheme": "settings.model_source",
    "ModelSource": "settings.model_source",
    "Notify": "settings.model_source",
    "model_slug": "settings.model_source",
    "slug": "settings.model_source",
    "get_config": "plugins.opening",
    "load_plugins": "plugins.loading",
    "App": "cli.app",
    "progress_bar": "cli.app",
    "build_cli": "cli.root",
    # personas and what they are made from
    "Archetype": "personas.archetype",
    "Text": "personas.archetype",
    "archetypes_from": "personas.archetype",
    "PersonaDataset": "personas.dataset",
    "SafetyDataset": "personas.dataset",
    "SafetyPair": "personas.dataset",
    "to_text": "personas.dataset",
    "PersonaManager": "personas.manager",
    "DEFAULT_PROMPTS": "extraction.generators",
    "DatasetGenerator": "extraction.generators",
    "Templates": "extraction.generators",
    "as_noun_phrase": "extraction.generators",
    "find_generator": "extraction.data",
    "persona_dataset": "extraction.data",
    "ActivationExtractor": "extraction.activations",
    "extract_persona": "extraction.persona",
    "Axis": "vectors.vector",
    "PersonaVector": "vectors.vector",
    "unit": "vectors.maths",
    # steering
    "BlendingStrategy": "steering.blending",
    "WeightedSum": "steering.blending",
    "WeightedVector": "steering.blending",
    "parse_blend": "steering.blending",
    "CappingContext": "steering.capping",
    "CappingPolicy": "steering.capping",
    "PercentileFloor": "steering.capping",
    "UNSTEERED": "steering.plan",
    "ClampProjection": "steering.plan",
    "SteeringPlan": "steering.plan",
    "Reply": "engine.engine",
    "ReplyStream": "engine.engine",
    "SteeringEngine": "engine.engine",
    "Receipt": "engine.receipt",
    "SteeringRequest": "engine.request",
    "as_request": "engine.request",
    # the model
    "ModelWrapper": "model.wrapper",
    "Row": "model.decoding",
    "Sampling": "model.decoding",
    "generate_tokens": "model.decoding",
    "reply_cache": "model.rollouts",
    "sample_rows": "model.rollouts",
    "next_logits": "model.scoring",
    "plan_gain": "model.scoring",
    "reply_log_probs": "model.scoring",
    "CACHE_VARIABLE": "model.loading.cache",
    "CachedModel": "model.loading.cache",
    "check_room": "model.loading.cache",
    "CONVERSION_REVISION": "model.loading.gguf",
    "ConversionNeeds": "model.loading.gguf",
    "conversion_needs": "model.loading.gguf",
    "convert_gguf": "model.loading.gguf",
    "gguf_metadata": "model.loading.gguf",
    "is_converted": "model.loading.gguf",
    "knows_splitter": "model.loading.gguf",
    "reading_gguf": "model.loading.gguf",
    "check_memory": "model.loading.memory",
    "check_sha256": "model.loading.wheels",
    "download_wheel": "model.loading.wheels",
    # the chat
    "Ask": "chat.ask",
    "ChatCommand": "chat.commands",
    "Confirm": "chat.commands",
    "Edit": "chat.commands",
    "Outcome": "chat.commands",
    "SideBySide": "chat.commands",
    "Work": "chat.commands",
    "Turn": "chat.conversation",
    "TurnMonitors": "chat.monitors",
    "TurnRequest": "chat.monitors",
    "ChatSession": "chat.session",
    # evaluation
    "ReplyCondition": "evaluation.answers",
    "answer_questions": "evaluation.answers",
    "randomised": "evaluation.effect",
    "Judge": "evaluation.judges",
    "JudgedReply": "evaluation.judges",
    "LogProbJudge": "evaluation.judges",
    "PromptSet": "evaluation.prompt_set",
    "read_voices": "evaluation.prompt_set",
    "describe_machine": "base.provenance",
    "Interval": "evaluation.statistics",
    "difference": "evaluation.statistics",
    # records, names and files
    "LineCache": "base.files",
    "append_lines": "base.files",
    "read_text": "base.files",
    "write_atomically": "base.files",
    "Message": "base.messages",
    "question_messages": "base.messages",
    "check_name": "base.names",
    "suggestion": "base.names",
    "Progress": "base.progress",
    "silent": "base.progress",
    "Record": "base.records",
    "first_problem": "base.records",
    "read_yaml": "base.records",
}
"""Public name -> the module that it lives in."""

__all__ = [
    "CACHE_VARIABLE",
    "CONVERSION_REVISION",
    "DEFAULT_PROMPTS",
    "UNSTEERED",
    "ActivationExtractor",
    "App",
    "Archetype",
    "Ask",
    "Axis",
    "BlendingStrategy",
    "CachedModel",
    "CappingContext",
    "CappingPolicy",
    "ChatCommand",
    "ChatSession",
    "ClampProjection",
    "Config",
    "Confirm",
    "ConversionNeeds",
    "DatasetGenerator",
    "Edit",
    "GenerationSettings",
    "Interval",
    "Judge",
    "JudgedReply",
    "LineCache",
    "LogProbJudge",
    "Message",
    "ModelScheme",
    "ModelSource",
    "ModelWrapper",
    "Notify",
    "Outcome",
    "PercentileFloor",
    "PersonaDataset",
    "PersonaManager",
    "PersonaVector",
    "PluginManager",
    "Progress",
    "PromptSet",
    "Receipt",
    "Record",
    "Reply",
    "ReplyCondition",
    "ReplyStream",
    "Row",
    "SafetyDataset",
    "SafetyPair",
    "Sampling",
    "SideBySide",
    "SteeringEngine",
    "SteeringPlan",
    "SteeringRequest",
    "Templates",
    "Text",
    "Turn",
    "TurnMonitors",
    "TurnRequest",
    "WeightedSum",
    "WeightedVector",
    "Work",
    "answer_questions",
    "append_lines",
    "archetypes_from",
    "as_noun_phrase",
    "as_request",
    "build_cli",
    "check_memory",
    "check_name",
    "check_room",
    "check_sha256",
    "conversion_needs",
    "convert_gguf",
    "describe_machine",
    "difference",
    "download_wheel",
    "extract_persona",
    "find_generator",
    "find_workspace",
    "first_problem",
    "generate_tokens",
    "get_config",
    "gguf_metadata",
    "hookimpl",
    "is_converted",
    "knows_splitter",
    "load_plugins",
    "model_slug",
    "next_logits",
    "parse_blend",
    "persona_dataset",
    "plan_gain",
    "progress_bar",
    "question_messages",
    "randomised",
    "read_text",
    "read_voices",
    "read_yaml",
    "reading_gguf",
    "reply_cache",
    "reply_log_probs",
    "sample_rows",
    "silent",
    "slug",
    "suggestion",
    "to_text",
    "unit",
    "write_atomically",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'persona_core' has no attribute {name!r}")
    value = getattr(import_module(f"persona_core.{_HOMES[name]}"), name)
    globals()[name] = value
    return value

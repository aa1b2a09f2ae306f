"""Hooks: every point at which a package takes part.

`register_*` hooks return objects, so you test a plugin by calling it; `before_turn` and `after_turn` are only notified.

A package takes part with an entry point in the group `persona_core` that names a module with `@hookimpl` functions.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from persona_core.chat.commands import ChatCommand
    from persona_core.chat.conversation import Turn
    from persona_core.chat.monitors import TurnRequest
    from persona_core.evaluation.judges import Judge
    from persona_core.evaluation.prompt_set import PromptSet
    from persona_core.extraction.generators import DatasetGenerator
    from persona_core.personas.archetype import Archetype
    from persona_core.settings.model_source import ModelScheme, ModelSource
    from persona_core.steering.blending import BlendingStrategy
    from persona_core.steering.capping import CappingPolicy

PROJECT = "persona_core"
HOOK_VERSION = 2
"""Version of this contract. A plugin module declares the one it was written for as `HOOK_VERSION`."""
CHANGES = {
    2: "`SideBySide` takes a function that makes the columns; a mapping still works, and ends with version 4",
}
"""Version -> what it changed for plugins that were written for an older one; docs/hooks.md says the same at length."""
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def register_archetypes() -> Iterable[Archetype]:
    """Return the archetypes that this package brings."""
    raise NotImplementedError


@hookspec
def register_dataset_generators() -> Iterable[DatasetGenerator]:
    """Return generators that turn an archetype or a description into a contrastive dataset."""
    raise NotImplementedError


@hookspec
def register_blending_strategies() -> Iterable[BlendingStrategy]:
    """Return strategies that turn weighted persona vectors into one displacement per layer."""
    raise NotImplementedError


@hookspec
def register_capping_policies() -> Iterable[CappingPolicy]:
    """Return policies that bound projections; they return data, and only the core touches the model."""
    raise NotImplementedError


@hookspec
def register_models() -> Iterable[ModelSource | ModelScheme]:
    """Return model aliases: a short name, or `NAME:ARGUMENT`, and how to get its weights into a local folder."""
    raise NotImplementedError


@hookspec
def register_judges() -> Iterable[Judge]:
    """Return judges: how much a reply sounds like each persona."""
    raise NotImplementedError


@hookspec
def register_prompt_sets() -> Iterable[PromptSet]:
    """Return sets of the texts that an evaluation asks and reads; the chosen sets are joined into one."""
    raise NotImplementedError


@hookspec
def register_vector_dirs() -> Iterable[Path]:
    """Return folders of ready-made vectors, laid out as a workspace's `vectors/` folder."""
    raise NotImplementedError


@hookspec
def register_chat_commands() -> Iterable[ChatCommand]:
    """Return slash commands of the chat."""
    raise NotImplementedError


@hookspec
def before_turn(request: TurnRequest) -> None:
    """Receive what the next reply of a chat is made with, as a copy: nothing that you do to it changes the reply."""
    raise NotImplementedError


@hookspec
def after_turn(request: TurnRequest, turn: Turn, seconds: float) -> None:
    """Receive a turn that was kept, and the seconds from its request to the end of its reply."""
    raise NotImplementedError

"""Personas as models of `llm`: `llm -m persona/sage "What makes a good life?"`.

`personas` is the models and their options, `conversation` how llm's messages become ours, `serving` the one engine of a
process. Registering reads the workspace and never imports torch.
"""

from __future__ import annotations

from collections.abc import Callable

import llm

from persona_core.errors import PersonaError


@llm.hookimpl
def register_models(register: Callable[[llm.Model], None]) -> None:
    """Register every persona of the workspace; where that fails, warn, so that llm still works."""
    from llm_persona_steer.personas import models
    from llm_persona_steer.serving import warn

    try:
        personas = models()
    except PersonaError as error:
        warn(f"no persona models: {error}")
        return
    for model in personas:
        register(model)

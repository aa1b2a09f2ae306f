"""The Inspect model provider `persona`: `inspect eval task.py --model persona/smollm2 -M persona=sage`.

`settings` is what the user may set, `requests` what Inspect asks for, `batching` how waiting requests become one batch,
and `provider` puts them together. Neither is imported before a model of this provider is asked for.
"""

from __future__ import annotations

from inspect_ai.model import ModelAPI, modelapi


@modelapi(name="persona")
def persona() -> type[ModelAPI]:
    """Return the provider."""
    from persona_inspect.provider import PersonaAPI

    return PersonaAPI

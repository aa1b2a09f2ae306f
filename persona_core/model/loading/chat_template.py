"""Chat templates: gives a tokenizer the one that is configured: the model's own, a named one, or a Jinja file."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path
from typing import Any

from persona_core.base.files import read_text
from persona_core.base.names import suggestion
from persona_core.errors import ModelError

TURN_ENDS = {"chatml": "<|im_end|>", "gemma": "<end_of_turn>", "llama3": "<|eot_id|>", "mistral": "", "plain": ""}
"""Named template -> the token that ends a turn; empty where that is the tokenizer's own end token."""
OWN = "own"
_CONTROL = re.compile(r"<\|?[a-z_]+\|?>")


def choose_chat_template(tokenizer: Any, choice: str, model_name: str) -> None:
    """Set the chat template that `model.chat_template` names; `own` keeps the model's own.

    Raises `ModelError` where there is none, or where a named one needs tokens that the tokenizer lacks.
    """
    if choice == OWN:
        if tokenizer.chat_template is None:
            raise ModelError(f"{model_name} has no chat template: set model.chat_template to {_choices()}")
    elif choice in TURN_ENDS:
        _use_named(tokenizer, choice, model_name)
    else:
        tokenizer.chat_template = _read(choice)


def _use_named(tokenizer: Any, name: str, model_name: str) -> None:
    text = files("persona_core.model.loading").joinpath(f"chat_templates/{name}.jinja").read_text("utf-8")
    lacking = sorted(set(_CONTROL.findall(text)) - set(tokenizer.get_vocab()))
    if lacking:
        raise ModelError(
            f"the chat template {name!r} needs the tokens {', '.join(lacking)}, which {model_name} does not have: "
            f"set model.chat_template to {_choices()}"
        )
    tokenizer.chat_template = text
    if TURN_ENDS[name]:
        tokenizer.eos_token = TURN_ENDS[name]


def _read(choice: str) -> str:
    path = Path(choice).expanduser()
    if not path.is_file():
        near = suggestion(choice, list(TURN_ENDS))
        raise ModelError(f"model.chat_template: no file {choice!r}{near} Set it to {_choices()}")
    return read_text(path)


def _choices() -> str:
    named = ", ".join(name for name in TURN_ENDS if name != "plain")
    return f"a Jinja file, one of {named}, or plain, which suits models that were not tuned to talk"

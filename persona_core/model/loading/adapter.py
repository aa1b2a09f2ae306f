"""Adapters: merges a PEFT folder, such as a LoRA, into the weights of the model that it was trained on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from persona_core.base.files import read_text
from persona_core.errors import ModelError

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_MERGEABLE = ("auto", "float32", "bfloat16", "float16")


def is_adapter(folder: Path) -> bool:
    """Tell whether a folder holds an adapter and no model."""
    return (folder / CONFIG).is_file() and not (folder / "config.json").is_file()


def base_of(folder: Path) -> str:
    """Return the name of the model that an adapter was trained on; empty where it does not say."""
    try:
        return str(json.loads(read_text(folder / CONFIG)).get("base_model_name_or_path") or "")
    except (ValueError, AttributeError):
        return ""


def adapter_folder(name: str, dtype: str) -> Path:
    """Return the folder that `model.adapter` names; raise `ModelError` before anything is loaded where it cannot be."""
    folder = Path(name).expanduser()
    if not (folder / CONFIG).is_file():
        raise ModelError(f"model.adapter: {folder} holds no {CONFIG}; give a folder that PEFT saved")
    if not (folder / WEIGHTS).is_file():
        raise ModelError(f"model.adapter: {folder} holds no {WEIGHTS}; save the adapter with safe_serialization=True")
    if dtype not in _MERGEABLE:
        raise ModelError(f"model.adapter cannot be merged into {dtype} weights: set model.dtype to bfloat16")
    return folder


def merged(model: Any, folder: Path) -> Any:
    """Return the model with the adapter merged into its weights."""
    try:
        from peft import PeftModel
    except ImportError as error:
        raise ModelError("model.adapter needs PEFT: `python -m pip install 'persona-core[adapters]'`") from error
    try:
        adapted: Any = PeftModel.from_pretrained(model, str(folder))
    except (RuntimeError, ValueError, KeyError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(f"the adapter {folder} does not fit this model: {reason}") from error
    return adapted.merge_and_unload()

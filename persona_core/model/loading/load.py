"""Loading: from a model's name (an alias, a local folder, a GGUF file or a hub id) to weights in memory."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlparse
from urllib.request import getproxies

import torch

from persona_core.base.names import suggestion
from persona_core.base.records import digest
from persona_core.errors import ModelError
from persona_core.model.architecture import auto_class
from persona_core.model.chat_format import ChatFormat
from persona_core.model.loading.adapter import adapter_folder, base_of, is_adapter, merged
from persona_core.model.loading.chat_template import choose_chat_template
from persona_core.model.loading.fingerprint import fingerprint
from persona_core.model.loading.memory import MemoryPlan, check_fits, free_memory, reckon
from persona_core.model.loading.precision import pick_precision
from persona_core.model.loading.quiet import quiet_transformers
from persona_core.settings.config import Config, ModelSettings
from persona_core.settings.installed import PluginManager
from persona_core.settings.model_source import Notify, adapted_slug, slug
from persona_core.vectors.file import ModelIdentity

_WORTH_A_LINE = 2_000_000_000
"""Show the memory plan of models that take this many bytes or more."""


@dataclass(frozen=True)
class LoadedModel:
    """A transformers model with its tokenizer, its name, its slug, and the path that its weights came from."""

    model: Any
    tokenizer: Any
    name: str
    slug: str
    weights: Path | None = None
    adapter: Path | None = None


def load_model(config: Config, report: Notify) -> LoadedModel:
    """Load the configured model and merge its adapter; raise a `ModelError` that names the alternatives if it fails."""
    if not config.model.adapter:
        return _load_bare(config, report)
    adapter = adapter_folder(config.model.adapter, config.model.dtype)
    bare = _load_bare(config, report)
    return replace(
        bare,
        model=merged(bare.model, adapter).eval(),
        name=f"{bare.name} with {adapter.resolve().name}",
        slug=adapted_slug(bare.slug, config.model.adapter),
        adapter=adapter,
    )


def _load_bare(config: Config, report: Notify) -> LoadedModel:
    settings = config.model
    source = config.source
    if source is not None:
        return _from_folder(source.fetch(report), settings, report, source.name, source.slug)
    path = Path(settings.name).expanduser()
    if path.suffix == ".gguf":
        return _from_gguf(path, settings, report)
    if path.is_dir():
        return _from_folder(path, settings, report, str(path), slug(path.resolve().name))
    if "/" not in settings.name or settings.name.startswith((".", "/", "~")):
        raise ModelError(_unknown(settings.name, config.installed))
    return _from_hub(settings, report)


def identify(loaded: LoadedModel) -> ModelIdentity:
    """Return what a vector records of its model: size, a fingerprint of the weights, and the chat template."""
    config = loaded.model.config.get_text_config()
    return ModelIdentity(
        name=loaded.name,
        slug=loaded.slug,
        fingerprint=_fingerprint(loaded),
        template_hash=digest(str(loaded.tokenizer.chat_template).encode()),
        n_layers=config.num_hidden_layers,
        hidden_size=config.hidden_size,
        system_role=ChatFormat(loaded.tokenizer).system_role,
    )


def _fingerprint(loaded: LoadedModel) -> str:
    """Return the fingerprint of the weights; that of a model with an adapter depends on both."""
    bare = fingerprint(loaded.model, loaded.weights)
    return digest(f"{bare}{fingerprint(None, loaded.adapter)}".encode()) if loaded.adapter else bare


def pick_device(name: str) -> torch.device:
    """Return the device; `auto` is cuda if there is one, else mps, else cpu. Raises `ModelError` if it is missing."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ModelError(f"device {name!r} is not there; set model.device to auto or cpu")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise ModelError("device 'mps' is not there; set model.device to auto or cpu")
    return device


def _from_folder(folder: Path, settings: ModelSettings, report: Notify, name: str, folder_slug: str) -> LoadedModel:
    _check_folder(folder)
    options = {"local_files_only": True, "use_safetensors": True}
    return _load(str(folder), settings, report, LoadedModel(None, None, name, folder_slug, folder), options)


def _check_folder(folder: Path) -> None:
    """Raise `ModelError` that says what to do with a folder that holds no model, or one in another format."""
    if is_adapter(folder):
        raise ModelError(f"{folder} is an adapter: set model.adapter to it, and model.name to {_base(folder)}")
    if not (folder / "config.json").is_file():
        raise ModelError(f"{folder} holds no config.json; give a folder that transformers saved")
    if list(folder.glob("*.bin")) and not list(folder.glob("*.safetensors")):
        raise ModelError(
            f"{folder} holds pickled weights (*.bin), which are not loaded here. Convert them: {_convert(folder)}"
        )


def _base(folder: Path) -> str:
    name = base_of(folder)
    return f"its base model {name}" if name else "the model that it was trained on"


def _convert(folder: Path) -> str:
    """Return the command that writes a folder's pickled weights as safetensors; it unpickles weights alone."""
    code = (
        "from transformers import AutoModelForCausalLM as M, AutoTokenizer as T; "
        f"d, o = '{folder}', '{folder}-safe'; M.from_pretrained(d, weights_only=True).save_pretrained(o); "
        "T.from_pretrained(d).save_pretrained(o)"
    )
    return f'`python -c "{code}"`'


def _from_gguf(path: Path, settings: ModelSettings, report: Notify) -> LoadedModel:
    if not path.is_file():
        raise ModelError(f"no GGUF file {path}")
    unloaded = LoadedModel(None, None, str(path), slug(path.stem), path)
    return _load(str(path.parent), settings, report, unloaded, {"gguf_file": path.name})


def _from_hub(settings: ModelSettings, report: Notify) -> LoadedModel:
    from transformers.utils.hub import cached_file

    name = settings.name
    try:
        cached = cached_file(name, "config.json", local_files_only=True, _raise_exceptions_for_missing_entries=False)
    except OSError as error:
        raise ModelError(_cannot_load(name, str(error))) from error
    if cached is None:
        _check_network(name)
    loaded = _load(name, settings, report, LoadedModel(None, None, name, slug(name)), {"use_safetensors": True})
    config_file = cached_file(name, "config.json", local_files_only=True)
    return replace(loaded, weights=Path(str(config_file)).parent)


def _check_network(name: str) -> None:
    """Fail within seconds if the hub cannot be reached: its own client retries for a minute."""
    from huggingface_hub import constants

    host = urlparse(constants.ENDPOINT)
    if getproxies().get(host.scheme):
        return
    try:
        socket.create_connection((host.hostname or "", host.port or 443), timeout=10).close()
    except OSError as error:
        raise ModelError(_cannot_load(name, "it is not on this disk, and the model hub cannot be reached")) from error


def _load(
    folder_or_id: str, settings: ModelSettings, report: Notify, unloaded: LoadedModel, options: dict[str, Any]
) -> LoadedModel:
    """Return `unloaded` with its model and tokenizer."""
    from transformers import AutoConfig, AutoTokenizer

    device = pick_device(settings.device)
    precision = pick_precision(settings.dtype, device)
    options = options | precision.options() | ({} if device.type == "cpu" else {"device_map": {"": device}})
    reading = {key: value for key, value in options.items() if key in ("local_files_only", "gguf_file")}
    with quiet_transformers():
        try:
            config = AutoConfig.from_pretrained(folder_or_id, **reading)
            plan = reckon(config, precision, device, min(settings.context, longest_context(config)))
            _accept(plan, config, unloaded.name, report)
            tokenizer = AutoTokenizer.from_pretrained(folder_or_id, **reading)
            choose_chat_template(tokenizer, settings.chat_template, unloaded.name)
            model: Any = auto_class(config).from_pretrained(folder_or_id, **options)
        except _unreadable() as error:
            raise ModelError(_cannot_load(unloaded.name, str(error))) from error
    return replace(unloaded, model=model.eval(), tokenizer=tokenizer)


def _accept(plan: MemoryPlan, config: Any, name: str, report: Notify) -> None:
    """Refuse a model that cannot fit, and show what a large one will take."""
    check_fits(plan, config, free_memory(plan.device), name)
    if plan.total >= _WORTH_A_LINE:
        report(plan.line())


def longest_context(config: Any) -> int:
    """Return how many tokens a model was trained for."""
    return int(getattr(config.get_text_config(), "max_position_embeddings", 2048))


def _unreadable() -> tuple[type[Exception], ...]:
    """Return the errors that readers of weights, tokenizers and GGUF files raise for a damaged file."""
    from safetensors import SafetensorError

    return (OSError, ValueError, ImportError, LookupError, struct.error, SafetensorError)


def _cannot_load(name: str, reason: str) -> str:
    return (
        f"cannot load model {name!r}: {' '.join(reason.split())[:200]}. Use `--model smollm2` (small, runs on any "
        "CPU), `--model FOLDER` with a model on this disk, or a network connection for the first use"
    )


def _unknown(name: str, plugins: PluginManager) -> str:
    aliases = plugins.registry("register_models").items()
    near = suggestion(name, [getattr(registered.value, "usage", alias) for alias, registered in aliases])
    return f"no model {name!r}{near}; or give a local folder, a GGUF file or a hub id such as owner/name"

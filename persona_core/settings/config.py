"""Config: the validated configuration, with the workspace and the packages that it was opened with."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    StringConstraints,
    ValidationError,
)

from persona_core.base.layers import check_layers
from persona_core.base.names import NAME_PATTERN, suggestion
from persona_core.base.records import Record
from persona_core.errors import ConfigError, PluginError
from persona_core.settings.installed import PluginManager
from persona_core.settings.model_source import ModelSource, adapted_slug, model_source, slug_of
from persona_core.settings.workspace import Workspace, find_workspace

STRONGEST = 2.0
"""The highest strength of a request and the highest weight of a persona in it; 1.0 is the calibrated dose."""
LEAST_GUIDANCE, MOST_GUIDANCE = 1.0, 10.0
"""The range of the guidance: 1.0 samples from the steered prediction, a higher value from beyond it."""


def _layers(value: object) -> str:
    try:
        return check_layers(value)
    except ConfigError as error:
        raise ValueError(str(error)) from error


Safety = bool | Literal["always"]
"""When the floor is held: True while a persona is steered, `always` also while none is, False never."""
SAFETY: dict[str, Safety] = {"on": True, "always": "always", "off": False}
"""The words that users type for it."""


def _safety(value: object) -> Safety:
    if isinstance(value, bool):
        return value
    if not isinstance(value, str) or value not in SAFETY:
        raise ValueError("use on, always or off")
    return SAFETY[value]


LayerSpec = Annotated[str, BeforeValidator(_layers)]
Name = Annotated[str, StringConstraints(pattern=f"^{NAME_PATTERN}$")]
Device = Annotated[str, StringConstraints(pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$")]


class _Section(Record):
    model_config = ConfigDict(extra="forbid")


class ModelSettings(_Section):
    """Which model, where and in which precision."""

    name: Annotated[str, StringConstraints(min_length=1)] = Field(
        "Qwen/Qwen2.5-7B-Instruct",
        description="a hub id, a local folder, a GGUF file, or an alias such as smollm2",
    )
    adapter: str = Field("", description="a PEFT folder, such as a LoRA, that is merged into the model; empty for none")
    device: Device = Field("auto", description="auto, cpu, cuda, cuda:N or mps")
    dtype: Literal["auto", "float32", "bfloat16", "float16", "int8", "nf4"] = Field(
        "auto",
        description="auto (float32 on a CPU, bfloat16 on a GPU), float32, bfloat16, float16, int8 or nf4",
    )
    compile: Literal["auto", "on", "off"] = Field(
        "auto", description="the decoding step: auto (on a cuda GPU, once a process has made 512 tokens), on or off"
    )
    chat_template: str = Field(
        "own", description="own (the model's), a Jinja file, or chatml, gemma, llama3, mistral or plain"
    )
    context: int = Field(4096, ge=64, le=1_000_000, description="most tokens that prompt and reply have together")


class ExtractionSettings(_Section):
    """How persona vectors and axes are made."""

    target_layers: LayerSpec = Field("50%-75%", description="layers that are steered: 14-21, 8,10,12 or 50%-75%")
    max_new_tokens: int = Field(256, ge=4, le=4096, description="tokens of each sampled reply")
    temperature: float = Field(0.7, ge=0, le=2, description="of the sampled replies; 0 is greedy")
    system_prompts: int = Field(5, ge=1, le=100, description="how many of an archetype's system prompts to use")
    questions: int = Field(20, ge=2, le=1000, description="how many of its questions to ask each of them")
    seed: int = Field(0, ge=0, description="of the sampling")
    batch_size: int = Field(32, ge=1, le=1024, description="replies sampled at a time")
    layer_bands: tuple[LayerSpec, ...] = Field(
        ("25%-50%", "35%-60%"),
        description="other layers that calibration tries; it keeps those that are clearly better",
    )
    fit_steps: int = Field(
        24, ge=0, le=1000, description="steps that fit a vector to the persona's prompts; 0 takes the first one alone"
    )
    calibration_questions: int = Field(
        8, ge=2, le=100, description="questions that calibration asks at each dose; fewer are faster and less sure"
    )
    shared_fraction: float = Field(
        0.0, ge=0, le=1, description="how much of what all personas share stays in each vector"
    )
    damage_budget: float = Field(0.3, gt=0, le=5, description="nats per token that strength 1.0 may cost in fluency")
    reference_archetypes: tuple[Name, ...] = Field(
        ("creator", "explorer", "guardian", "sage", "trickster"),
        min_length=2,
        description="the archetypes whose mean is what all personas share; both axes are made with them",
    )


class SteeringSettings(_Section):
    """How personas are added and what holds them."""

    default_strength: float = Field(1.0, ge=0, le=STRONGEST, description=f"0.0-{STRONGEST}; 1.0 is the calibrated dose")
    safety: Annotated[Safety, BeforeValidator(_safety)] = Field(
        True, description="hold the safety floor: on (whenever a persona is steered), always (also unsteered) or off"
    )
    safety_floor_percentile: float = Field(
        25.0, ge=0, le=100, description="of the default assistant's projections: higher is stricter"
    )
    capping_layers: LayerSpec = Field("65%-90%", description="layers at which the floor is held")
    capping_policy: Name = Field("percentile-floor", description="see `persona-steer plugins`")
    floor_budget: float = Field(
        0.02, gt=0, le=5, description="nats of KL a token that the floor may cost on benign replies"
    )
    blending: Name = Field("balanced-sum", description="see `persona-steer plugins`")
    decoding: Literal["guided", "direct"] = Field(
        "guided",
        description="guided (two rows a reply: the persona chooses among words that fit) or direct (one row)",
    )
    guidance: float = Field(
        2.0,
        ge=LEAST_GUIDANCE,
        le=MOST_GUIDANCE,
        description="how far past the unsteered prediction guided decoding follows the persona",
    )


class GenerationSettings(_Section):
    """How replies are sampled."""

    max_new_tokens: int = Field(256, ge=1, le=32768, description="longest reply, in tokens")
    temperature: float = Field(0.7, ge=0, le=2, description="0 is greedy")
    top_p: float = Field(0.95, gt=0, le=1, description="sample from the likeliest tokens of this total probability")


class PluginSettings(_Section):
    """Which packages are loaded; `settings.plugin_choice` reads these keys before anything else is read."""

    allowed: tuple[str, ...] | None = Field(None, description="the only packages that are loaded; null allows all")
    disabled: tuple[str, ...] = Field((), description="packages that are never loaded; `persona-steer plugins disable`")


class Config(Record):
    """The whole configuration, with the workspace that it belongs to."""

    model_config = ConfigDict(extra="forbid")

    model: ModelSettings = Field(default_factory=ModelSettings)
    extraction: ExtractionSettings = Field(default_factory=ExtractionSettings)
    steering: SteeringSettings = Field(default_factory=SteeringSettings)
    generation: GenerationSettings = Field(default_factory=GenerationSettings)
    plugins: PluginSettings = Field(default_factory=PluginSettings)

    _workspace: Workspace | None = PrivateAttr(None)
    _installed: PluginManager | None = PrivateAttr(None)
    _sources: dict[str, ModelSource | None] = PrivateAttr(default_factory=dict)

    @property
    def workspace(self) -> Workspace:
        """The folder that this configuration was read from."""
        return self._workspace or find_workspace()

    @property
    def installed(self) -> PluginManager:
        """The packages that this configuration was opened with; raises `PluginError` where it was opened with none."""
        if self._installed is None:
            raise PluginError("this configuration knows no packages: open the configuration with get_config()")
        return self._installed

    @property
    def source(self) -> ModelSource | None:
        """A package's entry for the configured model, looked up once; None for a hub id, a folder or a file."""
        name = self.model.name
        if name not in self._sources:
            self._sources[name] = model_source(name, self.installed)
        return self._sources[name]

    @property
    def slug(self) -> str:
        """The name of the folder that holds the configured model's vectors; no model is loaded for it."""
        return adapted_slug(slug_of(self.model.name, self.source), self.model.adapter)

    def opened_with(self, plugins: PluginManager) -> "Config":
        """Return this configuration with these packages in place of those that it was opened with."""
        if plugins is self._installed:
            return self
        config = self.model_copy()
        config._installed, config._sources = plugins, {}
        return config

    def replace(self, values: Mapping[str, object]) -> "Config":
        """Return a validated copy with dotted keys such as `extraction.seed` set to new values."""
        data = self.model_dump()
        for key, value in values.items():
            section, name = split_key(key)
            data[section][name] = value
        config = build_config(data, self.workspace)
        config._installed, config._sources = self._installed, self._sources
        return config


def build_config(data: Mapping[str, Any], workspace: Workspace) -> Config:
    """Validate; raise `ConfigError` that names the file, the key, the value and the nearest known key."""
    try:
        sections = dict.fromkeys(Config.model_fields) | dict(data)
        config = Config.model_validate({name: {} if section is None else section for name, section in sections.items()})
    except ValidationError as error:
        raise ConfigError(f"{workspace.config_file}: {_explain(error)}") from error
    config._workspace = workspace
    return config


def keys() -> dict[str, str]:
    """Return every dotted key with its description, in file order."""
    sections = {name: field.annotation for name, field in Config.model_fields.items()}
    return {
        f"{section}.{name}": field.description or ""
        for section, settings in sections.items()
        if isinstance(settings, type) and issubclass(settings, Record)
        for name, field in settings.model_fields.items()
    }


def split_key(key: str) -> tuple[str, str]:
    """Return (section, name); raise `ConfigError` with the nearest key for an unknown one."""
    if key not in keys():
        raise ConfigError(f"no configuration key {key!r}{suggestion(key, keys())}")
    section, _, name = key.partition(".")
    return section, name


def _explain(error: ValidationError) -> str:
    first = error.errors()[0]
    key = ".".join(str(step) for step in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"no configuration key {key!r}{suggestion(key, keys())}"
    return f"{key} = {first['input']!r}: {first['msg'].removeprefix('Value error, ')}"

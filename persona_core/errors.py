"""Every error that a user can cause or meet, in one tree.

```
PersonaError
├── ConfigError            a key, value or YAML file of the configuration
├── WorkspaceError         a folder or file that cannot be read or written
├── ArchetypeError         an archetype's text
├── DatasetError           a dataset's text
├── PluginError            a plugin that is missing, duplicated or broken
├── PlotError              a picture that cannot be drawn
├── ModelError             a model that is not there or cannot do what is asked
├── VectorError            a vector file
│   ├── VectorNotFound     no such persona or axis for this model
│   ├── VectorMismatch     made with another model, size or chat template
│   └── VectorCorrupt      truncated, or not a vector file
├── ExtractionError        an extraction that cannot give a usable direction
│   └── AxisTooWeak        two sides that do not separate
└── SteeringError          a request that steering cannot serve
    ├── SafetyUnavailable  a floor is asked for and cannot be applied
    ├── NoEffect           a persona was asked for and touched nothing
    └── PromptError        an empty prompt, or one longer than the context
```

The command line prints them as one `Error:` line and exits with 1. Anything else is a bug and shows its traceback.
"""


class PersonaError(Exception):
    """The root of every error that this package raises on purpose."""


class ConfigError(PersonaError):
    """A configuration key, value or file is wrong."""


class WorkspaceError(PersonaError):
    """A folder or file of the workspace cannot be read or written."""


class ArchetypeError(PersonaError):
    """An archetype's text is wrong."""


class DatasetError(PersonaError):
    """A dataset's text is wrong."""


class PluginError(PersonaError):
    """A plugin is missing, duplicated or broken."""


class PlotError(PersonaError):
    """A picture cannot be drawn: what it shows, or what draws it, is not there."""


class ModelError(PersonaError):
    """A model is not there, or cannot do what is asked of it."""


class VectorError(PersonaError):
    """A vector file is unusable."""


class VectorNotFound(VectorError):
    """No such persona or axis exists for this model."""


class VectorMismatch(VectorError):
    """The vector was made with another model, size or chat template."""


class VectorCorrupt(VectorError):
    """The file is truncated, or is not a vector file."""


class ExtractionError(PersonaError):
    """An extraction cannot give a usable direction."""


class AxisTooWeak(ExtractionError):
    """The two sides of a contrast do not separate."""


class SteeringError(PersonaError):
    """Steering cannot serve the request."""


class SafetyUnavailable(SteeringError):
    """A safety floor is asked for and cannot be applied."""


class NoEffect(SteeringError):
    """A persona was asked for and touched nothing."""


class PromptError(SteeringError):
    """The prompt is empty, or longer than the model's context."""

"""The file format of vectors: safetensors, all metadata in the header, readable without torch.

The header's one metadata key `persona_steer` holds a `VectorHeader` as JSON. Nothing is ever unpickled.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ConfigDict, Field, ValidationError

from persona_core.base.files import write_atomically
from persona_core.base.records import Record, first_problem
from persona_core.errors import VectorCorrupt, VectorMismatch, VectorNotFound

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

METADATA_KEY = "persona_steer"
_FLOATS = {"F64": "float64", "F32": "float32", "F16": "float16"}
_LONGEST_HEADER = 16_000_000
USABLE = 0.5
"""The cosine of two halves of a persona's data from which its direction is usable."""


class ModelIdentity(Record):
    """Which model a vector belongs to: it serves no other."""

    model_config = ConfigDict(extra="forbid")

    name: str
    slug: str
    fingerprint: str
    template_hash: str
    n_layers: int
    hidden_size: int
    system_role: Literal["system", "user"] = "system"
    """Whose turn a system text stands in; `user` where the chat template has no system role."""

    def check(self, wanted: ModelIdentity, what: str) -> None:
        """Raise `VectorMismatch` that says what differs, unless this is the wanted model."""
        for label, mine, theirs in (
            ("size", (self.n_layers, self.hidden_size), (wanted.n_layers, wanted.hidden_size)),
            ("weights", self.fingerprint, wanted.fingerprint),
            ("chat template", self.template_hash, wanted.template_hash),
        ):
            if mine != theirs:
                raise VectorMismatch(
                    f"{what} was made with {self.name}, whose {label} is {mine}; "
                    f"{wanted.name} has {theirs}: extract it anew for this model"
                )


class Calibration(Record):
    """Which dose strength 1.0 stands for, and what it was measured to do."""

    model_config = ConfigDict(extra="forbid")

    dose: float
    damage_budget: float
    damage: float
    gain: float
    curve: tuple[tuple[float, float, float], ...] = ()
    """(dose, damage, gain), damage and gain in nats per token."""
    guidance: float = 0.0
    """The guidance that the replies were decoded with; 0 for direct decoding."""


class FloorPoint(Record):
    """A floor at one percentile: KL and top-1 kept on benign replies, and the rise of the refusing odds in nats."""

    model_config = ConfigDict(extra="forbid")

    percentile: float
    kl: float
    top1: float
    rise: float


class VectorHeader(Record):
    """Everything about a vector but its numbers."""

    model_config = ConfigDict(extra="forbid")

    schema_version: Literal[1] = 1
    kind: Literal["persona", "axis", "baseline"]
    name: str
    description: str = ""
    model: ModelIdentity
    method: str = ""
    archetype: str = ""
    source: str = ""
    dataset_digest: str = ""
    questions_digest: str = ""
    target_layers: tuple[int, ...] = ()
    seed: int = 0
    n_rollouts: int = 0
    fit_steps: int = 0
    """Steps that the directions were fitted with; 0 where they are the mean difference and gradient themselves."""
    created: str = ""
    versions: dict[str, str] = Field(default_factory=dict)
    measured: dict[str, float | list[float] | dict[str, float]] = Field(default_factory=dict)
    calibration: Calibration | None = None
    """Of direct decoding."""
    guided: Calibration | None = None
    """Of guided decoding."""
    floor_curve: tuple[FloorPoint, ...] = ()
    quantile_levels: tuple[float, ...] = ()
    warnings: tuple[str, ...] = ()


def read_header(path: Path) -> VectorHeader:
    """Read the metadata alone, without numpy or torch; raise `VectorNotFound` or `VectorCorrupt`."""
    try:
        return VectorHeader.model_validate_json(_raw_header(path)["__metadata__"][METADATA_KEY])
    except (KeyError, TypeError) as error:
        raise VectorCorrupt(f"{path} is a safetensors file, but not one of persona-steer") from error
    except ValidationError as error:
        raise VectorCorrupt(f"{path}: header: {first_problem(error)}") from error


def read_arrays(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    """Return the tensors as float32 numpy arrays.

    Raises `VectorCorrupt` for a truncated file, a tensor of no floating-point type, or a number that is not finite.
    """
    import numpy as np
    from safetensors import SafetensorError, deserialize

    read_header(path)
    try:
        stored: Any = deserialize(path.read_bytes())  # type: ignore[no-untyped-call]
        arrays = {name: _array(**tensor) for name, tensor in stored}
    except (SafetensorError, OSError, ValueError) as error:
        raise VectorCorrupt(f"{path} is damaged ({error}); extract it anew or restore it") from error
    broken = [name for name, array in arrays.items() if not bool(np.isfinite(array).all())]
    if broken:
        raise VectorCorrupt(f"{path}: {', '.join(broken)} holds numbers that are not finite; extract it anew")
    return arrays


def _array(dtype: str, shape: list[int], data: bytes) -> np.ndarray[Any, Any]:
    """Return a stored tensor as float32; numpy has no bfloat16, which is the upper half of a float32."""
    import numpy as np

    if dtype == "BF16":
        return (np.frombuffer(data, np.uint16).astype(np.uint32) << 16).view(np.float32).reshape(shape)
    if dtype not in _FLOATS:
        raise ValueError(f"a tensor of the type {dtype}")
    return np.frombuffer(data, _FLOATS[dtype]).astype(np.float32).reshape(shape)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors, float32; raise `VectorCorrupt` as `read_arrays` does."""
    import torch

    return {name: torch.from_numpy(array) for name, array in read_arrays(path).items()}


def write(path: Path, header: VectorHeader, tensors: Mapping[str, Tensor]) -> None:
    """Write float32 tensors and the header, whole or not at all."""
    from safetensors.torch import save

    plain = {name: tensor.detach().cpu().float().contiguous() for name, tensor in sorted(tensors.items())}
    write_atomically(path, save(plain, metadata={METADATA_KEY: header.model_dump_json()}))


def _raw_header(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            size = struct.unpack("<Q", file.read(8))[0]
            header = json.loads(file.read(min(size, _LONGEST_HEADER)))
    except FileNotFoundError as error:
        raise VectorNotFound(f"no vector file {path}") from error
    except OSError as error:
        raise VectorCorrupt(f"cannot read {path}: {error.strerror or error}") from error
    except (struct.error, ValueError, RecursionError) as error:
        raise VectorCorrupt(f"{path} is not a safetensors file, or is truncated; extract it anew") from error
    if not isinstance(header, dict):
        raise VectorCorrupt(f"{path} is not a safetensors file")
    return header

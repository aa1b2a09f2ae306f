"""PersonaVector, Axis and Baseline: what extraction makes and steering uses; each is one safetensors file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from persona_core.errors import SteeringError, VectorCorrupt
from persona_core.vectors import file as vector_file
from persona_core.vectors.checks import axis_problem, baseline_problem, persona_problem
from persona_core.vectors.file import Calibration, VectorHeader

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor


@dataclass(frozen=True)
class PersonaVector:
    """The directions that a persona moves the residual stream along.

    Row `i` of `directions` belongs to the stream after block `i` (0-based), is float32, and points from the default
    assistant toward the persona. Where the header counts `fit_steps`, the target layers' rows are what was fitted, in
    units of the stream. `raw` is the mean difference and `gradient` the gradient that extraction made it
    from, both before centring; `gradient` is None where it used the mean difference alone. `residual_norm` is the
    stream's median length at each layer.
    """

    header: VectorHeader
    directions: Float[Tensor, "layer hidden"]
    raw: Float[Tensor, "layer hidden"]
    residual_norm: Float[Tensor, "layer"]
    gradient: Float[Tensor, "layer hidden"] | None = None

    @property
    def name(self) -> str:
        """The persona's name."""
        return self.header.name

    @property
    def own_dose(self) -> float:
        """The dose at which the stored directions would be added as they are: the mean over the target layers."""
        layers = list(self.header.target_layers)
        shares = self.directions[layers].norm(dim=-1) / self.residual_norm[layers]
        return float(shares.mean()) * len(layers)

    def displacement(self, dose: float | None = None) -> Float[Tensor, "layer hidden"]:
        """Return what strength 1.0 adds at each layer; zero outside the target layers.

        At a target layer its length is dose times the median residual norm, divided by the number of target layers.
        Raises `SteeringError` where the persona is not calibrated and no dose is given.
        """
        from persona_core.vectors.maths import unit

        layers = list(self.header.target_layers)
        share = self._dose(dose) / max(len(layers), 1)
        moved = self.directions.new_zeros(self.directions.shape)
        moved[layers] = share * self.residual_norm[layers, None] * unit(self.directions[layers])
        return moved

    def decoded(self, guided: bool) -> PersonaVector:
        """Return the vector whose dose is that of guided or of direct decoding.

        Raises `SteeringError` where it is calibrated for direct decoding alone, and guided is asked for.
        """
        if not guided or self.header.calibration is None:
            return self
        if self.header.guided is None:
            raise SteeringError(
                f"{self.name} has no dose for guided decoding; run `persona-steer calibrate {self.name}`, or decode "
                "directly with `--guidance 0`"
            )
        return self.with_header(calibration=self.header.guided)

    def with_header(self, **changes: object) -> PersonaVector:
        """Return a copy with header fields changed."""
        return replace(self, header=self.header.model_copy(update=changes))

    def save(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        tensors = {"directions": self.directions, "raw": self.raw, "residual_norm": self.residual_norm}
        vector_file.write(path, self.header, tensors | _present(gradient=self.gradient))

    @classmethod
    def load(cls, path: Path) -> PersonaVector:
        """Read a file; raise `VectorNotFound` or `VectorCorrupt`."""
        header, tensors = _read(path, "persona", ("directions", "raw", "residual_norm"))
        _check(path, persona_problem(header, tensors))
        return cls(header, tensors["directions"], tensors["raw"], tensors["residual_norm"], tensors.get("gradient"))

    def _dose(self, dose: float | None) -> float:
        if dose is not None:
            return dose
        calibration: Calibration | None = self.header.calibration
        if calibration is None:
            raise SteeringError(f"{self.name} has no calibrated dose; run `persona-steer extract {self.name}`")
        return calibration.dose


@dataclass(frozen=True)
class Axis:
    """One unit direction a layer, from bad to good (unsafe to safe; role to assistant), with calibrated quantiles.

    `quantiles[k, i]` is percentile `header.quantile_levels[k]` of the token projections of the default assistant's
    benign replies after block `i`. Only the assistant axis has `shared` and `shared_gradient`: the means of the
    reference personas' raw vectors and of their gradients.
    """

    header: VectorHeader
    directions: Float[Tensor, "layer hidden"]
    quantiles: Float[Tensor, "level layer"]
    shared: Float[Tensor, "layer hidden"] | None = None
    shared_gradient: Float[Tensor, "layer hidden"] | None = None

    @property
    def name(self) -> str:
        """`safety` or `assistant`."""
        return self.header.name

    def with_header(self, **changes: object) -> Axis:
        """Return a copy with header fields changed."""
        return replace(self, header=self.header.model_copy(update=changes))

    def percentile(self, level: float) -> Float[Tensor, "layer"]:
        """Return the level's percentile at every layer, linear between the stored ones."""
        levels: Sequence[float] = self.header.quantile_levels
        above = next((index for index, stored in enumerate(levels) if stored >= level), len(levels) - 1)
        below = max(above - 1, 0)
        if levels[above] <= level or above == below:
            return self.quantiles[above]
        fraction = (level - levels[below]) / (levels[above] - levels[below])
        return self.quantiles[below] * (1 - fraction) + self.quantiles[above] * fraction

    def save(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        tensors = {"directions": self.directions, "quantiles": self.quantiles}
        extra = _present(shared=self.shared, shared_gradient=self.shared_gradient)
        vector_file.write(path, self.header, tensors | extra)

    @classmethod
    def load(cls, path: Path) -> Axis:
        """Read a file; raise `VectorNotFound` or `VectorCorrupt`."""
        header, tensors = _read(path, "axis", ("directions", "quantiles"))
        extra = (tensors.get("shared"), tensors.get("shared_gradient"))
        _check(path, axis_problem(header, tensors))
        return cls(header, tensors["directions"], tensors["quantiles"], *extra)


@dataclass(frozen=True)
class Baseline:
    """The default assistant: its mean activation and the stream's median length, per layer."""

    header: VectorHeader
    mean: Float[Tensor, "layer hidden"]
    residual_norm: Float[Tensor, "layer"]

    def save(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        vector_file.write(path, self.header, {"mean": self.mean, "residual_norm": self.residual_norm})

    @classmethod
    def load(cls, path: Path) -> Baseline:
        """Read a file; raise `VectorNotFound` or `VectorCorrupt`."""
        header, tensors = _read(path, "baseline", ("mean", "residual_norm"))
        _check(path, baseline_problem(header, tensors))
        return cls(header, tensors["mean"], tensors["residual_norm"])


def _present(**tensors: Tensor | None) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in tensors.items() if tensor is not None}


def _check(path: Path, problem: str) -> None:
    """Raise `VectorCorrupt` where there is a problem with what a file says."""
    if problem:
        raise VectorCorrupt(f"{path} is not used: {problem}; extract it anew or restore it")


def _read(path: Path, kind: str, required: Sequence[str]) -> tuple[VectorHeader, dict[str, Tensor]]:
    header = vector_file.read_header(path)
    tensors = vector_file.read_tensors(path)
    missing = [name for name in required if name not in tensors]
    if header.kind != kind or missing:
        raise VectorCorrupt(f"{path} is no {kind} vector file (it is {header.kind}, and lacks {missing})")
    return header, tensors

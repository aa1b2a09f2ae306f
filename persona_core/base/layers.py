"""Layer specifications: texts such as `14-21`, `8,10,12-14`, `50%-75%` or `0.5-0.75` that name layers of any model."""

import re
from collections.abc import Sequence

from persona_core.errors import ConfigError

_INDEX = re.compile(r"(\d{1,6})(?:-(\d{1,6}))?")
_DEPTH = re.compile(r"(\d+(?:\.\d+)?)%(?:-(\d+(?:\.\d+)?)%)?|(0?\.\d+|0\.\d+)(?:-([01]?\.\d+|1))?")


def check_layers(spec: object) -> str:
    """Return the specification as text; raise `ConfigError` if it names no layers."""
    text = _as_text(spec)
    for span in text.split(","):
        if not (_INDEX.fullmatch(span) or _DEPTH.fullmatch(span)):
            raise ConfigError(f"{span!r} is no layer specification: use 14-21, 8,10,12 or 50%-75%")
        _range(span, n_layers=1_000_000)
    return text


def resolve_layers(spec: str, n_layers: int) -> tuple[int, ...]:
    """Return the 0-based layers that a specification names in a model of `n_layers`, ascending, without repeats.

    A depth `p%` is the layer `floor(p/100 * n_layers)`: `50%-75%` is 14-21 of 28. Raises `ConfigError` for a
    layer that the model does not have.
    """
    layers = sorted({layer for span in check_layers(spec).split(",") for layer in _range(span, n_layers)})
    if layers[-1] >= n_layers:
        raise ConfigError(f"layer {layers[-1]} of {spec!r} is out of range: the model has layers 0-{n_layers - 1}")
    return tuple(layers)


def format_layers(layers: Sequence[int]) -> str:
    """Return the shortest text for a set of layers: `8-15` or `3,5,8-10`."""
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in layer_runs(layers))


def layer_runs(layers: Sequence[int]) -> list[tuple[int, int]]:
    """Return the first and the last layer of every run of neighbours."""
    runs: list[tuple[int, int]] = []
    for layer in sorted(layers):
        if runs and layer == runs[-1][1] + 1:
            runs[-1] = runs[-1][0], layer
        else:
            runs.append((layer, layer))
    return runs


def _as_text(spec: object) -> str:
    if isinstance(spec, bool) or not isinstance(spec, int | float | str | list | tuple):
        raise ConfigError(f"{spec!r} is no layer specification: use 14-21, 8,10,12 or 50%-75%")
    spans = spec if isinstance(spec, list | tuple) else [spec]
    return ",".join("".join(str(span).split()) for span in spans)


def _range(span: str, n_layers: int) -> range:
    if index := _INDEX.fullmatch(span):
        low, high = int(index[1]), int(index[2] or index[1])
    else:
        low, high = (_depth_to_layer(depth, n_layers) for depth in _depths(span))
    if high < low:
        raise ConfigError(f"{span!r} runs backwards: write the lower layer first")
    return range(low, high + 1)


def _depths(span: str) -> tuple[float, float]:
    scale = 100.0 if "%" in span else 1.0
    low, _, high = span.replace("%", "").partition("-")
    return float(low) / scale, float(high or low) / scale


def _depth_to_layer(depth: float, n_layers: int) -> int:
    if depth > 1:
        raise ConfigError(f"a depth of {depth:.0%} is more than the whole model: use 0%-100%")
    return min(int(depth * n_layers + 1e-9), n_layers - 1)

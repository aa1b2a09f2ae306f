"""Building: what is taken out of a raw vector, what is recorded, and when a persona is called weak."""

from pathlib import Path

import pytest
import torch

from persona_core.errors import ExtractionError
from persona_core.personas.building import METHOD, METHOD_RAW, Agreement, build_persona, mean_cosine, with_stability
from persona_core.settings.config import Config
from persona_core.testing.examples import example_axis, example_vector
from persona_core.vectors.maths import cosine
from persona_core.vectors.store import SAFETY, VectorStore
from persona_core.vectors.vector import Baseline, PersonaVector

LAYERS, HIDDEN = 6, 16


@pytest.fixture
def store(tmp_path: Path) -> VectorStore:
    """A store with a safety axis and no assistant axis."""
    store = VectorStore("tiny", tmp_path)
    example_axis("safety").save(store.own / f"{SAFETY}.safetensors")
    return store


@pytest.fixture
def baseline() -> Baseline:
    """The default assistant of the examples' model."""
    header = example_axis("safety").header.model_copy(update={"kind": "baseline"})
    return Baseline(header, torch.zeros(LAYERS, HIDDEN), torch.full((LAYERS,), 10.0))


def raw(seed: int) -> torch.Tensor:
    return torch.randn(LAYERS, HIDDEN, generator=torch.Generator().manual_seed(seed))


def build(store: VectorStore, baseline: Baseline, vector: torch.Tensor, **more: torch.Tensor) -> PersonaVector:
    return build_persona("mine", vector, "a persona", store, Config(), baseline, **more)


def test_a_persona_is_orthogonal_to_the_safety_axis_and_keeps_its_raw_vector(
    store: VectorStore, baseline: Baseline
) -> None:
    vector = build(store, baseline, raw(1))
    along = cosine(vector.directions, example_axis("safety").directions)
    assert float(along.abs().max()) < 1e-5
    assert torch.equal(vector.raw, raw(1))
    assert vector.header.calibration is None
    assert vector.header.method == METHOD_RAW
    assert vector.header.versions["torch"]


def test_the_header_says_whether_a_gradient_was_joined(store: VectorStore, baseline: Baseline) -> None:
    assert build(store, baseline, raw(1), gradient=raw(2)).header.method == METHOD


def test_a_raw_vector_of_another_shape_is_refused_with_the_shape_that_is_needed(
    store: VectorStore, baseline: Baseline
) -> None:
    with pytest.raises(ExtractionError, match="6 layers of 16 are needed"):
        build(store, baseline, torch.zeros(LAYERS, HIDDEN + 1))


@pytest.mark.parametrize(("halves", "weak"), [(0.9, False), (0.5, False), (0.3, True)])
def test_a_persona_whose_halves_disagree_is_called_weak(halves: float, weak: bool) -> None:
    agreement = Agreement(torch.full((LAYERS,), halves), torch.full((LAYERS,), 0.95))
    header = with_stability(example_vector("sage"), agreement, []).header
    assert bool(header.warnings) == weak
    assert header.measured["split_half_cosine"] == pytest.approx(halves)


def test_a_persona_like_another_is_called_so_and_not_like_itself() -> None:
    sage, twin, other = example_vector("sage"), example_vector("sage"), example_vector("creator")
    twin = twin.with_header(name="twin")
    agreement = Agreement(torch.full((LAYERS,), 0.9), torch.full((LAYERS,), 0.95))
    header = with_stability(sage, agreement, [sage, twin, other]).header
    assert header.warnings == ("sage is hardly distinct from twin: cosine 1.00",)
    assert set(header.measured["cosines"]) == {"twin", "creator"}  # type: ignore[arg-type]
    assert mean_cosine(sage, twin) == pytest.approx(1.0)

"""The vector file: exact to the bit, readable without torch, and every fault has its error."""

import json
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from safetensors.torch import save
from torch import Tensor

from persona_core.errors import VectorCorrupt, VectorMismatch, VectorNotFound
from persona_core.vectors.file import METADATA_KEY, ModelIdentity, VectorHeader, read_header, read_tensors, write
from persona_core.vectors.vector import Axis, Baseline, PersonaVector

VectorMaker = Callable[..., PersonaVector]
numbers = st.floats(width=32, allow_nan=False, allow_infinity=False)


def tensors(*shape: int, elements: st.SearchStrategy[float] = numbers) -> st.SearchStrategy[Tensor]:
    """Draw float32 tensors of any finite numbers, -0.0 and the smallest ones included."""
    return arrays(np.float32, shape, elements=elements).map(torch.tensor)


LENGTHS = st.floats(2**-20, 2**20, width=32)
SIGNS = st.sampled_from([-(8**-0.5), 8**-0.5])
STEPS = st.floats(0.5, 2, width=32)


def same_bits(one: Tensor | None, other: Tensor | None) -> bool:
    """Tell whether two float32 tensors are equal to the bit, signs of zeros included."""
    if one is None or other is None:
        return one is other
    return one.dtype == other.dtype == torch.float32 and torch.equal(one.view(torch.int32), other.view(torch.int32))


@given(directions=tensors(4, 8), raw=tensors(4, 8), norm=tensors(4, elements=LENGTHS))
def test_a_persona_vector_is_saved_to_the_bit(
    scratch: Path, header: VectorHeader, directions: Tensor, raw: Tensor, norm: Tensor
) -> None:
    PersonaVector(header, directions, raw, norm).save(scratch / "persona.safetensors")
    back = PersonaVector.load(scratch / "persona.safetensors")
    assert back.header == header
    assert same_bits(back.directions, directions)
    assert same_bits(back.raw, raw)
    assert same_bits(back.residual_norm, norm)


@given(
    directions=tensors(4, 8, elements=SIGNS),
    quantiles=tensors(3, 4, elements=STEPS).map(lambda steps: steps.cumsum(0)),
    shared=st.none() | tensors(4, 8),
)
def test_an_axis_is_saved_to_the_bit(
    scratch: Path, header: VectorHeader, directions: Tensor, quantiles: Tensor, shared: Tensor | None
) -> None:
    axis_header = header.model_copy(update={"kind": "axis", "quantile_levels": (0.1, 25.0, 100.0)})
    axis = Axis(axis_header, directions, quantiles, shared)
    axis.save(scratch / "axis.safetensors")
    back = Axis.load(scratch / "axis.safetensors")
    assert back.header == axis.header
    assert same_bits(back.directions, directions)
    assert same_bits(back.quantiles, quantiles)
    assert same_bits(back.shared, shared)


@given(mean=tensors(4, 8), norm=tensors(4, elements=LENGTHS))
def test_a_baseline_is_saved_to_the_bit(scratch: Path, header: VectorHeader, mean: Tensor, norm: Tensor) -> None:
    Baseline(header.model_copy(update={"kind": "baseline"}), mean, norm).save(scratch / "base.safetensors")
    back = Baseline.load(scratch / "base.safetensors")
    assert same_bits(back.mean, mean)
    assert same_bits(back.residual_norm, norm)


def test_equal_vectors_give_equal_files(tmp_path: Path, make_vector: VectorMaker) -> None:
    for name in ("one", "two"):
        make_vector(seed=3).save(tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@given(cut=st.integers(0, 2**20))
@example(cut=0)
@example(cut=8)
def test_a_file_cut_at_any_byte_is_corrupt(scratch: Path, make_vector: VectorMaker, cut: int) -> None:
    path = scratch / "cut.safetensors"
    make_vector().save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: cut % len(whole)])
    with pytest.raises(VectorCorrupt, match=r"cut\.safetensors"):
        PersonaVector.load(path)


def framed(body: bytes) -> bytes:
    """Put a header length before some bytes, as safetensors does."""
    return struct.pack("<Q", len(body)) + body


@given(st.binary(max_size=200) | st.binary(max_size=200).map(framed) | st.text(max_size=50).map(str.encode).map(framed))
@example(framed(b"[" * 100_000))
@example(framed(b"[]"))
@example(framed(b"{}"))
@example(framed(b'{"__metadata__": []}'))
@example(framed(b'{"__metadata__": {"persona_steer": "{}"}}'))
@example(framed(b'{"__metadata__": {"persona_steer": 5}}'))
@example(b"\xff" * 8 + b"{}")
def test_random_bytes_are_corrupt(scratch: Path, content: bytes) -> None:
    path = scratch / "random.safetensors"
    path.write_bytes(content)
    for read in (read_header, read_tensors, PersonaVector.load, Axis.load, Baseline.load):
        with pytest.raises(VectorCorrupt, match=r"random\.safetensors"):
            read(path)


@given(place=st.integers(0, 2**20), bit=st.integers(0, 7))
def test_a_flipped_bit_reads_or_is_a_vector_error(
    scratch: Path, make_vector: VectorMaker, place: int, bit: int
) -> None:
    path = scratch / "flipped.safetensors"
    make_vector().save(path)
    content = bytearray(path.read_bytes())
    content[place % len(content)] ^= 1 << bit
    path.write_bytes(content)
    try:
        assert PersonaVector.load(path).directions.isfinite().all()
    except VectorCorrupt as error:
        assert "flipped.safetensors" in str(error)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("name", ["directions", "raw", "residual_norm"])
def test_a_number_that_is_not_finite_is_corrupt(
    tmp_path: Path, make_vector: VectorMaker, name: str, bad: float
) -> None:
    getattr(vector := make_vector(), name)[..., 1] = bad
    vector.save(tmp_path / "nan.safetensors")
    with pytest.raises(VectorCorrupt, match=rf"nan\.safetensors: {name} holds numbers that are not finite"):
        PersonaVector.load(tmp_path / "nan.safetensors")


def test_a_missing_file_is_not_found_and_a_folder_is_corrupt(tmp_path: Path) -> None:
    with pytest.raises(VectorNotFound, match="no vector file"):
        PersonaVector.load(tmp_path / "missing.safetensors")
    with pytest.raises(VectorCorrupt, match="cannot read"):
        read_header(tmp_path)


def test_another_programs_safetensors_file_is_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    path.write_bytes(save({"weight": torch.zeros(2)}))
    with pytest.raises(VectorCorrupt, match="not one of persona-steer"):
        read_header(path)


def test_a_vector_of_another_kind_is_refused(tmp_path: Path, make_vector: VectorMaker) -> None:
    path = tmp_path / "sage.safetensors"
    make_vector().save(path)
    for kind, load in (("axis", Axis.load), ("baseline", Baseline.load)):
        with pytest.raises(VectorCorrupt, match=f"no {kind} vector file"):
            load(path)


def test_tensors_of_another_size_than_the_header_says_are_refused(tmp_path: Path, header: VectorHeader) -> None:
    path = tmp_path / "small.safetensors"
    PersonaVector(header, torch.ones(3, 8), torch.ones(3, 8), torch.ones(3)).save(path)
    with pytest.raises(VectorCorrupt, match="4 layers of 8"):
        PersonaVector.load(path)


def test_a_header_of_a_later_schema_names_the_field(tmp_path: Path, header: VectorHeader) -> None:
    path = tmp_path / "later.safetensors"
    later = json.dumps(json.loads(header.model_dump_json()) | {"schema_version": 2})
    path.write_bytes(save({"directions": torch.zeros(4, 8)}, metadata={METADATA_KEY: later}))
    with pytest.raises(VectorCorrupt, match=r"later\.safetensors: header: schema_version"):
        read_header(path)


def test_a_write_replaces_the_file_and_leaves_no_part(tmp_path: Path, header: VectorHeader) -> None:
    for value in (1.0, 2.0):
        write(tmp_path / "v.safetensors", header, {"directions": torch.full((4, 8), value)})
    assert float(read_tensors(tmp_path / "v.safetensors")["directions"][0, 0]) == 2.0
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["v.safetensors"]


def test_views_and_low_precision_are_written_as_plain_float32(tmp_path: Path, header: VectorHeader) -> None:
    turned = torch.arange(32.0).reshape(8, 4).T.bfloat16()
    write(tmp_path / "v.safetensors", header, {"directions": turned})
    assert torch.equal(read_tensors(tmp_path / "v.safetensors")["directions"], turned.float())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"n_layers": 5}, r"size is \(4, 8\); other has \(5, 8\)"),
        ({"hidden_size": 9}, "size"),
        ({"fingerprint": "f2"}, "weights is f1; other has f2"),
        ({"template_hash": "t2"}, "chat template is t1; other has t2"),
    ],
)
def test_a_vector_of_another_model_says_what_differs(
    identity: ModelIdentity, change: dict[str, object], words: str
) -> None:
    other = identity.model_copy(update=change | {"name": "other"})
    with pytest.raises(VectorMismatch, match=f"sage was made with tiny.*{words}"):
        identity.check(other, "sage")


def test_the_same_model_under_another_name_is_served(identity: ModelIdentity) -> None:
    identity.check(identity.model_copy(update={"name": "/folder/tiny", "slug": "x"}), "sage")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_a_file_in_another_precision_is_read_as_float32(
    tmp_path: Path, make_vector: VectorMaker, dtype: torch.dtype
) -> None:
    vector = make_vector()
    stored = {"directions": vector.directions, "raw": vector.raw, "residual_norm": vector.residual_norm}
    short = {name: tensor.to(dtype) for name, tensor in stored.items()}
    metadata = {METADATA_KEY: vector.header.model_dump_json()}
    (tmp_path / "short").write_bytes(save(short, metadata=metadata))
    back = PersonaVector.load(tmp_path / "short")
    assert same_bits(back.directions, short["directions"].float())
    assert same_bits(back.residual_norm, short["residual_norm"].float())


def test_a_tensor_of_whole_numbers_is_corrupt(tmp_path: Path, make_vector: VectorMaker) -> None:
    vector = make_vector()
    whole = {"directions": vector.directions.long(), "raw": vector.raw, "residual_norm": vector.residual_norm}
    (tmp_path / "whole").write_bytes(save(whole, metadata={METADATA_KEY: vector.header.model_dump_json()}))
    with pytest.raises(VectorCorrupt, match=r"whole is damaged \(a tensor of the type I64\)"):
        PersonaVector.load(tmp_path / "whole")

"""A fingerprint tells models apart by their weights, and is the same in every precision they are loaded in."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from persona_core.model.loading.fingerprint import SAMPLED, fingerprint


def network(seed: int = 0, names: tuple[str, str] = ("one", "two"), width: int = 4) -> nn.ModuleDict:
    """Return a small network."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.ModuleDict({name: nn.Linear(width, 80) for name in names})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the network's weights, in two files."""
    state = network().state_dict()
    for index, (name, weight) in enumerate(state.items()):
        save_file({name: weight}, tmp_path / f"model-{index % 2}-{name}.safetensors")
    return tmp_path


def test_weights_on_disk_and_in_memory_have_one_fingerprint(folder: Path) -> None:
    assert fingerprint(network(), folder) == fingerprint(network(), None)
    assert len(fingerprint(network(), None)) == 16


def test_the_precision_that_a_model_is_loaded_in_changes_nothing(folder: Path) -> None:
    assert fingerprint(network().to(torch.bfloat16), folder) == fingerprint(network(), folder)


@pytest.mark.parametrize("other", [network(1), network(names=("one", "three")), network(width=5)])
def test_other_values_names_and_shapes_have_other_fingerprints(other: nn.ModuleDict) -> None:
    assert fingerprint(other, None) != fingerprint(network(), None)


def test_the_order_of_files_and_weights_changes_nothing() -> None:
    assert fingerprint(network(names=("two", "one")), None) != fingerprint(network(), None)  # values swap names
    swapped = nn.ModuleDict({name: network()[name] for name in ("two", "one")})
    assert fingerprint(swapped, None) == fingerprint(network(), None)


def test_a_gguf_files_fingerprint_sees_its_size_and_chunks_all_over_it(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    content = bytearray(range(256)) * 256 * 8
    path.write_bytes(content)
    fingerprints = {fingerprint(None, path)}
    path.write_bytes(content + b"\0")
    fingerprints.add(fingerprint(None, path))
    for chunk in range(0, SAMPLED, 16):
        changed = bytearray(content)
        changed[len(content) * chunk // SAMPLED] ^= 1
        path.write_bytes(changed)
        fingerprints.add(fingerprint(None, path))
    assert len(fingerprints) == 2 + SAMPLED // 16

"""The norms and cosines that `info` shows are those of the vectors, computed without torch."""

from pathlib import Path

import pytest
import torch

from persona_core import PersonaManager, get_config
from persona_core.personas.building import axis_cosine, mean_cosine
from persona_core.personas.figures import figures
from persona_core.vectors.file import read_header


@pytest.fixture
def manager(workspace_folder: Path) -> PersonaManager:
    return PersonaManager(get_config(workspace_folder, model="smollm2"))


def test_norms_and_cosines_are_those_that_torch_computes(manager: PersonaManager) -> None:
    sage, trickster = manager.persona("sage"), manager.persona("trickster")
    shown = figures(manager, "sage", read_header(manager.require("sage")))
    layers = list(sage.header.target_layers)
    norms = torch.tensor([shown["norms"][layer] for layer in layers])
    assert torch.allclose(norms, sage.directions[layers].norm(dim=-1), atol=1e-3)
    assert shown["cosines_with_personas"]["trickster"] == pytest.approx(mean_cosine(sage, trickster), abs=1e-3)
    axis = manager.store.axis("safety_axis", sage.header.model)
    assert shown["cosines_with_axes"]["safety_axis"] == pytest.approx(axis_cosine(sage, axis.directions), abs=1e-3)


def test_a_damaged_file_and_a_persona_of_another_model_are_left_out(manager: PersonaManager) -> None:
    sage = manager.persona("sage")
    other = sage.header.model.model_copy(update={"fingerprint": "other"})
    sage.with_header(name="stranger", model=other).save(manager.store.persona_path("stranger"))
    manager.store.persona_path("broken").write_bytes(b"no vector")
    shown = figures(manager, "sage", read_header(manager.require("sage")))["cosines_with_personas"]
    assert set(shown) == {"creator", "explorer", "guardian", "trickster"}

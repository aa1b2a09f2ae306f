"""The vectors in the repository are what the manifest says, belong to the embedded model, and can be made again."""

import json
from pathlib import Path

import pytest

from persona_core import PersonaManager, get_config
from persona_core.cli.bundling import manifest
from persona_core.vectors.file import read_header
from persona_core.vectors.maths import cosine

VECTORS = Path(__file__).parents[2] / "vectors"
FOLDER = VECTORS / "smollm2-135m-instruct"
FILES = sorted(FOLDER.rglob("*.safetensors"))
PERSONAS = sorted(path.stem for path in (FOLDER / "personas").iterdir())


def test_manifest_names_every_file_with_its_hash():
    assert manifest(VECTORS) == json.loads((VECTORS / "manifest.json").read_text())
    assert len(FILES) == 8


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_bundled_file_belongs_to_the_embedded_model(path, model):
    read_header(path).model.check(model.identity, path.name)


def test_safety_axis_separates_refusal_and_not_personas(model):
    header = read_header(FOLDER / "safety_axis.safetensors")
    for layer in model.capping_layers:
        assert header.measured["heldout_auc"][layer] >= 0.95
        assert 0.4 <= header.measured["persona_auc"][layer] <= 0.6
    floor = {point.percentile: point for point in header.floor_curve}[25.0]
    assert floor.kl <= 0.02
    assert floor.top1 >= 0.96
    assert floor.rise >= 1.0


@pytest.mark.parametrize("name", PERSONAS)
def test_no_judge_prompt_enters_a_dataset_and_the_digests_of_the_bundled_vectors_stay_valid(tmp_path, name):
    from persona_core.extraction.data import persona_dataset

    manager = PersonaManager(get_config(tmp_path, model="smollm2"))
    archetype, dataset = manager.archetype(name), persona_dataset(manager, name)
    assert len(archetype.judge_prompts) == 2
    assert set(archetype.judge_prompts).isdisjoint((*dataset.persona_prompts, *dataset.questions))
    assert dataset.digest() == manager.store.persona(name).header.dataset_digest


def test_a_persona_extracted_again_is_the_bundled_one(model, tmp_path):
    """All 100 replies and the whole fit again with the recorded seed; the dose is not part of the direction."""
    from persona_core.extraction.activations import ActivationExtractor
    from persona_core.extraction.data import persona_dataset
    from persona_core.extraction.distillation import fit_persona
    from persona_core.extraction.persona import measure_persona, persona_replies
    from persona_core.personas.building import build_persona

    config = get_config(tmp_path, model="smollm2")
    manager = PersonaManager(config)
    bundled = manager.store.persona("sage")
    assert bundled.header.seed == config.extraction.seed
    dataset = persona_dataset(manager, "sage")
    assert dataset.digest() == bundled.header.dataset_digest
    extractor = ActivationExtractor(model, config)
    replies = persona_replies(extractor, dataset, "sage")
    raw_persona = measure_persona(extractor, manager, dataset, replies)
    baseline = manager.store.baseline(model.identity)
    start = build_persona(
        "sage", raw_persona.raw, "", manager.store, config, baseline, gradient=raw_persona.gradient
    ).with_header(target_layers=bundled.header.target_layers)
    again = fit_persona(extractor, manager, start, dataset, replies.activations.rollouts)
    layers = list(bundled.header.target_layers)
    assert again.header.fit_steps == bundled.header.fit_steps
    assert float(cosine(again.raw, bundled.raw)[layers].min()) >= 0.99
    assert float(cosine(again.directions[layers], bundled.directions[layers]).min()) >= 0.95

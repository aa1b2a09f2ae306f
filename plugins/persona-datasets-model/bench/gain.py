"""One description as two personas, by the templates and by the model: dose, damage and gain of both vectors.

A gain is judged by a persona's own system prompts, so the last columns judge both personas' replies by both.

    python plugins/persona-datasets-model/bench/gain.py [--model smollm2]
"""

import argparse
import tempfile
from pathlib import Path

from persona_core import Archetype, ModelWrapper, PersonaManager, PersonaVector, SteeringEngine, get_config
from persona_core.atomic_file import write_atomically
from persona_core.decoding import Sampling
from persona_core.evaluation.answers import ReplyCondition, answer
from persona_core.evaluation.judges import LogProbJudge
from persona_core.extraction import extract_persona
from persona_core.persona_data import generator

WHO = "a grumpy pirate captain who loves the sea"
MAKERS = {"corsair-t": "templates", "corsair-m": "model-written"}
SAMPLING = Sampling(48, 0.7)
N_QUESTIONS = 20


def main() -> None:
    """Print a row a generator."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = ModelWrapper(get_config(Path(folder), model=options.model))
        archetypes, vectors = made(model)
        print(
            f"{'generator':14} {'dose':>6} {'damage':>7} {'gain':>6}  gain by the prompts of "
            + ", ".join(MAKERS.values())
        )
        for vector, judged in zip(vectors, by_both(model, archetypes), strict=True):
            found = vector.header.calibration
            assert found is not None
            row = f"{MAKERS[vector.name]:14} {found.dose:6.3f} {found.damage:7.2f} {found.gain:6.2f}  "
            print(row + " ".join(f"{score:+.2f}" for score in judged))


def made(model: ModelWrapper) -> tuple[list[Archetype], list[PersonaVector]]:
    """Write both archetypes, extract and calibrate."""
    manager = PersonaManager(model.config)
    archetypes = []
    for name, maker in MAKERS.items():
        archetype = generator(manager, maker, lambda: model).archetype(name, WHO, manager.question_bank())
        write_atomically(manager.workspace.archetypes / f"{name}.yaml", archetype.to_yaml())
        archetypes.append(archetype)
    manager.forget_archetypes()
    return archetypes, [extract_persona(model, manager, name) for name in MAKERS]


def by_both(model: ModelWrapper, archetypes: list[Archetype]) -> list[list[float]]:
    """Return how much each persona's replies gain over unsteered ones, under the prompts of each archetype."""
    manager = PersonaManager(model.config)
    engine = SteeringEngine(model, manager)
    conditions = [ReplyCondition(name, engine.plan(engine.steering(name))) for name in MAKERS]
    questions = manager.question_bank()[-N_QUESTIONS:]
    plain, *steered = answer(model, [ReplyCondition("plain"), *conditions], questions, SAMPLING, seed=1)
    judge = LogProbJudge(n_prompts=5)
    before = judge.score(plain, archetypes, model).mean(0)
    return [(judge.score(replies, archetypes, model).mean(0) - before).tolist() for replies in steered]


if __name__ == "__main__":
    main()

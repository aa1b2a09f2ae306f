"""Three descriptions, each as a persona by the templates and one by the model: dose, damage and gain of the vectors.

A gain is judged by a persona's own system prompts. So the replies of both to questions of the bank are also judged by
the prompts of both: the last column is what `model-written` gains more than `templates`, the mean of both judges, with
its 95 % interval over questions. Ten minutes a description on one core.

    python plugins/persona-datasets-model/bench/gain.py [--model smollm2] [NAME ...]
"""

import argparse
import tempfile
from pathlib import Path

from torch import Tensor
from written import DESCRIPTIONS

from persona_core import (
    Archetype,
    LogProbJudge,
    ModelWrapper,
    PersonaManager,
    PersonaVector,
    ReplyCondition,
    Sampling,
    SteeringEngine,
    answer_questions,
    difference,
    extract_persona,
    find_generator,
    get_config,
    write_atomically,
)

MAKERS = {"t": "templates", "m": "model-written"}
SAMPLING = Sampling(48, 0.7)
N_QUESTIONS = 20
HEADS = ("description", "generator", "dose", "damage", "gain", "by the templates' prompts", "by the model's prompts",
         "model-written less templates, by both")  # fmt: skip


def main() -> None:
    """Print a row a description and generator."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=list(DESCRIPTIONS))
    parser.add_argument("--model", default="smollm2")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = ModelWrapper(get_config(Path(folder), model=options.model))
        print("| " + " | ".join(HEADS) + " |\n|---|---|" + "---|" * (len(HEADS) - 2), flush=True)
        for name in options.names:
            archetypes, vectors = made(model, name)
            print_rows(name, vectors, by_both(model, archetypes))


def made(model: ModelWrapper, name: str) -> tuple[list[Archetype], list[PersonaVector]]:
    """Write both archetypes of a description, extract and calibrate."""
    manager = PersonaManager(model.config)
    archetypes = []
    for letter, maker in MAKERS.items():
        writer = find_generator(manager, maker, lambda: model)
        archetype = writer.archetype(f"{name}-{letter}", DESCRIPTIONS[name], manager.question_bank())
        write_atomically(manager.workspace.archetypes / f"{archetype.name}.yaml", archetype.to_yaml())
        archetypes.append(archetype)
    manager.forget_archetypes()
    return archetypes, [extract_persona(model, manager, archetype.name) for archetype in archetypes]


def by_both(model: ModelWrapper, archetypes: list[Archetype]) -> list[Tensor]:
    """Return, for each persona, how much its replies gain over unsteered ones: question × judging archetype."""
    manager = PersonaManager(model.config)
    engine = SteeringEngine(model, manager)
    conditions = [ReplyCondition(each.name, engine.plan(engine.steering(each.name))) for each in archetypes]
    questions = manager.question_bank()[-N_QUESTIONS:]
    plain, *steered = answer_questions(model, [ReplyCondition("plain"), *conditions], questions, SAMPLING, seed=1)
    judge = LogProbJudge(n_prompts=5)
    before = judge.score(plain, archetypes, model)
    return [judge.score(replies, archetypes, model) - before for replies in steered]


def print_rows(name: str, vectors: list[PersonaVector], gains: list[Tensor]) -> None:
    """Print both rows of a description, nats per token."""
    templates, written = (gain[None] for gain in gains)
    more = difference(written, templates, lambda scores: float(scores.mean()))
    for maker, vector, gain, ahead in zip(MAKERS.values(), vectors, gains, ("", str(more)), strict=True):
        found = vector.header.calibration
        assert found is not None
        figures = [f"{found.dose:.3f}", f"{found.damage:.2f}", f"{found.gain:.2f}"]
        judged = [f"{value:+.2f}" for value in gain.mean(0).tolist()]
        print("| " + " | ".join([DESCRIPTIONS[name], f"`{maker}`", *figures, *judged, ahead]) + " |", flush=True)


if __name__ == "__main__":
    main()

"""Extraction: capture beside a plain forward, and a persona's replies beside one-by-one `generate`.

python tests/bench/extraction_speed.py [--rounds N] [--write]

The reference of the second is what a short script does: `generate` for one question at a time, then a forward with
`output_hidden_states` and the mean over the reply. It answers a tenth of the questions; times are per reply.
"""

from __future__ import annotations

import resource
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from bench_tools import Timing, Work, arguments, interleaved, plain_model, provenance, times_table, write_section

from persona_core import ActivationExtractor, ModelWrapper, PersonaManager, get_config
from persona_core.base.messages import Message, question_messages
from persona_core.extraction.data import persona_dataset
from persona_core.model.padding import batches
from persona_core.model.rollouts import Rollout

REFERENCE, OURS = "one by one: `generate`, then `output_hidden_states`", "ours: sampled in batches, captured"
FORWARD, LAST, HIDDEN = "plain forward", "plain forward, last logits only", "plain forward, `output_hidden_states`"
CAPTURE = "capture of every layer's response means"
PROMPTS, QUESTIONS, BATCH, TENTH = 5, 20, 16, 10


class Bench:
    """Our model, a plain one, and a persona's rollouts."""

    def __init__(self) -> None:
        self.model = ModelWrapper(get_config(Path(tempfile.mkdtemp()), model="smollm2"))
        self.plain = plain_model()
        data = persona_dataset(PersonaManager(self.model.config), "sage")
        self.prompts, self.questions = data.persona_prompts[:PROMPTS], data.questions[:QUESTIONS]
        self.n_tokens = self.model.config.extraction.max_new_tokens

    def extractor(self) -> ActivationExtractor:
        """Return an extractor that has sampled nothing yet."""
        config = get_config(Path(tempfile.mkdtemp()), model="smollm2", plugins=self.model.config.installed)
        return ActivationExtractor(self.model, config)

    def extract(self) -> list[Rollout]:
        """Sample and capture every reply."""
        extractor = self.extractor()
        rollouts = extractor.roll_out(self.prompts, self.questions, "persona")
        extractor.capture(rollouts)
        return rollouts

    def one_by_one(self) -> None:
        """Sample and read a tenth of the replies with transformers alone."""
        asked = [question_messages(question, system) for system in self.prompts for question in self.questions]
        for messages in asked[:: len(asked) // TENTH]:
            self._one(messages)

    def _one(self, messages: Sequence[Message]) -> torch.Tensor:
        ids = torch.tensor([self.model.encode(messages)])
        options: dict[str, Any] = {"max_new_tokens": self.n_tokens, "do_sample": True, "temperature": 0.7, "top_p": 1.0}
        with torch.inference_mode():
            whole = self.plain.generate(ids, attention_mask=torch.ones_like(ids), pad_token_id=0, **options)
            states = self.plain(whole, output_hidden_states=True).hidden_states
        return torch.stack([state[0, ids.shape[1] :].mean(0) for state in states[1:]])

    def forward(self, ids: torch.Tensor, mask: torch.Tensor, **options: Any) -> None:
        """Run one plain forward."""
        with torch.inference_mode():
            self.plain(ids, attention_mask=mask.long(), use_cache=False, **options)


def capture_table(bench: Bench, rollouts: Sequence[Rollout], rounds: int) -> str:
    """Return the times of one batch."""
    (places, *_) = batches([len(rollout.token_ids) for rollout in rollouts], BATCH)
    chosen, extractor = [rollouts[place] for place in places], bench.extractor()
    ids, mask = bench.model.pad([rollout.token_ids for rollout in chosen])
    works: dict[str, Work] = {
        FORWARD: lambda: bench.forward(ids, mask),
        LAST: lambda: bench.forward(ids, mask, logits_to_keep=1),
        HIDDEN: lambda: bench.forward(ids, mask, output_hidden_states=True),
        CAPTURE: lambda: extractor.capture(chosen),
    }
    shape = f"One batch of {BATCH} rollouts, {ids.shape[1]} tokens the longest."
    return f"{shape}\n\n{times_table(interleaved(works, rounds), FORWARD, 'work')}"


def memory_line(bench: Bench, rollouts: Sequence[Rollout]) -> str:
    """Return the process's highest resident memory after capturing more and more rollouts."""
    extractor, cells = bench.extractor(), []
    for times in (1, 2, 4):
        extractor.capture([*rollouts] * times)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        cells.append(f"{peak:.0f} MiB after {times * len(rollouts)} rollouts")
    return f"Highest resident memory of the process, both models in it: {', '.join(cells)}."


def extraction_table(bench: Bench, rounds: int) -> str:
    """Return seconds a reply of both ways."""
    found = interleaved({REFERENCE: bench.one_by_one, OURS: bench.extract}, rounds)
    each = {REFERENCE: TENTH, OURS: PROMPTS * QUESTIONS}
    found = {
        name: Timing([s / each[name] for s in t.cpu], [s / each[name] for s in t.wall]) for name, t in found.items()
    }
    head = f"{PROMPTS * QUESTIONS} rollouts of up to {bench.n_tokens} tokens; milliseconds a rollout."
    return f"{head}\n\n{times_table(found, REFERENCE, 'work')}"


def a_reply(timing: Timing, n: int) -> Timing:
    """Return the times of one of `n` replies."""
    return Timing([cpu / n for cpu in timing.cpu], [wall / n for wall in timing.wall])


def main() -> None:
    """Measure, print, and keep the tables where that is asked for."""
    parser = arguments(__doc__, 7)
    parser.add_argument("--extractions", type=int, default=3, help="rounds of whole extractions")
    given = parser.parse_args()
    bench = Bench()
    rollouts = bench.extract()
    parts = [capture_table(bench, rollouts, given.rounds), memory_line(bench, rollouts)]
    text = "\n\n".join([provenance(), *parts, extraction_table(bench, given.extractions)])
    print(text)
    if given.write:
        write_section("extraction", text)


if __name__ == "__main__":
    main()

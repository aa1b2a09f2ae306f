"""Time to the first token at turn 10 of a chat, with the kept key-value cache and without it.

python tests/bench/chat_speed.py [--rounds N] [--write]
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from bench_tools import Work, arguments, interleaved, provenance, times_table, write_section

from persona_core import ModelWrapper, SteeringEngine, get_config
from persona_core.base.messages import Message
from persona_core.extraction.data import evaluation_questions
from persona_core.model.decoding import Sampling

WITHOUT, WITH = "without reuse", "with the kept cache"
TURNS, TOKENS, PERSONA = 10, 48, "sage"


def conversation(engine: SteeringEngine, questions: list[str]) -> list[Message]:
    """Hold the first turns of a chat."""
    said: list[Message] = []
    for question in questions:
        said.append({"role": "user", "content": question})
        stream = engine.stream(said, PERSONA, sampling=Sampling(TOKENS, 0.7))
        said.append({"role": "assistant", "content": "".join(stream)})
    return said


def first_token(engine: SteeringEngine, said: list[Message], question: str) -> int:
    """Wait for the first piece of the reply; return how many tokens were taken from the cache."""
    stream = engine.stream([*said, {"role": "user", "content": question}], PERSONA)
    pieces = iter(stream)
    next(pieces)
    pieces.close()  # type: ignore[attr-defined]
    return stream.reused


def main() -> None:
    """Measure, print, and keep the table where that is asked for."""
    given = arguments(__doc__, 7).parse_args()
    engine = SteeringEngine(ModelWrapper(get_config(Path(tempfile.mkdtemp()), model="smollm2")))
    questions = evaluation_questions(engine.manager, [PERSONA], TURNS)[:TURNS]
    said = conversation(engine, questions[:-1])
    tokens = len(engine.model.encode([*said, {"role": "user", "content": questions[-1]}]))
    works: dict[str, Work] = {
        WITHOUT: lambda: first_token(SteeringEngine(engine.model, engine.manager), said, questions[-1]),
        WITH: lambda: first_token(engine, said, questions[-1]),
    }
    reused = first_token(engine, said, questions[-1])
    table = times_table(interleaved(works, given.rounds), WITHOUT, f"first token of turn {TURNS}")
    text = f"{provenance()}\n\nA prompt of {tokens} tokens, {reused} of them in the cache.\n\n{table}"
    print(text)
    if given.write:
        write_section("chat", text)


if __name__ == "__main__":
    main()

"""Receipt: its one line of words, and who speaks."""

import pytest

from persona_core.engine.receipt import AuditReceipt, FloorReceipt, Receipt, mixture

STEERED = Receipt(
    model="tiny",
    personas={"sage": 1.0},
    strength=1.5,
    safety="on",
    plan="abc",
    prompt_tokens=10,
    reused_tokens=0,
    reply_tokens=20,
    steered_tokens=28,
    relative_change={3: 0.1, 4: 0.2, 5: 0.0},
    floor=FloorReceipt(layers=[4, 5], hits=7, lowest_before=-1.25, lowest_after=-0.001),
    assistant_projection=-2.5,
    audits={"drift": AuditReceipt(hits=3, farthest=1.5)},
    seed=0,
    finish="end",
)


def test_a_steered_reply_in_one_line() -> None:
    assert STEERED.layers == [3, 4]
    assert STEERED.line() == (
        "sage at strength 1.5: 28 tokens steered in layers 3-4, mean change 10.0% of the stream; "
        "floor held in layers 4-5: 7 lifts, lowest 1.25 below it before and 0.00 above it after; "
        "drift would have moved 3 tokens, by 1.50 at most; assistant axis -2.50"
    )


def test_an_unsteered_reply_says_so() -> None:
    plain = STEERED.model_copy(
        update={
            "personas": {},
            "relative_change": {},
            "floor": None,
            "safety": "not needed",
            "audits": {},
            "assistant_projection": None,
        }
    )
    assert plain.line() == "unsteered, 20 tokens; safety not needed"


def test_a_receipt_reads_back_from_json() -> None:
    assert Receipt.model_validate_json(STEERED.model_dump_json()) == STEERED


@pytest.mark.parametrize(
    ("personas", "words"),
    [({}, ""), ({"sage": 1.0}, "sage"), ({"a": 0.5, "b": 1.0}, "a 0.5 + b 1"), ({"a": 0.5}, "a 0.5")],
)
def test_who_speaks_in_words(personas: dict[str, float], words: str) -> None:
    assert mixture(personas) == words

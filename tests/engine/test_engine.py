"""The engine on the real model: receipts, cache reuse, batches, and requests that cannot be served."""

import dataclasses

import pytest
import torch

from persona_core import PersonaManager, SteeringEngine
from persona_core.engine.receipt import steering_fields
from persona_core.errors import NoEffect, PromptError, SafetyUnavailable, SteeringError, VectorMismatch, VectorNotFound
from persona_core.model.decoding import Sampling

SHORT = Sampling(max_new_tokens=10, temperature=0)
QUESTION = "What makes a good life?"


def test_receipt_counts_what_was_steered(engine):
    stream = SteeringEngine(engine.model, engine.manager).stream(QUESTION, "sage", sampling=SHORT)
    text = "".join(stream)
    receipt = stream.reply.receipt
    assert text == stream.reply.text != ""
    assert receipt.personas == {"sage": 1.0}
    assert receipt.steered_tokens == receipt.prompt_tokens - 1 + receipt.reply_tokens - 1
    assert set(engine.model.target_layers) <= set(receipt.relative_change)
    assert all(change > 0 for layer, change in receipt.relative_change.items() if layer in engine.model.target_layers)
    assert receipt.floor is not None
    assert receipt.floor.hits > 0
    assert receipt.floor.lowest_before < 0 <= receipt.floor.lowest_after + 1e-3
    assert receipt.assistant_projection is not None
    assert "sage" in receipt.line()


def test_steering_changes_the_reply_and_stronger_changes_the_stream_more(engine):
    changes = []
    for strength in (0.5, 1.0, 2.0):
        stream = engine.stream(QUESTION, "trickster", strength=strength, sampling=SHORT, safety=False)
        list(stream)
        changes.append(stream.reply.receipt.relative_change[engine.model.target_layers[0]])
    assert changes == sorted(changes)
    plain = engine.generate([QUESTION], sampling=SHORT)[0]
    assert plain.text != stream.reply.text
    assert plain.receipt.safety == "not needed"


def test_assistant_projection_falls_when_a_persona_speaks(engine):
    plain, steered = engine.generate([QUESTION] * 2, [None, "trickster"], strength=2.0, sampling=SHORT)
    assert steered.receipt.assistant_projection != plain.receipt.assistant_projection


def test_batch_rows_equal_single_replies_for_different_personas(engine):
    names = ["sage", "trickster", None, {"guardian": 0.5, "creator": 0.5}]
    batch = engine.generate([QUESTION] * 4, names, sampling=SHORT)
    alone = []
    for name in names:
        stream = engine.stream(QUESTION, name, sampling=SHORT)
        list(stream)
        alone.append(stream.reply)
    assert [reply.text for reply in batch] == [reply.text for reply in alone]
    assert batch[0].receipt.floor.hits == alone[0].receipt.floor.hits


def test_second_turn_reuses_the_cache_and_says_the_same(engine, model):
    first = engine.stream(QUESTION, "sage", sampling=SHORT)
    list(first)
    turns = [
        {"role": "user", "content": QUESTION},
        {"role": "assistant", "content": first.reply.text},
        {"role": "user", "content": "Why?"},
    ]
    second = engine.stream(turns, "sage", sampling=SHORT)
    list(second)
    fresh = SteeringEngine(model, engine.manager).stream(turns, "sage", sampling=SHORT)
    list(fresh)
    assert second.reply.receipt.reused_tokens > 10
    assert fresh.reply.receipt.reused_tokens == 0
    assert second.reply.text == fresh.reply.text


def test_a_change_of_strength_makes_the_cache_anew(engine):
    list(engine.stream(QUESTION, "sage", sampling=SHORT))
    stream = engine.stream(QUESTION, "sage", strength=0.5, sampling=SHORT)
    list(stream)
    assert stream.reply.receipt.reused_tokens == 0


def test_a_stopped_reply_keeps_its_text_and_receipt_and_the_engine_stays_usable(engine):
    stream = engine.stream(QUESTION, "sage", sampling=SHORT)
    pieces = iter(stream)
    said = next(pieces) + next(pieces)
    pieces.close()
    assert stream.reply.text.startswith(said)
    assert stream.reply.receipt.finish == "stopped"
    again = engine.stream(QUESTION, "sage", sampling=SHORT)
    assert "".join(again).startswith(said)


def test_sampling_is_reproducible_from_its_seed(engine):
    warm = Sampling(max_new_tokens=10, temperature=1.0, top_p=0.9)
    one, two, other = (engine.generate([QUESTION], sampling=warm, seed=seed)[0].text for seed in (1, 1, 2))
    assert one == two != other


def test_an_addition_that_touched_nothing_is_an_error(engine):
    stream = engine.stream(QUESTION, "sage", sampling=SHORT)
    with pytest.raises(NoEffect, match="sage"):
        steering_fields(stream.row.plan, stream.armed, 0)


def test_safety_on_without_an_axis_refuses_and_names_the_command(model, tmp_path):
    config = model.config.replace({"model.name": "smollm2"})
    manager = PersonaManager(config)
    bundled = manager.store
    manager.__dict__["store"] = dataclasses.replace(bundled, workspace=tmp_path, ready_made=())
    bundled.persona("sage").save(manager.store.persona_path("sage"))
    engine = SteeringEngine(model, manager)
    with pytest.raises(SafetyUnavailable, match="extract-axes"):
        engine.stream(QUESTION, "sage")
    assert engine.plan(engine.steering("sage", 1.0, False)).clamps == ()


def test_a_vector_of_another_model_is_refused_by_name(engine, tmp_path):
    sage = engine.manager.store.persona("sage")
    other = sage.header.model.model_copy(update={"name": "other-model", "fingerprint": "0" * 16})
    with pytest.raises(VectorMismatch, match="other-model"):
        sage.with_header(model=other).header.model.check(engine.model.identity, "persona 'sage'")


def test_unknown_personas_empty_prompts_and_wrong_strengths_are_errors(engine):
    with pytest.raises(VectorNotFound, match="did you mean 'sage'"):
        engine.stream(QUESTION, "saeg")
    with pytest.raises(PromptError, match="empty"):
        engine.stream("   ", "sage")
    with pytest.raises(PromptError, match="context"):
        engine.stream("word " * 9000, "sage")
    with pytest.raises(SteeringError, match="out of range"):
        engine.stream(QUESTION, "sage", strength=3.0)


def test_a_floor_that_cannot_be_held_stops_the_reply(engine):
    plan = engine.plan(engine.steering("sage", 1.0, True))
    broken = dataclasses.replace(plan.additions[0], direction=torch.full_like(plan.additions[0].direction, torch.inf))
    stream = engine.stream(QUESTION, "sage", sampling=SHORT)
    stream.row.plan = dataclasses.replace(plan, additions=(broken, *plan.additions[1:]))
    stream.__post_init__()
    with pytest.raises(SafetyUnavailable, match="could not be held"):
        list(stream)


def test_every_token_of_a_reply_has_its_projections(engine: SteeringEngine) -> None:
    stream = engine.stream("What is fire?", "sage", sampling=Sampling(12, 0.0))
    list(stream)
    read = stream.reply.projections
    assert set(read) == {"assistant", "safety"}
    for values in read.values():
        assert len(values) == len(stream.row.tokens) - 1
        assert len(set(values)) > 5
    axis, layer = engine.manager.store.axis("safety_axis"), engine.model.capping_layers[-1]
    floor = axis.percentile(engine.config.steering.safety_floor_percentile)[layer]
    assert min(read["safety"]) >= float(floor) - 1e-3


def test_what_probes_read_is_what_a_capture_reads(engine: SteeringEngine) -> None:
    """Unsteered, so that the stream is the plain model's own."""
    stream = engine.stream("What is fire?", sampling=Sampling(12, 0.0))
    list(stream)
    layer, axis = engine.model.target_layers[-1], engine.manager.store.axis("assistant_axis")
    ids, mask = engine.model.pad([[*stream.row.prompt, *stream.row.tokens]])
    (hidden,) = engine.model.capture(ids, mask, lambda _, stream: stream.clone(), [layer])
    wanted = (hidden[0, len(stream.row.prompt) : -1] @ axis.directions[layer]).tolist()
    assert stream.reply.projections["assistant"] == pytest.approx(wanted, abs=1e-2)

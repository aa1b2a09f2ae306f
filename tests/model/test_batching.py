"""Shared beginnings: run once, and every row comes out as it would alone, read, scored and steered."""

import plain_hooks
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from persona_core import ActivationExtractor
from persona_core.base.messages import question_messages
from persona_core.engine.receipt import steering_fields
from persona_core.model.batching import begin, split, steered_tokens
from persona_core.model.decoding import Row, Sampling, arm_rows, generate_tokens
from persona_core.model.rollouts import Rollout
from persona_core.model.scoring import plan_cost, reply_log_probs
from persona_core.steering.plan import AddDirection, ClampProjection, ProbeProjection, SteeringPlan

SYSTEMS = (
    "You are an old lighthouse keeper. Talk of the sea and of storms, slowly, and never of anything that is new.",
    "You are a court jester who answers every question with a riddle, a joke or a small song of two lines.",
)
ASKED = ("What is courage?", "How do I make friends in a new town?", "Say only the word yes.")
REPLIES = (" Courage is a lamp that is lit anyway.", " Go out.", " Yes, said the sea, and said no more of it.")
TOKENS = st.lists(st.integers(0, 2), min_size=1, max_size=6)


@pytest.fixture(scope="module")
def rollouts(model):
    """Replies under two system prompts, one question without one, and one question twice."""
    asked = [*((system, index) for system in SYSTEMS for index in range(3)), (SYSTEMS[0], 0), ("", 1)]
    return [_scripted(model, system, index) for system, index in asked]


@pytest.fixture(scope="module")
def plan(model):
    """Something of everything, in early and late layers."""
    random = torch.Generator().manual_seed(5)
    unit = torch.nn.functional.normalize(torch.randn(3, model.identity.hidden_size, generator=random), dim=-1)
    return SteeringPlan(
        (AddDirection(6, unit[0] * 4),), (ClampProjection(12, unit[1], low=1.0),), (ProbeProjection(12, unit[2]),)
    )


def _scripted(model, system, index):
    prompt = model.encode(question_messages(ASKED[index], system))
    tokens = model.tokenizer.encode(REPLIES[index], add_special_tokens=False)
    return Rollout(question_messages(ASKED[index], system), REPLIES[index], len(prompt), "persona", (*prompt, *tokens))


def _halves(rollouts):
    return [r.token_ids[: r.response_start] for r in rollouts], [r.token_ids[r.response_start :] for r in rollouts]


def test_all_tokens_are_steered_but_padding_and_the_first_of_each_row():
    mask = torch.tensor([[0, 0, 1, 1], [1, 1, 0, 1], [0, 0, 0, 1]], dtype=torch.bool)
    assert steered_tokens(mask).int().tolist() == [[0, 0, 0, 1], [0, 1, 0, 1], [0, 0, 0, 0]]


@given(st.lists(TOKENS, min_size=1, max_size=8), st.data())
def test_groups_hold_every_row_once_and_what_they_share_is_the_same(rows, data):
    limits = [data.draw(st.integers(0, len(row) - 1)) for row in rows]
    keys = [data.draw(st.sampled_from("ab")) for _ in rows]
    groups = split(rows, limits, keys)
    assert sorted(row for group in groups for row in group.rows) == list(range(len(rows)))
    for group in groups:
        assert len({(keys[row], tuple(rows[row][: group.shared])) for row in group.rows}) == 1 or not group.shared
        assert all(group.shared <= limits[row] for row in group.rows)


def test_split_takes_the_groups_that_save_most():
    long, other = [1] * 9, [1, 2, 2, 2, 2, 2, 2, 2, 2]
    groups = split([[*long, 3], [*other, 3], [*long, 4], [*other, 4], [5, 5]], [9, 9, 9, 9, 1], ["", "", "", "", ""])
    assert sorted((sorted(group.rows), group.shared) for group in groups) == [([0, 2], 9), ([1, 3], 9), ([4], 0)]
    assert [group.shared for group in split([[*long, 3]] * 2, [9, 9], ["one plan", "another"])] == [0, 0]


def test_a_batch_that_shares_runs_less_and_holds_the_same_tokens(model, rollouts):
    rows = [rollout.token_ids for rollout in rollouts]
    batch = begin(model, rows, [rollout.response_start for rollout in rollouts])
    assert batch.ids.numel() < 0.6 * len(rows) * max(map(len, rows))
    assert batch.mask.sum(1).tolist() == [len(row) for row in rows]
    assert [ids[-3:].tolist() for ids in batch.ids] == [list(row[-3:]) for row in rows]


def test_captured_means_equal_those_of_whole_rows_run_alone(model, rollouts):
    means = ActivationExtractor(model).capture(rollouts).mean
    for rollout, row in zip(rollouts, means, strict=True):
        with torch.inference_mode():
            streams = model._model(torch.tensor([rollout.token_ids]), output_hidden_states=True).hidden_states
        plain = torch.stack([stream[0, rollout.response_start :].mean(0) for stream in streams[1:-1]])
        assert torch.nn.functional.cosine_similarity(plain, row[: len(plain)], dim=-1).min() > 0.999999
        assert torch.allclose(plain, row[: len(plain)], atol=1e-3, rtol=1e-4)


def test_log_probabilities_equal_those_of_whole_rows_run_alone(model, rollouts):
    log_probs = reply_log_probs(model, *_halves(rollouts))
    assert torch.allclose(log_probs, torch.stack([_alone(model, rollout)[1] for rollout in rollouts]), atol=1e-4)


def test_the_cost_of_a_plan_equals_that_of_whole_rows_steered_by_hooks(model, rollouts, plan):
    kl, same = plan_cost(model, *_halves(rollouts), plan)
    pairs = [(_alone(model, rollout)[0], _alone(model, rollout, plan)[0]) for rollout in rollouts]
    expected = torch.cat([(plain.exp() * (plain - steered)).sum(-1) for plain, steered in pairs]).mean()
    assert kl == pytest.approx(float(expected), abs=1e-4)
    assert kl > 0.001
    kept = torch.cat([plain.argmax(-1) == steered.argmax(-1) for plain, steered in pairs])
    assert same == pytest.approx(float(kept.float().mean()), abs=1 / len(kept))


def test_rows_steered_in_a_shared_batch_have_the_tokens_and_the_receipt_of_their_single_runs(model, plan):
    asked = [(system, question) for system in SYSTEMS for question in ASKED]
    prompts = [model.encode(question_messages(question, system)) for system, question in asked]
    plans = [plan, SteeringPlan(), plan, plan, plan, SteeringPlan(probes=plan.probes)]
    together, receipts = _run(model, [Row(*pair) for pair in zip(prompts, plans, strict=True)])
    for index, pair in enumerate(zip(prompts, plans, strict=True)):
        alone, expected = _run(model, [Row(*pair)])
        assert together[index].tokens == alone[0].tokens
        assert {name: pytest.approx(value, rel=1e-3) for name, value in _numbers(expected[0]).items()} == _numbers(
            receipts[index]
        )
    assert len({len(row.tokens) for row in together}) > 1, "no row ends before the others"


def _run(model, rows):
    armed = arm_rows(model, rows)
    for _ in generate_tokens(model, rows, Sampling(max_new_tokens=24, temperature=0), armed=armed):
        pass
    return rows, [steering_fields(row.plan, armed, index) for index, row in enumerate(rows)]


def _numbers(fields):
    floor = fields["floor"].model_dump(exclude={"layers"}) if fields["floor"] else {}
    changes = {f"change {layer}": change for layer, change in fields["relative_change"].items()}
    read = fields["assistant_projection"]
    return {**floor, **changes, "tokens": fields["steered_tokens"], **({} if read is None else {"read": read})}


def _alone(model, rollout, plan=None):
    """Return (log-probabilities of a reply's tokens over the vocabulary, their mean), the row unpadded and whole."""
    ids = torch.tensor([rollout.token_ids])
    kept = plain_hooks.steered_positions(torch.ones_like(ids, dtype=torch.bool))
    blocks = model._model.get_submodule(model._layers_path)
    handles = [
        blocks[layer].register_forward_hook(lambda _, __, out, layer=layer: plain_hooks.steer(out, plan, layer, kept))
        for layer in (plan.layers if plan else ())
    ]
    try:
        with torch.inference_mode():
            logits = model._model(ids).logits[0, rollout.response_start - 1 : -1].float()
    finally:
        for handle in handles:
            handle.remove()
    log_probs = torch.log_softmax(logits, -1)
    return log_probs, log_probs.gather(-1, ids[0, rollout.response_start :, None]).mean()

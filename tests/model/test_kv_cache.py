"""The growing cache holds what transformers' own cache holds, whatever is done to it between two tokens."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import MistralConfig
from transformers.cache_utils import DynamicLayer

from persona_core.model.kv_cache import GrowingLayer, is_whole, new_cache

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("update"), st.integers(1, 90)),
        st.tuples(st.just("crop"), st.integers(1, 40)),
        st.tuples(st.just("pick"), st.lists(st.integers(0, 2), min_size=1, max_size=3)),
        st.tuples(st.just("repeat"), st.integers(1, 2)),
    ),
    min_size=1,
    max_size=12,
)


def states(rows: int, tokens: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return keys and values of 2 heads and width 4, laid out as attention lays them out."""
    return tuple(torch.randn(rows, tokens, 2, 4).transpose(1, 2) for _ in range(2))


def change(layer: DynamicLayer, action: str, argument: object) -> None:
    """Do one step to a layer's cache."""
    if action == "update":
        layer.update(*argument)
    elif action == "crop":
        layer.crop(-argument)
    elif action == "pick":
        layer.batch_select_indices(torch.tensor(argument))
    else:
        layer.batch_repeat_interleave(argument)


@given(STEPS)
def test_it_holds_what_the_plain_cache_holds(steps) -> None:
    ours, plain = GrowingLayer(), DynamicLayer()
    start = states(3, 5)
    for layer in (ours, plain):
        layer.update(*start)
    for action, argument in steps:
        rows, tokens = plain.keys.shape[0], plain.keys.shape[-2]
        if action == "update":
            argument = states(rows, argument)
        elif (action == "crop" and argument >= tokens) or (action == "repeat" and rows > 6):
            continue
        elif action == "pick":
            argument = [row % rows for row in argument]
        for layer in (ours, plain):
            change(layer, action, argument)
        assert torch.equal(ours.keys, plain.keys)
        assert torch.equal(ours.values, plain.values)
        assert ours.get_seq_length() == plain.get_seq_length()


def test_a_token_is_written_in_place() -> None:
    layer = GrowingLayer()
    layer.update(*states(2, 10))
    layer.update(*states(2, 1))
    before = layer.keys.data_ptr()
    for _ in range(40):
        layer.update(*states(2, 1))
    assert layer.keys.data_ptr() == before
    assert layer.keys.shape[-2] == 51


@pytest.mark.parametrize(("window", "whole"), [(None, True), (16, False)])
def test_layers_with_a_window_keep_their_own_kind(window: int | None, whole: bool) -> None:
    cache = new_cache(MistralConfig(num_hidden_layers=3, sliding_window=window))
    assert len(cache.layers) == 3
    assert is_whole(cache) is whole

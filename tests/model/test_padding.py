"""Padding: batches of like length hold every sequence once, and masks and positions see real tokens only."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from persona_core.model.padding import batches, left_padded, positions

LENGTHS = st.lists(st.integers(1, 9), max_size=12)


@given(LENGTHS, st.integers(1, 5))
def test_batches_hold_every_sequence_once_and_the_longest_first(lengths: list[int], size: int) -> None:
    order = [index for batch in batches(lengths, size) for index in batch]
    assert sorted(order) == list(range(len(lengths)))
    assert [lengths[index] for index in order] == sorted(lengths, reverse=True)


@given(LENGTHS, st.integers(1, 5))
def test_only_the_last_batch_is_smaller(lengths: list[int], size: int) -> None:
    sizes = [len(batch) for batch in batches(lengths, size)]
    assert all(length == size for length in sizes[:-1])
    assert all(0 < length <= size for length in sizes[-1:])


@given(LENGTHS.filter(bool), st.integers(0, 3))
def test_a_row_ends_with_its_sequence_and_the_mask_says_where_it_begins(lengths: list[int], spare: int) -> None:
    sequences = [list(range(1, length + 1)) for length in lengths]
    ids, mask = left_padded(sequences, max(lengths) + spare, filler=0)
    assert ids.shape == mask.shape == (len(lengths), max(lengths) + spare)
    assert [row[row_mask].tolist() for row, row_mask in zip(ids, mask, strict=True)] == sequences
    assert bool(mask[:, -1].all())
    assert bool((ids[~mask] == 0).all())


def test_positions_count_real_tokens_wherever_padding_lies() -> None:
    mask = torch.tensor([[False, True, True, False, True], [True, True, True, True, True]])
    assert positions(mask, 5).tolist() == [[0, 0, 1, 1, 2], [0, 1, 2, 3, 4]]
    assert positions(mask, 2).tolist() == [[1, 2], [3, 4]]

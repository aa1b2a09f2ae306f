"""Layer specifications: read, resolved and written."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from persona_core.base.layers import check_layers, format_layers, layer_runs, resolve_layers
from persona_core.errors import ConfigError

layer_sets = st.sets(st.integers(0, 79), min_size=1).map(lambda drawn: tuple(sorted(drawn)))
depths = st.integers(0, 100)
alphabet = st.text("0123456789.,-% ", max_size=12)


@given(layer_sets)
def test_resolving_a_formatted_set_gives_it_back(layers: tuple[int, ...]) -> None:
    assert resolve_layers(format_layers(layers), n_layers=80) == layers
    assert check_layers(list(layers)) == ",".join(map(str, layers))


@given(layer_sets)
def test_the_formatted_text_does_not_depend_on_the_order(layers: tuple[int, ...]) -> None:
    assert format_layers(layers[::-1]) == format_layers(layers)


@given(st.text(max_size=20) | alphabet | st.integers() | st.floats() | st.none() | st.lists(st.integers() | alphabet))
@example("9" * 5000)
@example("0-99999999999")
@example("9" * 400 + "%")
@example(True)
@example([])
@example({})
def test_a_specification_is_resolved_or_refused(spec: object) -> None:
    try:
        layers = resolve_layers(check_layers(spec), n_layers=28)
    except ConfigError as error:
        assert str(error)
    else:
        assert layers == tuple(sorted(set(layers)))
        assert set(layers) <= set(range(28))


@given(depths, depths, st.integers(1, 200))
def test_depths_name_layers_of_any_model(one: int, other: int, n_layers: int) -> None:
    low, high = sorted((one, other))
    layers = resolve_layers(f"{low}%-{high}%", n_layers)
    ends = [min(depth * n_layers // 100, n_layers - 1) for depth in (low, high)]
    assert [layers[0], layers[-1]] == ends
    assert len(layers) == ends[1] - ends[0] + 1


@pytest.mark.parametrize(
    ("spec", "layers"),
    [
        ("50%-75%", tuple(range(14, 22))),
        ("65%-90%", tuple(range(18, 26))),
        ("0.5-0.75", tuple(range(14, 22))),
        ("14-21", tuple(range(14, 22))),
        ("8, 10, 12-14", (8, 10, 12, 13, 14)),
        ("10,8,8-9", (8, 9, 10)),
        ("100%", (27,)),
        ("0%", (0,)),
        ("3", (3,)),
    ],
)
def test_specifications_resolve_in_a_model_of_28_layers(spec: str, layers: tuple[int, ...]) -> None:
    assert resolve_layers(spec, 28) == layers


@pytest.mark.parametrize("spec", [14, [14], ["14"], "14", " 14 "])
def test_one_layer_may_be_a_number_a_text_or_a_list(spec: object) -> None:
    assert resolve_layers(check_layers(spec), 28) == (14,)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("21-14", "runs backwards"),
        ("75%-50%", "runs backwards"),
        ("150%", "more than the whole model"),
        ("28", "out of range: the model has layers 0-27"),
        ("20-30", "layer 30"),
        ("8-", "no layer specification"),
        ("-3", "no layer specification"),
        ("", "no layer specification"),
    ],
)
def test_a_wrong_specification_says_what_is_wrong(spec: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        resolve_layers(spec, 28)


def test_runs_are_the_ends_of_neighbouring_layers_in_order() -> None:
    assert layer_runs([5, 3, 8, 9, 10]) == [(3, 3), (5, 5), (8, 10)]
    assert layer_runs([]) == []

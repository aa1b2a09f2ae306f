"""Matrix: every number of every group, and how many rows are won."""

import pytest
from pictures import both_themes, words

from persona_core.reports.plots import matrix
from persona_core.reports.plots.theme import LIGHT, Theme


@both_themes
@pytest.mark.parametrize("n", [2, 5, 12])
def test_the_matrix_holds_every_number_and_says_how_many_rows_are_won(theme: Theme, n: int) -> None:
    values = [[0.31 if row == column else -0.01 * column for column in range(n)] for row in range(n)]
    lost = [[0.1, *[0.0] * (n - 1)] for _ in range(n)]
    names = [f"p{index}" for index in range(n)]
    shown = words(matrix.draw("tiny", names, {"vectors": values, "prompts": lost}, "nats/token", theme))
    assert shown.count("+0.31") == n
    assert f"vectors: own persona highest in {n} of {n} rows" in shown
    assert f"prompts: own persona highest in 1 of {n} rows" in shown
    assert "double-centred score (nats/token)" in shown
    assert "−0.00" not in shown


def test_a_matrix_of_zeros_can_be_drawn() -> None:
    matrix.draw("tiny", ["a", "b"], {"vectors": [[0.0, 0.0], [0.0, 0.0]]}, "nats/token", LIGHT).draw_without_rendering()

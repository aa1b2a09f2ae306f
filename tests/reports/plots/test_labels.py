"""Labels: they do not cover each other."""

import numpy as np

from persona_core.reports.plots import space
from persona_core.reports.plots.theme import LIGHT


def test_labels_of_many_personas_do_not_cover_each_other() -> None:
    random = np.random.default_rng(3)
    rows = {f"persona-{index}": random.normal(size=(1, 6)) for index in range(20)}
    figure = space.draw(space.project("tiny", [0], rows), LIGHT)
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    covered = sum(one.overlaps(other) for index, one in enumerate(boxes) for other in boxes[index + 1 :])
    assert covered <= 3

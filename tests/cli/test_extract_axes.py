"""`extract-axes` makes both axes and the baseline, and prints what was measured of them."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from persona_core.base.files import write_atomically
from persona_core.extraction.generators import Templates
from persona_core.personas.dataset import to_text

Run = Callable[..., Result]


@pytest.mark.usefixtures("model")
def test_extract_axes_prints_separation_by_layer_and_what_the_floor_does(run: Run, workspace_folder: Path) -> None:
    for key, value in {"system_prompts": 2, "questions": 4, "max_new_tokens": 8}.items():
        run("config", "set", f"extraction.{key}", str(value))
    few = Templates().safety()
    few = few.model_copy(update={"train": few.train[:32], "heldout": few.heldout[:12]})
    write_atomically(workspace_folder / "datasets" / "safety" / "safety.yaml", to_text(few))
    said = run("extract-axes").stdout
    rows = re.findall(
        r"layer +(\d+)  held-out AUC ([\d.]+)  default/persona AUC ([\d.]+)  floor p10 .*?( capped)?$", said, re.M
    )
    assert [int(layer) for layer, _, _, capped in rows if capped] == list(range(19, 28))
    assert len(rows) == 30
    assert all(float(auc) >= 0.95 for _, auc, _, capped in rows if capped)
    assert len(re.findall(r"^  layer +\d+  held-out AUC [\d.]+$", said, re.M)) == 30
    floors = re.findall(
        r"p(\d+) .*?([\d.]+) nats KL on benign replies, .* odds of refusing harm ([+-][\d.]+) nats", said
    )
    assert [int(level) for level, _, _ in floors] == [5, 10, 25, 40, 50]
    assert all(float(rise) > 0 for _, _, rise in floors)
    axes = workspace_folder / "vectors" / "smollm2-135m-instruct"
    assert {path.stem for path in axes.glob("*.safetensors")} >= {"safety_axis", "assistant_axis"}
    again = run("generate", "What is fire?", "--persona", "sage", "--max-new-tokens", "6", "--json")
    assert json.loads(again.stdout)["receipt"]["floor"]

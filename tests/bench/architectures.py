"""Architectures: runs what is promised of a model over tiny models of random weights, and keeps the table.

    python tests/bench/architectures.py --write

The checks are those of `tests/model/test_architectures.py`. With --write the table goes into `docs/models.md`.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1]
sys.path.insert(0, str(TESTS / "support"))

import torch  # noqa: E402
from architectures import PARTIAL, REFUSED, WHOLE, WITH_PICTURES, config_of, random_model  # noqa: E402
from bench_tools import provenance, say, write_section  # noqa: E402

from persona_core.errors import PersonaError  # noqa: E402
from persona_core.model.architecture import auto_class  # noqa: E402
from persona_core.model.loading.quiet import quiet_transformers  # noqa: E402

PAGE = TESTS.parent / "docs" / "models.md"
KEEPS = {
    **dict.fromkeys(WHOLE, "every token"),
    **dict.fromkeys(PARTIAL, "a window or a state"),
    **dict.fromkeys(WITH_PICTURES, "text beside pictures"),
}


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="keep the table in docs/models.md")
    chosen = parser.parse_args()
    with quiet_transformers():
        tests = _tests()
        rows = list(_rows(tests))
    text = f"{provenance()}\n\n" + "\n".join([*_heading(tests), *rows, "", *_refusals(tests.tokenizer())])
    print(text)
    if chosen.write:
        write_section("architectures", text, PAGE)


def _tests() -> Any:
    """Return the module of the tests."""
    spec = importlib.util.spec_from_file_location("tested", TESTS / "model" / "test_architectures.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _checks(tests: Any) -> dict[str, Callable[[str], None]]:
    """Return what is promised, with the test that shows it."""
    floor = tests.test_the_next_block_gets_the_steered_stream_with_the_floor_held
    return {
        "capture": tests.test_what_is_captured_is_what_plain_hooks_see,
        "gradient": tests.test_the_gradient_reaches_every_layer_but_none_is_nan,
        "floor, float32": lambda name: floor(name, torch.float32),
        "floor, bfloat16": lambda name: floor(name, torch.bfloat16),
        "unsteered": tests.test_unsteered_is_what_transformers_generates,
        "later reply": tests.test_a_later_reply_of_a_chat_is_as_in_a_new_one,
        "batch": tests.test_a_row_of_a_batch_is_as_it_would_be_alone,
    }


def _heading(tests: Any) -> list[str]:
    names = ["architecture", "class", "the cache keeps", *_checks(tests)]
    return [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]


def _rows(tests: Any) -> Iterator[str]:
    for name, keeps in KEEPS.items():
        say(name)
        loaded = type(random_model(name, tests.tokenizer())).__name__
        results = [_outcome(check, name) for check in _checks(tests).values()]
        yield f"| `{name}` | {loaded} | {keeps} | {' | '.join(results)} |"


def _outcome(check: Callable[[str], None], name: str) -> str:
    """Return yes where a check passes, and the kind of its failure."""
    try:
        check(name)
    except Exception as error:
        return f"**{type(error).__name__}**"
    return "yes"


def _refusals(tokenizer: Any) -> list[str]:
    rows = ["| refused | what it says |", "|---|---|"]
    for name in REFUSED:
        try:
            auto_class(config_of(name, tokenizer))
            rows.append(f"| `{name}` | **nothing** |")
        except PersonaError as error:
            rows.append(f"| `{name}` | {error} |")
    return rows


if __name__ == "__main__":
    main()

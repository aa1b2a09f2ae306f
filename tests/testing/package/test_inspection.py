"""A package that misbehaves is a failed line that says how to mend it, and never ends the check."""

from collections.abc import Callable
from pathlib import Path

import pytest
from packages import BLEND, returning

from persona_core.plugins.inventory import HOOKS
from persona_core.testing.package.inspection import ENTRY_POINT, LOADING, PACKAGE

DOCS = Path(__file__).parents[3] / "docs"
Check = Callable[..., tuple[int, dict[str, dict[str, str]]]]
WRONG = {
    "raises": (
        "raise RuntimeError('no\\nlicence')",
        "entry point",
        "RuntimeError: no licence (persona_bad.py, line 1)",
    ),
    "exits": ("import sys; sys.exit(0)", "entry point", "SystemExit: 0"),
    "is interrupted": ("raise KeyboardInterrupt", "entry point", "KeyboardInterrupt (persona_bad.py, line 1)"),
    "ends the process": ("import os; os._exit(0)", "entry point", "it ended the process"),
    "kills itself": ("import os; print('so long'); os.abort()", "entry point", "it ended with code -6"),
    "is slow to start": (
        returning("[__import__('pathlib').Path('/')]", "register_vector_dirs", "import torch"),
        "quick start",
        "importing it loads torch, which takes seconds",
    ),
    "has no hook": ("x = 1", "hooks", "no hook is implemented"),
    "misspells a hook": (
        returning("[]", hook="register_capping_policy"),
        "hooks",
        "there is no hook 'register_capping_policy'; did you mean 'register_capping_policies'?",
    ),
    "returns nothing": (returning("None"), "register_blending_strategies", "it returns NoneType"),
    "returns text": (returning("'blend'"), "register_blending_strategies", "it returns str"),
    "never stops returning": (
        returning("__import__('itertools').count()"),
        "register_blending_strategies",
        "it returns more than 1000 objects",
    ),
    "raises in a hook": (returning("1 / 0"), "register_blending_strategies", "ZeroDivisionError: division by zero"),
    "returns a number": (returning("[42]"), "blending strategy 1", "42 has no name, so it is no blending strategy"),
    "returns a class": (
        returning("[Blend()]", before=BLEND.format(body="return [1.0]")),
        "blending strategy blend",
        "blend: what blend returns is of type list; it must be a torch.Tensor",
    ),
    "raises when used": (
        returning("[Blend()]", before=BLEND.format(body="return parts.nothing")),
        "blending strategy blend",
        "AttributeError: 'list' object has no attribute 'nothing' (persona_bad.py, line 6)",
    ),
    "has a name that leaves its folder": (
        returning("[Blend()]", before=BLEND.format(body="return 0").replace('"blend"', '"../blend"')),
        "blending strategy 1",
        "'../blend' is not a plugin object name",
    ),
    "takes a built-in name": (
        returning(
            "[PercentileFloor()]",
            "register_capping_policies",
            "from persona_core.steering.capping import PercentileFloor",
        ),
        "clashes of register_capping_policies",
        "it registers 'percentile-floor', which persona-core registers too",
    ),
    "takes a built-in command": (
        returning(
            "[ChatCommand('help', '/help', 'help', print)]",
            "register_chat_commands",
            "from persona_core.chat.commands import ChatCommand",
        ),
        "clashes of register_chat_commands",
        "it registers 'help', which persona-core registers too",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize(("source", "name", "said"), WRONG.values(), ids=WRONG)
def test_a_package_that_misbehaves_is_a_failed_line_that_says_how_to_mend_it(
    check: Check, source: str, name: str, said: str
) -> None:
    code, findings = check(source)
    assert code == 1
    assert findings[name]["status"] == "FAILED"
    assert findings[name]["said"].startswith(said)
    failed = [finding for finding in findings.values() if finding["status"] == "FAILED"]
    assert len(failed) == 1
    assert failed[0]["page"]


@pytest.mark.slow
def test_a_package_that_never_ends_is_stopped(check: Check) -> None:
    code, findings = check("while True: pass", seconds=6)
    assert code == 1
    assert findings["entry point"]["said"] == "it did not end within 6 s and was stopped"


def test_every_page_that_a_finding_names_has_that_section() -> None:
    for page in (ENTRY_POINT, LOADING, PACKAGE, *(f'docs/hooks.md, section "{hook}"' for hook in HOOKS)):
        file, _, section = page.partition(", section ")
        assert f"\n## {section.strip(chr(34))}\n" in (DOCS.parent / file).read_text(encoding="utf-8")

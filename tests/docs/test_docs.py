"""The documents say what the code says, and the walk-throughs work as they are written."""

import inspect
import json
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pluggy
import pytest
from click.testing import CliRunner

from persona_core import errors, testing
from persona_core.cli import build_cli
from persona_core.cli.reference import reference
from persona_core.cli.room_map import room_map, written_into
from persona_core.plugins import hookspecs
from persona_core.plugins.loading import load_plugins
from persona_core.settings.config import Config, keys
from persona_core.settings.config_file import value_of
from persona_core.settings.installed import PluginManager

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [*(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")), *sorted(DOCS.glob("*.md"))]
HOOKS = [name for name, value in vars(hookspecs).items() if hasattr(value, f"{hookspecs.PROJECT}_spec")]
REGISTERING = [name for name in HOOKS if name.startswith("register_")]
CHECKS: dict[str, Callable[[Any], object]] = {
    "register_archetypes": testing.check_archetype,
    "register_dataset_generators": testing.check_dataset_generator,
    "register_blending_strategies": testing.check_blending_strategy,
    "register_capping_policies": testing.check_capping_policy,
    "register_judges": testing.check_judge,
    "register_chat_commands": testing.check_chat_command,
}


def page(name: str) -> str:
    """Return a document's text."""
    return (DOCS / name).read_text(encoding="utf-8")


def blocks(text: str, info: str) -> list[str]:
    """Return the fenced blocks whose info string is `info`."""
    return re.findall(rf"^```{re.escape(info)}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def without_blocks(text: str) -> str:
    """Return a document without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def test_the_command_reference_is_what_the_commands_say() -> None:
    assert page("cli.md") == reference(build_cli(load_plugins(installed=[])))


def test_every_command_has_an_example() -> None:
    sections = re.split(r"^#+ (?=persona-steer)", page("cli.md"), flags=re.MULTILINE)[1:]
    assert len(sections) > 16
    assert [section.splitlines()[0] for section in sections if "Example:" not in section] == []


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_documented_with_its_exact_signature(hook: str) -> None:
    signature = str(inspect.signature(getattr(hookspecs, hook))).replace("'", "")
    assert f"\n## {hook}\n\n```python\ndef {hook}{signature}:\n```\n" in page("hooks.md")


@pytest.mark.parametrize("hook", REGISTERING)
def test_the_example_of_every_hook_registers_what_its_check_accepts(hook: str) -> None:
    section = page("hooks.md").partition(f"\n## {hook}\n")[2].partition("\n## ")[0]
    (code,) = blocks(section, "python title=example")
    space = {"__name__": "example", "__file__": str(DOCS / "example.py")}
    exec(compile(code, "hooks.md", "exec"), space)
    plugins = PluginManager(pluggy.PluginManager(hookspecs.PROJECT))
    plugins.pluggy.add_hookspecs(hookspecs)
    plugins.pluggy.register(SimpleNamespace(**{hook: space[hook]}), name="example")
    plugins.pluggy.check_pending()
    (found,) = plugins.values(hook)
    CHECKS.get(hook, bool)(found)
    assert plugins.failures == []


@pytest.mark.parametrize("hook", [name for name in HOOKS if name not in REGISTERING])
def test_the_example_of_every_hook_that_is_told_is_accepted_by_its_check(hook: str) -> None:
    section = page("hooks.md").partition(f"\n## {hook}\n")[2].partition("\n## ")[0]
    (code,) = blocks(section, "python title=example")
    space: dict[str, Any] = {"__name__": "example"}
    exec(compile(code, "hooks.md", "exec"), space)
    testing.check_turn_monitor(SimpleNamespace(**{hook: space[hook]}))


def test_every_configuration_key_is_documented_with_its_default() -> None:
    text, config = page("configuration.md"), Config()
    for key in keys():
        value = value_of(config, key)
        shown = value if isinstance(value, str) else json.dumps(value)
        assert f"| `{key}` | `{shown}` | " in text, key
    assert len(re.findall(r"^\| `\w+\.\w+` \|", text, re.MULTILINE)) == len(keys())


def test_the_modules_in_the_architecture_are_what_their_docstrings_say() -> None:
    text = page("architecture.md")
    assert text == written_into(text, room_map(ROOT / "persona_core")), (
        "stale: run `python -m persona_core.cli.room_map docs/architecture.md`"
    )


def test_packages_templates_and_pages_import_the_public_face_alone() -> None:
    folders = [ROOT / "plugins", ROOT / "archetypes", ROOT / "persona_core" / "plugins" / "templates", DOCS]
    paths = [path for folder in folders for path in folder.rglob("*") if path.suffix in (".py", ".md", ".template")]
    deep = {
        f"{path.relative_to(ROOT)}: {module}"
        for path in [*paths, PAGES[0]]
        for module in re.findall(r"(?:from|import) (persona_core(?:\.\w+)+)", path.read_text(encoding="utf-8"))
        if not module.startswith(("persona_core.errors", "persona_core.testing"))
    }
    assert deep == set()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_internal_links_resolve(path: Path) -> None:
    for target, anchor in re.findall(
        r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)", without_blocks(path.read_text(encoding="utf-8"))
    ):
        if "://" in target:
            continue
        place = path.parent / target if target else path
        assert place.exists(), target
        assert not anchor or anchor in anchors(place), f"{target}#{anchor}"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_command_that_is_shown_exists(path: Path) -> None:
    root = build_cli(load_plugins(installed=[]))
    for line in "".join(blocks(path.read_text(encoding="utf-8"), "console")).splitlines():
        words = line.partition("persona-steer ")[2].split()
        if words and not words[0].startswith("-"):
            chain = words[:2] if words[0] in ("config", "datasets", "plugins") else words[:1]
            result = CliRunner().invoke(root, [*chain, "--help"])
            assert result.exit_code == 0, line


def test_every_error_that_the_safety_page_is_about_is_in_the_tree() -> None:
    named = re.findall(r"`([A-Z]\w+(?:Unavailable|NotFound|Mismatch|Effect|TooWeak|Error))`", all_pages())
    assert [name for name in named if not hasattr(errors, name) and name != "ModuleNotFoundError"] == []


def anchors(path: Path) -> set[str]:
    """Return the anchors of a document's headings."""
    headings = re.findall(r"^#+ (.+)$", without_blocks(path.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def all_pages() -> str:
    """Return every document in one text."""
    return "\n".join(path.read_text(encoding="utf-8") for path in PAGES)

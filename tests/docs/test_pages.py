"""What the pages say of the tree is so: the index, the paths, the rooms, and what is changed outside our objects."""

import re
from pathlib import Path

import pytest

from persona_core.cli.chat.registry import all_commands
from persona_core.plugins.loading import load_plugins

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]
FOLDERS = ("persona_core", "plugins", "archetypes", "vectors", "docs", "tests")
REACHES_OUTSIDE = re.compile(
    r"__class__ =|set_num_threads|requires_grad_\(|_dynamo\.config|unmount\(|GGUFReader =|setLevel|set_verbosity|"
    r"redirect_std|os\.environ(?:\[|\.setdefault)|sys\.argv =|sys\.path\.|rc_context|rcParams|manual_seed\(0|"
    r"simplefilter|filterwarnings|signal\.signal|setlocale|excepthook|\.setenv\("
)
"""What a line looks like that changes an object of another library or the process."""


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def rows(page: Path, heading: str) -> list[list[str]]:
    """Return the cells of the table under a heading, without its head."""
    section = text_of(page).partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def test_the_index_lists_every_page_once() -> None:
    listed = re.findall(r"^\| \[[^\]]+\]\(([\w-]+\.md)\) \|", text_of(DOCS / "index.md"), re.MULTILINE)
    assert sorted(listed) == sorted(path.name for path in DOCS.glob("*.md") if path.name != "index.md")


OF_THE_TREE = [page for page in PAGES if not page.name.startswith("write-a")]
"""The pages whose paths are not those of a package that the reader makes."""


def test_the_index_lists_every_package_once() -> None:
    listed = re.findall(r"^\| \[([^\]]+)\]\(\.\./\w+/\1/README\.md\) \|", text_of(DOCS / "index.md"), re.MULTILINE)
    packages = [path.parent.name for path in ROOT.glob("*/*/pyproject.toml")]
    assert sorted(listed) == sorted(packages)


@pytest.mark.parametrize("page", OF_THE_TREE, ids=lambda path: path.name)
def test_every_path_of_the_tree_that_a_page_names_is_there(page: Path) -> None:
    paths = re.findall(rf"`((?:{'|'.join(FOLDERS)})/[\w./-]*)`", text_of(page))
    real = [path for path in paths if not re.search(r"[A-Z]{4}", path)]
    assert [path for path in real if not (ROOT / path).exists() and not (ROOT / "persona_core" / path).exists()] == []


def test_every_step_to_an_answer_is_a_module() -> None:
    steps = [cell for row in rows(ROOT / "CONTRIBUTING.md", "Where things go") for cell in row[1:]]
    paths = [path for cell in steps for path in re.findall(r"`([\w/]+\.py)`", cell)]
    assert len(paths) == len(steps) == 18
    assert [path for path in paths if not (ROOT / "persona_core" / path).is_file()] == []


def test_the_chat_page_lists_every_built_in_command() -> None:
    usages = " ".join(row[0] for row in rows(DOCS / "chat.md", "Commands"))
    known = all_commands(load_plugins([]))
    assert [name for name in known if not re.search(rf"`/{name}\b", usages)] == []


def test_the_rooms_are_pictured_alike() -> None:
    pictures = {
        re.search(r"^```text\n testing .*?^```$", text_of(page), re.MULTILINE | re.DOTALL)[0]  # type: ignore[index]
        for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", DOCS / "architecture.md")
    }
    assert len(pictures) == 1


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_no_page_names_a_module_below_the_public_face(page: Path) -> None:
    deep = re.findall(r"(?<!-m )persona_core(?:\.\w+)+", text_of(page))
    assert [name for name in deep if not name.startswith(("persona_core.errors", "persona_core.testing"))] == []


def test_what_is_changed_outside_our_own_objects_is_in_the_file_that_is_named() -> None:
    for file, what, *_ in rows(DOCS / "architecture.md", "What is changed outside our own objects"):
        source = text_of(ROOT / file.strip("`"))
        assert [name for name in re.findall(r"`([^`]+)`", what) if name.split(".")[-1] not in source] == [], file


def test_every_file_that_changes_something_outside_our_own_objects_is_listed() -> None:
    listed = {row[0].strip("`") for row in rows(DOCS / "architecture.md", "What is changed outside our own objects")}
    paths = [path for path in (ROOT / "persona_core").rglob("*.py") if REACHES_OUTSIDE.search(text_of(path))]
    assert {path.relative_to(ROOT).as_posix() for path in paths} == listed

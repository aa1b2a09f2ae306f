"""`delete` asks first and moves a persona to the trash; `restore` brings it back."""

import json
from collections.abc import Callable
from pathlib import Path

from click.testing import Result

Run = Callable[..., Result]


def test_delete_asks_first(run: Run) -> None:
    assert "Delete persona sage" in run("delete", "sage", stdin="n\n", code=1).stdout
    assert "sage: " in run("info", "sage").stdout


def test_delete_and_restore_a_ready_made_persona(run: Run) -> None:
    path = Path(json.loads(run("info", "sage", "--json").stdout)["file"])
    run("load", "sage")
    assert "restore sage" in run("delete", "sage", stdin="y\n").stdout
    assert run("list", "--loaded", "--json").stdout.strip() == "[]"
    assert "is deleted" in run("info", "sage", code=1).stderr
    assert path.is_file()
    run("restore", "sage")
    run("info", "sage")


def test_delete_and_restore_an_own_persona(run: Run, workspace_folder: Path) -> None:
    content = Path(json.loads(run("info", "sage", "--json").stdout)["file"]).read_bytes()
    own = workspace_folder / "vectors" / "smollm2-135m-instruct" / "personas" / "sage.safetensors"
    own.parent.mkdir(parents=True)
    own.write_bytes(content)
    run("delete", "sage", "--yes")
    assert not own.exists()
    run("restore", "sage")
    assert own.read_bytes() == content

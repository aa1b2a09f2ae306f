"""Commands that need no model start without the libraries that take seconds to import."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"torch", "transformers", "nnsight"}
PROGRAM = """
import json, sys
from persona_core.cli import build_cli
from persona_core.plugins.loading import load_plugins
try:
    build_cli(load_plugins())(args=sys.argv[1:])
finally:
    print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""
LIGHT = (
    "--help", "list", "list --json", "info sage", "info sage --json", "config show", "config get model.name",
    "config set model.name smollm2", "config keys", "plugins", "load sage", "unload --all", "datasets show sage",
    "datasets generate safety", "create --no-extract pirate --description a-pirate", "delete sage --yes",
    "restore --help", "delete --help", "generate --help", "chat --help", "extract --help", "extract-axes --help",
    "demo --help", "plugins new --help", "plugins check --help",
)  # fmt: skip


@pytest.fixture(autouse=True)
def smollm2_workspace(workspace_folder: Path) -> None:
    workspace_folder.mkdir()
    (workspace_folder / "config.yaml").write_text("# persona-steer\nmodel:\n  name: smollm2\n")


@pytest.mark.slow
@pytest.mark.parametrize("command", LIGHT)
def test_command_starts_without_torch(command: str) -> None:
    arguments = [sys.executable, "-c", PROGRAM, *command.split()]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, env=dict(os.environ))
    *said, modules = done.stderr.splitlines()
    assert done.returncode == 0, said
    assert not HEAVY & set(json.loads(modules))


def test_importing_the_package_does_not_import_torch() -> None:
    program = "import json, sys, persona_core; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert not HEAVY & set(json.loads(done.stdout))


@pytest.mark.slow
@pytest.mark.parametrize(("given", "read"), [({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "active"}, "ACTIVE")])
def test_threads_of_torch_wait_asleep_unless_the_user_says_otherwise(given: dict[str, str], read: str) -> None:
    program = """
import sys
from persona_core.cli import main
sys.argv = ["persona-steer", "--version"]
try:
    main()
finally:
    import torch
"""
    bare = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    environment = bare | {"OMP_DISPLAY_ENV": "true"} | given
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, timeout=60)
    assert f"OMP_WAIT_POLICY = '{read}'" in done.stderr

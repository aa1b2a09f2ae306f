"""Bundling: makes the ready-made vectors of a model, as `python -m persona_core.cli.bundling smollm2 vectors`.

Extracts both axes, the baseline and the reference personas in a fresh workspace, copies them under OUT/<model> and
writes `manifest.json` with the sha256 of every file there.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import tempfile
from pathlib import Path

from persona_core.base.files import write_atomically
from persona_core.cli.app import App
from persona_core.cli.extracting import extract_and_show_everything
from persona_core.extraction.new_workspace import make_workspace
from persona_core.plugins.loading import load_plugins
from persona_core.plugins.opening import get_config
from persona_core.settings.workspace import Workspace

MANIFEST = "manifest.json"


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("out", type=Path)
    parser.add_argument("--workspace", type=Path, help="keep the workspace here, so that a killed run goes on")
    chosen = parser.parse_args()
    folder = chosen.workspace or Path(tempfile.mkdtemp(prefix="persona-steer-"))
    bundle(chosen.model, Workspace(folder.absolute()), chosen.out)


def bundle(model_name: str, workspace: Workspace, out: Path) -> None:
    """Extract everything for one model and copy it under `out`."""
    app = App(load_plugins(), workspace.root)
    make_workspace(get_config(workspace, model=model_name, plugins=app.plugins))
    config = get_config(workspace, plugins=app.plugins)
    model, manager = app.model(config), app.manager(config)
    extract_and_show_everything(model, manager, config.extraction.reference_archetypes)
    shutil.copytree(manager.store.own, out / manager.slug, dirs_exist_ok=True)
    write_atomically(out / MANIFEST, json.dumps(manifest(out), indent=2) + "\n")


def manifest(folder: Path) -> dict[str, str]:
    """Return relative path -> sha256 for every vector file under a folder."""
    files = sorted(folder.rglob("*.safetensors"))
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


if __name__ == "__main__":
    main()

"""`persona-steer doctor`: checks this machine, the workspace and the model, and says what to do about what it finds."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from persona_core.base.findings import Finding
from persona_core.cli.app import App, json_option, model_option, waiting
from persona_core.errors import PersonaError

Check = Callable[[App], Iterator[Finding]]


@click.command("doctor")
@json_option
@model_option
@click.pass_obj
def command(app: App, as_json: bool, model: str | None) -> None:
    """Check this machine, the workspace and the model.

    On a few tokens of the configured model: unsteered replies are those of transformers, steering is what plain hooks
    do, the floor holds at the next block, a later reply is as in a new chat, and a row of a batch is as it is alone.
    Exits with 1 where something is not as it should be. --json is for bug reports; it holds no path of yours.

    \b
    Example:
      persona-steer doctor
      persona-steer doctor --model smollm2 --json
    """
    app.model_name = model
    findings = []
    for finding in examined(app):
        findings.append(finding)
        if not as_json:
            click.echo("\n".join(finding_lines(finding)))
    if as_json:
        click.echo(json.dumps([without_paths(vars(finding), app) for finding in findings], indent=2))
    failed = [finding for finding in findings if not finding.ok]
    if not as_json:
        click.echo(f"{len(failed)} of {len(findings)} checks failed" if failed else "all is as it should be")
    if failed:
        sys.exit(1)


def examined(app: App) -> Iterator[Finding]:
    """Run every check; one that raises is a finding with the error's words. The model comes last."""
    checks: tuple[tuple[str, Check], ...] = (
        ("versions", _versions), ("workspace", _workspace), ("plugins", _plugins), ("vectors", _vectors),
        ("model", _model),
    )  # fmt: skip
    for name, check in checks:
        try:
            yield from check(app)
        except PersonaError as error:
            yield Finding(name, False, str(error))


def finding_lines(finding: Finding) -> list[str]:
    """Return a finding as a line, and a second one with what to do."""
    lines = [f"{'ok  ' if finding.ok else 'FAIL'}  {finding.name}: {finding.detail}"]
    return [*lines, f"      {finding.advice}"] if finding.advice else lines


def without_paths(fields: dict[str, object], app: App) -> dict[str, object]:
    """Return a finding's fields with the user's folders by other names."""
    folders = {str(app.workspace().root): "WORKSPACE", str(Path.home()): "~"}

    def clean(value: object) -> object:
        for folder, name in folders.items() if isinstance(value, str) else ():
            value = str(value).replace(folder, name)
        return value

    return {key: clean(value) for key, value in fields.items()}


def _versions(app: App) -> Iterator[Finding]:
    import platform
    from importlib.metadata import version

    from persona_core.base.provenance import TOOLS

    shown = ", ".join([f"Python {platform.python_version()}", *(f"{tool} {version(tool)}" for tool in TOOLS)])
    wrong = unsuitable_tools()
    yield Finding("versions", not wrong, f"{shown} on {platform.platform()}", "; ".join(wrong))


def unsuitable_tools() -> list[str]:
    """Return, for each installed tool that persona-core was not made for, the command that mends it."""
    from importlib.metadata import requires, version

    from packaging.requirements import Requirement

    wanted = [Requirement(line) for line in requires("persona-core") or () if "extra ==" not in line]
    wrong = [want for want in wanted if not want.specifier.contains(version(want.name), prereleases=True)]
    return [f'{want.name} is {version(want.name)}: python -m pip install "{want}"' for want in wrong]


def _workspace(app: App) -> Iterator[Finding]:
    workspace, config = app.workspace(), app.config()
    where = str(workspace.root) if workspace.exists else f"{workspace.root} (none yet: `persona-steer init` makes it)"
    yield Finding("workspace", True, f"{where}; model {config.model.name}")


def _plugins(app: App) -> Iterator[Finding]:
    from persona_core.plugins.inventory import check_names, inventory

    check_names(app.plugins)
    rows = inventory(app.plugins)
    broken = {row["package"]: row["error"] for row in rows if row["error"]}
    detail = "; ".join(f"{name}: {error}" for name, error in broken.items()) or f"{len(rows)} packages, all work"
    advice = f"`persona-steer plugins disable {next(iter(broken))}` keeps it out" if broken else ""
    yield Finding("plugins", not broken, detail, advice)


def _vectors(app: App) -> Iterator[Finding]:
    manager = app.manager()
    entries = manager.entries()
    damaged = [entry.name for entry in entries if entry.problem]
    made = [entry.name for entry in entries if entry.header]
    if damaged:
        yield Finding("vectors", False, f"damaged: {', '.join(damaged)}", f"`persona-steer extract {damaged[0]}`")
    axes = "both axes" if manager.has_baseline() else "no axes: `persona-steer extract-axes` makes them"
    yield Finding("vectors", True, f"{len(made)} personas of {manager.slug}, {axes}")


def _model(app: App) -> Iterator[Finding]:
    with waiting("loading the model"):
        model = app.model()
    dtype = str(model.dtype).removeprefix("torch.")
    yield Finding("model", True, f"{model.identity.name} on {model.device} in {dtype}, {model.n_layers} layers of "
                                 f"{model.identity.hidden_size}")  # fmt: skip
    from persona_core.evaluation.diagnosis import Diagnosis

    with waiting("trying the model"):
        findings = list(Diagnosis(model).findings())
    yield from findings
    manager = app.manager(model.config)
    for name in manager.names():
        manager.persona(name, model.identity)
    yield Finding("vectors fit the model", True, ", ".join(manager.names()) or "there are none")

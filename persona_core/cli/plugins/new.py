"""`persona-steer plugins new`: writes a complete package that installs and works at once."""

import shlex
from pathlib import Path

import click

from persona_core.cli.app import App
from persona_core.cli.plugins.clashes import taken_by
from persona_core.errors import PluginError
from persona_core.plugins.new_package import KINDS, NewPackage, new_package, write_package


@click.command("new")
@click.argument("kind", type=click.Choice(list(KINDS)))
@click.argument("name")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=Path(),
    help="Where the package's own folder is made.  [default: the current folder]",
)
@click.pass_obj
def new(app: App, kind: str, name: str, folder: Path) -> None:
    """Make a package: code that works, tests that pass, README, licence and CI file.

    NAME is the package's name, as pip knows it. What follows `persona-` and the word for the kind becomes the name that
    users type: persona-capping-slow brings the policy `slow`. Nothing is overwritten.

    \b
    Example:
      persona-steer plugins new blending persona-blending-sharp
      persona-steer plugins new archetype persona-archetypes-sailors --folder ~/packages
    """
    package = new_package(kind, name)
    owner = taken_by(app.plugins, package.kind.hook, package.object_name, name)
    if owner:
        raise PluginError(f"{package.object_name!r} is a name that {owner} brings already; choose another NAME")
    click.echo("\n".join(_lines(package, write_package(package, folder))))


def _lines(package: NewPackage, folder: Path) -> list[str]:
    """Return the files that were written and the commands to type next."""
    path = str(folder) if folder.is_absolute() else f"./{folder.as_posix()}"
    shown = shlex.quote(path)
    return [
        *(f"wrote {folder / written}" for written, _ in package.files()),
        "",
        "Next:",
        f"  python -m pip install -e {shlex.quote(f'{path}[test]')}",
        f"  python -m pytest {shown}",
        f"  persona-steer plugins check {shown}",
        "Then, in a workspace:",
        *(f"  {line}" for line in package.use),
    ]

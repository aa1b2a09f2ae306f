"""New packages: a complete plugin package that works at once, written from templates, whole or not at all."""

from __future__ import annotations

import keyword
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

from persona_core.base.names import check_name
from persona_core.errors import PluginError

SUFFIX = ".template"
_DISTRIBUTION = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?")


@dataclass(frozen=True)
class PackageKind:
    """A kind of package: its hook, the words that its name may begin with, a summary, and commands that use it."""

    hook: str
    prefixes: tuple[str, ...]
    summary: str
    use: tuple[str, ...]


KINDS = {
    "archetype": PackageKind(
        "register_archetypes",
        ("archetypes", "archetype"),
        "Personas for persona-steer",
        ("persona-steer extract $object", 'persona-steer generate "How do I start over?" --persona $object'),
    ),
    "blending": PackageKind(
        "register_blending_strategies",
        ("blending",),
        "The blending strategy $object for persona-steer: the greatest weight leads",
        (
            "persona-steer config set steering.blending $object",
            'persona-steer generate "What makes a good life?" --blend sage:0.6,trickster:0.3',
        ),
    ),
    "capping": PackageKind(
        "register_capping_policies",
        ("capping",),
        "The capping policy $object for persona-steer: a safety floor that rises with every turn",
        ("persona-steer config set steering.capping_policy $object", "persona-steer chat --persona sage"),
    ),
    "dataset": PackageKind(
        "register_dataset_generators",
        ("datasets", "dataset"),
        "The dataset generator $object for persona-steer: personas that introduce themselves",
        ('persona-steer create pilot --description "a pilot of the old school" --generator $object --no-extract',),
    ),
    "judge": PackageKind(
        "register_judges",
        ("judges", "judge"),
        "The judge $object for persona-steer: the words that a reply shares with a persona",
        ("persona-steer eval --judge $object",),
    ),
    "commands": PackageKind(
        "register_chat_commands",
        ("commands", "command", "chat"),
        "The chat command /$object for persona-steer: what has been asked so far",
        ("persona-steer chat",),
    ),
}


@dataclass(frozen=True)
class NewPackage:
    """A package to be written: its kind and templates, the names of its distribution and module, and of its object.

    `object_name` is what users type: the name of the strategy, policy, judge or command that the package brings.
    """

    kind: PackageKind
    template: str
    name: str
    module: str
    object_name: str

    @property
    def use(self) -> tuple[str, ...]:
        """The commands that use the installed package."""
        return tuple(Template(line).substitute(object=self.object_name) for line in self.kind.use)

    def files(self) -> Iterator[tuple[str, str]]:
        """Yield each file's path within the package's folder, and its text."""
        words = self._words()
        root = files("persona_core.plugins") / "templates"
        for template, file in (*_templates(root / "common"), *_templates(root / self.template)):
            path = template.removesuffix(SUFFIX).replace("MODULE", self.module).replace("OBJECT", self.object_name)
            yield path, Template(file.read_text(encoding="utf-8")).substitute(words)

    def _words(self) -> dict[str, str]:
        words = {"name": self.name, "module": self.module, "object": self.object_name, "year": str(date.today().year)}
        return words | {
            "summary": Template(self.kind.summary).substitute(words),
            "install": 'python -m pip install -e ".[test]"\npython -m pytest',
            "checks": "python -m pytest\npersona-steer plugins check .",
            "use": "\n".join(self.use),
        }


def new_package(kind: str, name: str) -> NewPackage:
    """Return the package of a kind for a name; raise `PluginError` for one that no package or no module can have."""
    if not _DISTRIBUTION.fullmatch(name):
        raise PluginError(
            f"{name!r} is not a package name: use 1-64 letters, digits, '-', '_' and '.', "
            f"and begin and end with a letter or digit, as in persona-{kind}-mine"
        )
    words = re.sub(r"[-_.]+", "-", name).lower()
    short = _without(_without(words, ("persona",)), KINDS[kind].prefixes)
    check_name(short, PluginError, f"{kind} package")
    return NewPackage(KINDS[kind], kind, name, _module(name, words.replace("-", "_")), short)


def write_package(package: NewPackage, folder: Path) -> Path:
    """Write a package into a folder of its own name under `folder`, whole or not at all; return that folder.

    Raises `PluginError` where something of this name is there already.
    """
    target = folder / package.name
    if target.exists() or target.is_symlink():
        raise PluginError(f"{target} is there already; choose another name, or another --folder")
    unfinished: Path | None = None
    try:
        unfinished = Path(tempfile.mkdtemp(dir=folder, prefix=f".{package.name}."))
        _write_files(package, unfinished / package.name)
        (unfinished / package.name).rename(target)
    except OSError as error:
        raise PluginError(f"cannot write {target}: {error.strerror or error}") from error
    finally:
        if unfinished is not None:
            shutil.rmtree(unfinished, ignore_errors=True)
    return target


def _write_files(package: NewPackage, folder: Path) -> None:
    for path, text in package.files():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")


def _without(words: str, prefixes: tuple[str, ...]) -> str:
    """Return a name without the first prefix that it begins with, unless nothing would be left."""
    for prefix in prefixes:
        if words.startswith(f"{prefix}-"):
            return words.removeprefix(f"{prefix}-")
    return words


def _module(name: str, module: str) -> str:
    """Return the module's name; raise `PluginError` for one that cannot be imported or hides another module."""
    taken = module in sys.stdlib_module_names or module in ("persona_core", "tests", "pytest", "torch")
    if taken or not module.isidentifier() or keyword.iskeyword(module):
        raise PluginError(
            f"{name!r} would be imported as {module!r}, which is taken or no name of a module; "
            "choose one that begins with a letter, as in persona-mine"
        )
    return module


def _templates(folder: Traversable, inside: str = "") -> Iterator[tuple[str, Traversable]]:
    """Yield every template below a folder with its path inside that folder, sorted."""
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            yield from _templates(entry, f"{inside}{entry.name}/")
        elif entry.name.endswith(SUFFIX):
            yield f"{inside}{entry.name}", entry

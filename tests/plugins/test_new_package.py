"""`plugins new` for every kind, really installed, tested by its own tests and checked; and packages that misbehave."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest
from click.testing import CliRunner, Result

from persona_core.cli import build_cli
from persona_core.errors import PluginError
from persona_core.plugins.loading import load_plugins
from persona_core.plugins.new_package import KINDS, new_package, write_package
from persona_core.testing.package.inspection import ENTRY_POINT, HOOKS, LOADING, PACKAGE

DOCS = Path(__file__).parents[2] / "docs"
NAMES = {kind: f"persona-{kind}-made" for kind in KINDS}
Made = tuple[Path, Path, str]
Check = Callable[..., tuple[int, dict[str, dict[str, str]]]]


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(build_cli(load_plugins(installed=[])), ["plugins", *arguments])


def run(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a module with `site` before everything else on the path."""
    environment = os.environ | {"PYTHONPATH": str(site)}
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, cwd=site.parent, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """One package of every kind: their folder, where all are installed, and what their own tests said."""
    folder = tmp_path_factory.mktemp("packages")
    for kind, name in NAMES.items():
        result = invoke("new", kind, name, "--folder", str(folder))
        assert result.exit_code == 0, result.output
        assert f"persona-steer plugins check {folder / name}\n" in result.output
    places = [str(folder / name) for name in NAMES.values()]
    command = ("pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--target", str(folder / "site"))
    installed = run(folder / "site", *command, *places)
    assert installed.returncode == 0, installed.stderr
    own = run(
        folder / "site",
        "pytest",
        "-q",
        "-rA",
        "--import-mode=importlib",
        "-p",
        "no:cacheprovider",
        f"--rootdir={folder}",
        *places,
    )
    assert own.returncode == 0, own.stdout
    return folder, folder / "site", own.stdout


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_new_package_passes_its_own_tests_and_every_check(made: Made, kind: str) -> None:
    folder, site, own = made
    assert f"{NAMES[kind]}/tests/test_persona_{kind}_made.py::" in own
    result = run(site, "persona_core.cli", "plugins", "check", str(folder / NAMES[kind]))
    lines = result.stdout.splitlines()
    assert lines[0] == f"{NAMES[kind]} 0.1.0, from {folder / NAMES[kind]}"
    assert {line.split()[0] for line in lines[1:-1]} == {"ok"}
    assert lines[-1] == "13 checks, none failed"
    assert result.returncode == 0


@pytest.mark.slow
def test_every_new_object_shows_up_in_plugins_and_an_installed_package_is_checked_by_name(made: Made) -> None:
    _, site, _ = made
    rows = json.loads(run(site, "persona_core.cli", "plugins", "--json").stdout)
    registered = {row["package"]: row["registered"] for row in rows}
    assert {NAMES[kind]: registered[NAMES[kind]] for kind in KINDS} == {
        NAMES[kind]: {KINDS[kind].hook: ["made"]} for kind in KINDS
    }
    checked = run(site, "persona_core.cli", "plugins", "check", "Persona_Judge.made", "--json")
    report = json.loads(checked.stdout)
    assert report["package"] == "persona-judge-made 0.1.0"
    assert report["passed"]
    assert checked.returncode == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_package_is_complete_and_leaves_nothing_to_fill_in(kind: str, tmp_path: Path) -> None:
    place = write_package(new_package(kind, "mine"), tmp_path)
    written = {path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()}
    assert written >= {
        "pyproject.toml", "LICENSE", "README.md", ".gitignore", ".github/workflows/ci.yml", "mine/py.typed",
        "mine/__init__.py", "tests/test_mine.py",
    }  # fmt: skip
    text = "".join((place / path).read_text(encoding="utf-8") for path in written)
    assert "${{ matrix.python }}" in text
    for blank in ("$module", "$object", "$name", "OBJECT", "MODULE", "TODO"):
        assert blank not in text
    first = (place / "tests/test_mine.py").read_text(encoding="utf-8").partition("\ndef test_")[2]
    assert "check_" in first.partition("\n\n\n")[0]


@pytest.mark.parametrize(
    ("name", "module", "short"),
    [
        ("persona-blending-sharp", "persona_blending_sharp", "sharp"),
        ("Sharp.Blend_2", "sharp_blend_2", "sharp-blend-2"),
        ("persona-blending", "persona_blending", "blending"),
    ],
)
def test_the_name_gives_the_module_and_what_users_type(name: str, module: str, short: str) -> None:
    package = new_package("blending", name)
    assert (package.module, package.object_name) == (module, short)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../up", "a/b", "-x", "x-", "two words", "ü", "7", "json", "class", "a" * 65]
)
def test_a_name_that_no_package_can_have_is_an_error(name: str) -> None:
    with pytest.raises(PluginError, match="persona-"):
        new_package("judge", name)


@pytest.mark.parametrize(
    ("kind", "name", "owner"),
    [
        ("capping", "persona-capping-percentile-floor", "persona-core"),
        ("commands", "persona-chat-help", "persona-core"),
    ],
)
def test_the_name_of_a_built_in_object_is_refused(kind: str, name: str, owner: str, tmp_path: Path) -> None:
    result = invoke("new", kind, name, "--folder", str(tmp_path))
    assert result.exit_code == 1
    assert f"is a name that {owner} brings already" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten_and_a_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    result = invoke("new", "judge", "mine", "--folder", str(tmp_path))
    assert result.exit_code == 1
    assert "is there already; choose another name" in result.stderr
    (tmp_path / "mine").rmdir()
    package = new_package("judge", "mine")
    object.__setattr__(package, "module", "a/" + "b" * 300)
    with pytest.raises(PluginError, match="cannot write"):
        write_package(package, tmp_path)
    assert list(tmp_path.iterdir()) == []


METADATA = """\
Metadata-Version: 2.4
Name: {name}
Version: 1.0
License-Expression: MIT
Requires-Dist: persona-core

About this package.
"""
HOOK = """
from persona_core import hookimpl

@hookimpl
def {hook}():
    return {value}
"""
BLEND = """
class Blend:
    name = "blend"

    def blend(self, parts):
        {body}
"""


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Check:
    """Return a function from a module's source to the exit code of its check and the findings by name."""
    site = tmp_path / "site"
    info = site / "persona_bad-1.0.dist-info"
    info.mkdir(parents=True)
    monkeypatch.syspath_prepend(site)
    monkeypatch.setenv("PYTHONPATH", str(site))

    def make(source: str, metadata: str = METADATA, seconds: float = 60) -> tuple[int, dict[str, dict[str, str]]]:
        (site / "persona_bad.py").write_text(dedent(source))
        (info / "METADATA").write_text(metadata.format(name="persona-bad"))
        (info / "entry_points.txt").write_text("[persona_core]\nbad = persona_bad\n")
        result = invoke("check", "persona-bad", "--json", "--timeout", str(seconds))
        assert result.exception is None or isinstance(result.exception, SystemExit), result.output
        assert "Traceback" not in result.output
        findings = json.loads(result.stdout)["findings"]
        return result.exit_code, {finding["check"]: finding for finding in findings}

    return make


def returning(value: str, hook: str = "register_blending_strategies", before: str = "") -> str:
    return before + HOOK.format(hook=hook, value=value)


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


@pytest.mark.slow
def test_metadata_that_is_missing_is_named(check: Check) -> None:
    metadata = (
        "Metadata-Version: 2.4\nName: persona-bad\nVersion: 0.0.0\nRequires-Dist: no-such-thing>=2; extra == 'x'\n"
    )
    code, findings = check(returning("[]"), metadata)
    assert code == 1
    missing = {"version", "licence", "readme", "dependencies"}
    assert {name for name in missing if findings[name]["status"] == "FAILED"} == missing
    assert 'readme = "README.md"' in findings["readme"]["mend"]
    assert findings["types"]["status"] == "advice"
    needs = METADATA.replace("\n\n", "\nRequires-Dist: no-such-thing>=2\n\n")
    _, findings = check(returning("[]"), needs)
    assert findings["dependencies"]["said"].startswith("no-such-thing>=2 is not installed here")
    assert findings["dependencies"]["mend"] == "python -m pip install 'no-such-thing>=2'"


@pytest.mark.slow
def test_a_judge_that_reads_the_model_is_left_to_its_own_tests(check: Check) -> None:
    source = "from persona_core.evaluation.judges import LogProbJudge"
    code, findings = check(returning("[LogProbJudge(name='mine')]", "register_judges", source))
    assert code == 0
    assert findings["judge mine"]["status"] == "skipped"
    assert "check_judge(judge, model)" in findings["judge mine"]["said"]


@pytest.mark.slow
def test_a_folder_that_does_not_install_is_a_failed_line_with_pips_own_reason(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n\n[project]\nname = "persona-x"\n'
    )
    result = invoke("check", str(tmp_path))
    assert result.exit_code == 1
    assert "FAILED   installs: " in result.stdout
    assert "version" in result.stdout
    assert "mend it: python -m pip install --no-deps " in result.stdout
    assert result.stdout.endswith("1 checks, 1 FAILED\n")


@pytest.mark.slow
def test_a_folder_whose_installation_never_ends_is_stopped(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "endless"\nbackend-path = ["."]\n'
    )
    (tmp_path / "endless.py").write_text("while True: pass\n")
    result = invoke("check", str(tmp_path), "--timeout", "4")
    assert result.exit_code == 1
    assert "FAILED   installs: it did not end within 4 s and was stopped\n" in result.stdout


def test_a_package_that_is_not_there_is_an_error_with_the_nearest_name() -> None:
    result = invoke("check", "persona-archetype-base")
    assert result.exit_code == 1
    assert "did you mean 'persona-archetypes-base'?" in result.stderr


def test_the_packages_that_two_pages_make_by_hand_are_those_that_are_made() -> None:
    sailors = dict(new_package("archetype", "persona-archetypes-sailors").files())
    page = (DOCS / "write-an-archetype.md").read_text(encoding="utf-8")
    for path in ("sailors.yaml", "questions.yaml"):
        assert sailors[f"persona_archetypes_sailors/{path}"].replace("name: sailors", "name: helmsman") in page
    rising = dict(new_package("capping", "persona-capping-rising").files())["persona_capping_rising/__init__.py"]
    page = (DOCS / "write-a-capping-policy.md").read_text(encoding="utf-8")
    assert rising.partition("\nSTEP = ")[2].replace('"rising"', '"rising-floor"') in page


def test_every_page_that_a_finding_names_has_that_section() -> None:
    for page in (ENTRY_POINT, LOADING, PACKAGE, *(f'docs/hooks.md, section "{hook}"' for hook in HOOKS)):
        file, _, section = page.partition(", section ")
        assert f"\n## {section.strip(chr(34))}\n" in (DOCS.parent / file).read_text(encoding="utf-8")

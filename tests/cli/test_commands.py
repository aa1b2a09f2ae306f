"""Every command does what its help says."""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import distributions
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from persona_core.base.files import write_atomically
from persona_core.cli import build_cli
from persona_core.cli.root import COMMANDS
from persona_core.extraction.generators import Templates
from persona_core.personas.archetype import Archetype
from persona_core.personas.dataset import to_text
from persona_core.plugins.loading import load_plugins

BASE = ["creator", "explorer", "guardian", "sage", "trickster"]
Run = Callable[..., Result]


@pytest.fixture(scope="module")
def cli() -> click.Group:
    return build_cli(load_plugins())


@pytest.fixture
def run(cli: click.Group, workspace_folder: Path) -> Run:
    """Return a function that runs a command in a workspace for the embedded model."""
    workspace_folder.mkdir(exist_ok=True)
    (workspace_folder / "config.yaml").write_text("# persona-steer\nmodel:\n  name: smollm2  # embedded\n")

    def call(*arguments: str, stdin: str = "", code: int = 0) -> Result:
        result = CliRunner().invoke(cli, list(arguments), input=stdin)
        assert result.exit_code == code, result.output
        return result

    return call


@pytest.fixture
def tiny(run: Run, workspace_folder: Path) -> None:
    """Make extraction and calibration short: few replies of few tokens, and one question that calibration asks."""
    settings = {"system_prompts": 2, "questions": 2, "max_new_tokens": 4, "batch_size": 4}
    for key, value in settings.items():
        run("config", "set", f"extraction.{key}", str(value))
    run("config", "set", "extraction.reference_archetypes", "[own, other]")
    questions = ["What is fire?", "How do I rest?", "Why read?"]
    for name in ("own", "other"):
        archetype = Archetype(
            name=name, description=name, system_prompts=(f"You are {name}.",) * 2, questions=questions
        )
        write_atomically(workspace_folder / "archetypes" / f"{name}.yaml", archetype.to_yaml())
    few = Templates().safety()
    few = few.model_copy(update={"train": few.train[:8], "heldout": few.heldout[:4]})
    write_atomically(workspace_folder / "datasets" / "safety" / "safety.yaml", to_text(few))


def commands(group: click.Group, *path: str) -> Iterator[tuple[str, ...]]:
    """Yield the words of every command and subcommand."""
    yield path
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)
        else:
            yield (*path, name)


@pytest.mark.parametrize(("name", "shown"), COMMANDS.items(), ids=list(COMMANDS))
def test_the_short_help_that_is_shown_without_importing_a_command_is_its_own(name: str, shown: str) -> None:
    command = build_cli().get_command(click.Context(build_cli()), name)
    assert command is not None
    assert command.name == name
    assert command.get_short_help_str(1000) == shown


def test_the_help_of_the_root_imports_neither_commands_nor_plugins() -> None:
    code = "import sys; from persona_core.cli import main; sys.argv = ['persona-steer', '--help']; main()"
    listing = f"import atexit, sys; atexit.register(lambda: print(sorted(sys.modules), file=sys.stderr)); {code}"
    done = subprocess.run([sys.executable, "-c", listing], capture_output=True, text=True, check=True)
    assert not {"pydantic", "yaml", "persona_core.cli.chat", "persona_core.plugins.loading"} & set(
        ast.literal_eval(done.stderr)
    )


@pytest.mark.parametrize("words", list(commands(build_cli(load_plugins()))), ids=" ".join)
def test_help_of_every_command_shows_an_example(run: Run, words: tuple[str, ...]) -> None:
    assert "Example:\n  persona-steer" in run(*words, "--help").stdout.replace("    ", "  ")


def test_init_makes_a_workspace(cli: click.Group, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    result = CliRunner().invoke(cli, ["init", str(folder), "--model", "smollm2"])
    assert result.exit_code == 0, result.output
    assert "name: smollm2" in (folder / "config.yaml").read_text()
    assert (folder / "datasets" / "safety" / "safety.yaml").is_file()
    assert (folder / "datasets" / "personas" / "sage.yaml").is_file()
    assert (folder / "vectors").is_dir()


def test_init_again_keeps_what_was_edited(run: Run, workspace_folder: Path) -> None:
    run("init")
    config, sage = workspace_folder / "config.yaml", workspace_folder / "datasets" / "personas" / "sage.yaml"
    for path in (config, sage):
        path.write_text(path.read_text() + "# mine\n")
    edited = [config.read_text(), sage.read_text()]
    output = run("init").stdout
    assert f"kept {config}" in output
    assert f"kept {sage} (edited)" in output
    assert [config.read_text(), sage.read_text()] == edited


def test_config_show_lists_every_key_with_its_value(run: Run) -> None:
    shown = run("config", "show").stdout
    for line in run("config", "keys").stdout.splitlines():
        assert f"  {line.split()[0].partition('.')[2]}: " in shown
    assert json.loads(run("config", "show", "--json").stdout)["model"]["name"] == "smollm2"


def test_config_set_keeps_comments_and_get_reads_it_back(run: Run, workspace_folder: Path) -> None:
    run("config", "set", "steering.default_strength", "0.8")
    assert run("config", "get", "steering.default_strength").stdout == "0.8\n"
    assert "name: smollm2  # embedded" in (workspace_folder / "config.yaml").read_text()


def test_config_set_takes_lists_and_layers(run: Run) -> None:
    run("config", "set", "extraction.reference_archetypes", "[sage, trickster]")
    run("config", "set", "extraction.target_layers", "8,10,12-14")
    assert run("config", "get", "extraction.target_layers").stdout == "8,10,12-14\n"
    assert json.loads(run("config", "get", "extraction.reference_archetypes").stdout) == ["sage", "trickster"]


def test_config_set_of_an_alias_sets_what_its_package_recommends(run: Run) -> None:
    output = run("config", "set", "model.name", "smollm2").stdout
    assert 'extraction.target_layers = "25%-50%"  (recommended for smollm2)' in output


def test_config_path_is_the_file(run: Run, workspace_folder: Path) -> None:
    assert run("config", "path").stdout.strip() == str(workspace_folder / "config.yaml")


def test_datasets_are_written_shown_and_kept_when_edited(run: Run, workspace_folder: Path) -> None:
    assert "not written" in run("datasets", "show").stdout
    run("datasets", "generate", "safety")
    run("datasets", "generate", "personas")
    assert "not written" not in run("datasets", "show").stdout
    assert "persona_prompts:" in run("datasets", "show", "sage").stdout
    assert "refusal:" in run("datasets", "show", "safety").stdout
    safety = workspace_folder / "datasets" / "safety" / "safety.yaml"
    safety.write_text(safety.read_text() + "# mine\n")
    assert "(edited)" in run("datasets", "generate", "safety").stdout
    assert "wrote" in run("datasets", "generate", "safety", "--force").stdout
    assert "# mine" not in safety.read_text()


def test_list_shows_extracted_personas_and_archetypes(run: Run) -> None:
    rows = {row["name"]: row for row in json.loads(run("list", "--json").stdout)}
    assert all(rows[name]["dose"] > 0 for name in BASE)
    assert rows["chef"]["extracted_for"] is None
    assert "not extracted" in run("list").stdout


def test_active_set_lasts_from_run_to_run(run: Run) -> None:
    assert run("load", "sage", "trickster").stdout == "active set: sage, trickster\n"
    assert [row["name"] for row in json.loads(run("list", "--loaded", "--json").stdout)] == ["sage", "trickster"]
    assert run("unload", "sage").stdout == "active set: trickster\n"
    assert "chef" not in run("list", "--loaded").stdout
    assert run("unload", "--all").stdout == "active set: empty\n"


def test_info_shows_layers_norms_cosines_and_calibration(run: Run) -> None:
    data = json.loads(run("info", "sage", "--json").stdout)
    assert data["cosines_with_axes"].keys() == {"safety_axis", "assistant_axis"}
    assert set(data["cosines_with_personas"]) == set(BASE) - {"sage"}
    assert len(data["norms"]) == len(data["target_layers"])
    text = run("info", "sage").stdout
    for word in ("layers", "norms", "calibration", "strength 1.0 = dose", "seed", "file"):
        assert word in text


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


def test_create_from_a_description_writes_an_archetype(run: Run, workspace_folder: Path) -> None:
    run("create", "pirate", "--description", "a grumpy pirate", "--no-extract")
    assert "a grumpy pirate" in (workspace_folder / "archetypes" / "pirate.yaml").read_text()
    rows = {row["name"]: row for row in json.loads(run("list", "--json").stdout)}
    assert rows["pirate"]["source"] == "workspace"


def test_create_from_an_archetype_adds_the_description(run: Run) -> None:
    run("create", "elder", "--from-archetype", "sage", "--description", "Speak of the harvest.", "--no-extract")
    run("create", "twin", "--from-archetype", "sage", "--no-extract")
    assert "harvest" in run("datasets", "show", "elder").stdout
    sage, twin = (run("datasets", "show", name).stdout.splitlines()[2:] for name in ("sage", "twin"))
    assert sage == twin


def test_plugins_lists_packages_with_what_they_registered(run: Run) -> None:
    rows = {row["package"]: row for row in json.loads(run("plugins", "--json").stdout)}
    brought = {"register_archetypes": BASE, "register_prompt_sets": ["base-voices"]}
    assert rows["persona-archetypes-base"]["registered"] == brought
    assert "smollm2" in run("plugins").stdout
    assert not any(row["error"] for row in rows.values())


@pytest.mark.usefixtures("model")
class TestWithTheModel:
    """Each command loads the model anew, so each test asks for much at once."""

    def test_generate_prints_the_reply_and_then_the_receipt(self, run: Run) -> None:
        run("load", "sage")
        result = run("generate", "What is fire?", "--persona", "sage", "--max-new-tokens", "6")
        assert result.stdout.strip()
        assert result.stderr.startswith("[sage at strength 1: ")
        assert "floor held in layers" in result.stderr

    def test_generate_json_reads_standard_input_and_steers_a_blend(self, run: Run) -> None:
        blend = ["--blend", "sage:0.5,trickster:0.3", "--safety", "off", "--max-new-tokens", "6"]
        blend += ["--temperature", "0.9", "--top-p", "0.8", "--seed", "3", "--strength", "0.5"]
        data = json.loads(run("generate", "-", *blend, "--json", stdin="What is fire?\n").stdout)
        assert data["text"]
        assert data["receipt"]["personas"] == {"sage": 0.5, "trickster": 0.3}
        assert data["receipt"]["safety"] == "off"
        assert data["receipt"]["seed"] == 3
        assert data["receipt"]["strength"] == 0.5
        assert data["receipt"]["floor"] is None
        assert data["receipt"]["relative_change"]

    def test_generate_at_strength_0_is_the_untouched_model(self, run: Run) -> None:
        common = ["generate", "What is fire?", "--json", "--max-new-tokens", "6"]
        none, plain = (
            json.loads(run(*common, *more).stdout) for more in (["--persona", "sage", "--strength", "0"], [])
        )
        assert none["text"] == plain["text"]
        assert none["receipt"]["relative_change"] == plain["receipt"]["relative_change"] == {}

    def test_chat_through_a_pipe_takes_every_slash_command(self, run: Run) -> None:
        lines = [
            "/help", "/list", "/status", "/persona sage", "What is fire?", "/strength 0.5", "/safety off",
            "/blend sage:0.5,trickster:0.3", "And water?", "/safety on", "/none", "/persona sgae", "/strength much",
            "/strength 9", "/blnd", "/xyz", "/persona", "/blend sage", "/blend sage:-1,trickster:1", "/safety maybe",
            "/persona chef", "/status", "/quit", "never read",
        ]  # fmt: skip
        result = run("chat", "--max-new-tokens", "6", "--allow-unsafe", stdin="\n".join(lines) + "\n")
        assert "/strength 0.0-2.0" in result.stdout
        assert "persona sage; strength 1; safety on; 0 turns" in result.stdout
        assert "persona sage 0.5 + trickster 0.3; strength 0.5; safety OFF; 1 turn" in result.stdout
        assert "persona none; strength 0.5; safety on; 2 turns" in result.stdout
        assert result.stderr.count("[sage") == 2
        says = [
            "did you mean 'sage'?", "0.0-2.0, not 'much'", "9 is out of range: use 0.0-2.0", "did you mean /blend?",
            "no command /xyz; /help lists the commands", "/persona takes a name", "'sage' in the blend has no weight",
            "the weight of 'sage' is -1", "takes on or off, not 'maybe'", "run `persona-steer extract chef`",
        ]  # fmt: skip
        errors = [line for line in result.stderr.splitlines() if line.startswith("Error:")]
        assert [words for words, error in zip(says, errors, strict=True) if words not in error] == []

    def test_create_from_a_description_makes_a_persona_that_speaks(
        self, run: Run, tiny: None, workspace_folder: Path
    ) -> None:
        done = run("create", "pirate", "--description", "a grumpy pirate captain")
        assert f"wrote {workspace_folder / 'archetypes' / 'pirate.yaml'}" in done.stdout
        assert "pirate: 4 replies" in done.stdout
        assert "pirate: calibration: 32 of 32" in done.stderr
        rows = {row["name"]: row for row in json.loads(run("list", "--json").stdout)}
        assert rows["pirate"]["dose"] > 0
        assert rows["pirate"]["source"] == "workspace"
        found = json.loads(run("info", "pirate", "--json").stdout)
        assert found["description"] == "a grumpy pirate captain"
        assert found["archetype"] == "pirate"
        assert found["file"].startswith(str(workspace_folder))
        assert "strength 1.0 = dose" in run("info", "pirate").stdout
        said = run("generate", "What is fire?", "--persona", "pirate", "--max-new-tokens", "6")
        assert said.stdout.strip()
        assert said.stderr.startswith("[pirate at strength 1: ")

    def test_create_from_an_archetype_makes_a_persona_that_speaks(self, run: Run, tiny: None) -> None:
        run("create", "elder", "--from-archetype", "sage", "--description", "Speak of the harvest.")
        found = json.loads(run("info", "elder", "--json").stdout)
        assert found["description"] == "Speak of the harvest."
        assert found["cosines_with_personas"].keys() == set(BASE)
        data = json.loads(run("generate", "Hi", "--persona", "elder", "--json", "--max-new-tokens", "6").stdout)
        assert data["receipt"]["personas"] == {"elder": 1.0}
        assert data["receipt"]["relative_change"]

    def test_extract_of_an_installed_archetype_makes_its_first_vector(self, run: Run, tiny: None) -> None:
        assert "run `persona-steer extract chef`" in run("generate", "Hi", "--persona", "chef", code=1).stderr
        assert "chef: 4 replies" in run("extract", "chef").stdout
        rows = {row["name"]: row for row in json.loads(run("list", "--json").stdout)}
        assert rows["chef"]["dose"] > 0
        assert rows["chef"]["source"] == "persona-archetypes-professions"
        said = run("generate", "What is fire?", "--persona", "chef", "--max-new-tokens", "6")
        assert said.stderr.startswith("[chef at strength 1: ")

    def test_extract_all_extracts_every_archetype(self, tiny: None, workspace_folder: Path) -> None:
        only_the_model = [found for found in distributions() if found.name == "persona-model-smollm2"]
        cli = build_cli(load_plugins(installed=only_the_model))
        done = CliRunner().invoke(cli, ["extract", "--all"])
        assert done.exit_code == 0, done.output
        assert "own: 4 replies" in done.stdout
        assert "other: 4 replies" in done.stdout
        made = workspace_folder / "vectors" / "smollm2-135m-instruct" / "personas"
        assert {path.stem for path in made.glob("*.safetensors")} == {"own", "other"}

    def test_extract_axes_prints_separation_by_layer_and_what_the_floor_does(
        self, run: Run, workspace_folder: Path
    ) -> None:
        for key, value in {"system_prompts": 2, "questions": 4, "max_new_tokens": 8}.items():
            run("config", "set", f"extraction.{key}", str(value))
        few = Templates().safety()
        few = few.model_copy(update={"train": few.train[:32], "heldout": few.heldout[:12]})
        write_atomically(workspace_folder / "datasets" / "safety" / "safety.yaml", to_text(few))
        said = run("extract-axes").stdout
        rows = re.findall(
            r"layer +(\d+)  held-out AUC ([\d.]+)  default/persona AUC ([\d.]+)  floor p10 .*?( capped)?$", said, re.M
        )
        assert [int(layer) for layer, _, _, capped in rows if capped] == list(range(19, 28))
        assert len(rows) == 30
        assert all(float(auc) >= 0.95 for _, auc, _, capped in rows if capped)
        assert len(re.findall(r"^  layer +\d+  held-out AUC [\d.]+$", said, re.M)) == 30
        floors = re.findall(
            r"p(\d+) .*?([\d.]+) nats KL on benign replies, .* odds of refusing harm ([+-][\d.]+) nats", said
        )
        assert [int(level) for level, _, _ in floors] == [5, 10, 25, 40, 50]
        assert all(float(rise) > 0 for _, _, rise in floors)
        axes = workspace_folder / "vectors" / "smollm2-135m-instruct"
        assert {path.stem for path in axes.glob("*.safetensors")} >= {"safety_axis", "assistant_axis"}
        again = run("generate", "What is fire?", "--persona", "sage", "--max-new-tokens", "6", "--json")
        assert json.loads(again.stdout)["receipt"]["floor"]

"""Whatever a user gets wrong is one line that says what to do: no traceback, and nothing lost."""

import json
import os
import pickle
import signal
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from persona_core import SteeringEngine
from persona_core.cli import build_cli
from persona_core.cli.generate import show
from persona_core.model.decoding import Sampling
from persona_core.plugins.loading import load_plugins
from persona_core.settings.config_file import set_value
from persona_core.settings.workspace import Workspace
from persona_core.vectors.vector import PersonaVector

TIMEOUT = 240
SLUG = "smollm2-135m-instruct"
CONFIG = "# persona-steer\nmodel:\n  name: smollm2\n"
Refused = Callable[..., Result]


@pytest.fixture(scope="module")
def cli() -> click.Group:
    return build_cli(load_plugins())


@pytest.fixture
def home(workspace_folder: Path) -> Path:
    """A workspace for the embedded model."""
    workspace_folder.mkdir()
    (workspace_folder / "config.yaml").write_text(CONFIG)
    return workspace_folder


@pytest.fixture
def refused(cli: click.Group, tmp_path: Path) -> Refused:
    """Return a function that runs a command which must fail in one line and change no file."""

    def call(*arguments: str, says: tuple[str, ...] = (), stdin: str | bytes = "") -> Result:
        before = contents(tmp_path)
        result = CliRunner().invoke(cli, list(arguments), input=stdin)
        check(result.exit_code, result.stderr, says)
        assert isinstance(result.exception, SystemExit), result.exception
        assert contents(tmp_path) == before
        return result

    return call


def check(code: int, stderr: str, says: tuple[str, ...] = ()) -> None:
    """Check for a failure in one line that holds some words."""
    assert code not in (0, None), stderr
    assert len([line for line in stderr.splitlines() if line.startswith("Error:")]) == 1, stderr
    assert "Traceback" not in stderr
    for words in says:
        assert words in stderr


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file under a folder with its bytes."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# (command, words of the message); none of these gets as far as loading the model
REQUESTS = [
    ("generate hi --persona sagee", ("did you mean 'sage'",)),
    ("generate hi --persona zzz", ("no persona named 'zzz'", "persona-steer list")),
    ("generate hi --persona chef", ("not extracted", "persona-steer extract chef")),
    ("generate hi --persona ../sage", ("is not a persona name",)),
    ("generate hi --persona sage --strength 2.5", ("2.5", "0<=x<=2")),
    ("generate hi --persona sage --strength -1", ("-1", "0<=x<=2")),
    ("generate hi --persona sage --strength much", ("'much' is not a valid number",)),
    ("generate hi --strength", ("'--strength' requires an argument", "persona-steer generate --help")),
    ("generate hi --persona sage --strength nan", ("nan",)),
    ("generate hi --blend sage", ("has no weight", "sage:0.5")),
    ("generate hi --blend sage:0.5,", ("has no weight",)),
    ("generate hi --blend sage:half", ("'half', not a number",)),
    ("generate hi --blend sage:-0.5", ("-0.5", "0.0-2.0")),
    ("generate hi --blend sage:nan", ("nan",)),
    ("generate hi --blend sage:0.5,sage:0.2", ("stands twice",)),
    ("generate hi --blend sage:0.5,trikster:0.5", ("did you mean 'trickster'",)),
    ("generate hi --persona sage --blend sage:1", ("not both",)),
    ("generate hi --safety maybe", ("'on', 'always', 'off'",)),
    ("generate hi --temperature nan", ("nan",)),
    ("generate hi --max-new-tokens 0", ("max-new-tokens",)),
    ("generate hi --top-p 0", ("top-p",)),
    ("generate", ("PROMPT",)),
    ("generate -", ("prompt is empty",)),
    ("chat --persona sagee", ("did you mean 'sage'",)),
    ("info sagee", ("did you mean 'sage'",)),
    ("info ../sage", ("is not a persona name",)),
    ("load sage sagee", ("did you mean 'sage'",)),
    ("load ../../sage", ("is not a persona name",)),
    ("unload sage", ("'sage' is not in the active set",)),
    ("unload", ("--all",)),
    ("delete sagee --yes", ("did you mean 'sage'",)),
    ("delete ../sage --yes", ("is not a persona name",)),
    ("restore sage", ("no deleted persona named 'sage'",)),
    ("restore ../sage", ("is not a persona name",)),
    ("create sage --description wise", ("'sage' is there already",)),
    ("create a/b --description wise", ("is not a persona name",)),
    ("create ../b --description wise", ("is not a persona name",)),
    ("create new", ("--description",)),
    ("create new --from-archetype sagee", ("did you mean 'sage'",)),
    ("create new --description wise --generator tamplates", ("did you mean 'templates'",)),
    ("extract sagee", ("no archetype named 'sagee'", "did you mean 'sage'")),
    ("extract", ("--all",)),
    ("extract-axes savety", ("'safety', 'assistant'",)),
    ("datasets show sagee", ("did you mean 'sage'",)),
    ("datasets generate persona", ("'safety', 'personas'",)),
    ("datasets generate safety --generator nope", ("no dataset generator named 'nope'", "templates")),
    ("config get steering.strenght", ("no configuration key", "did you mean")),
    ("config set stearing.default_strength 1", ("did you mean 'steering.default_strength'",)),
    ("config set steering.default_strength 3", ("steering.default_strength", "3")),
    ("config set steering.default_strength strong", ("steering.default_strength", "'strong'")),
    ("config set extraction.target_layers 20-10", ("runs backwards",)),
    ("config set extraction.target_layers some", ("no layer specification",)),
    ("config set extraction.target_layers 50%-150%", ("more than the whole model",)),
    ("config set model.device gpu", ("model.device", "'gpu'")),
    ("config set model.name [", ("model.name", "not a YAML value")),
    ("config set model.name", ("'VALUE'", "persona-steer config set --help")),
    ("generte hi", ("No such command 'generte'; did you mean 'generate'?", "persona-steer --help")),
    ("export talk.md", ("No such command 'export' (see `persona-steer --help`)",)),
    ("config sett a b", ("did you mean 'set'?", "persona-steer config --help")),
    ("list --lodaed", ("No such option '--lodaed'; did you mean '--loaded'?", "persona-steer list --help")),
    ("--worspace x list", ("did you mean '--workspace'?", "persona-steer --help")),
    ("generate hi there", ("unexpected extra argument (there)",)),
    ("generate hi --seed one", ("'one' is not a valid integer",)),
]  # fmt: skip


@pytest.mark.parametrize(("command", "says"), REQUESTS, ids=[command for command, _ in REQUESTS])
def test_wrong_request_is_one_line(refused: Refused, home: Path, command: str, says: tuple[str, ...]) -> None:
    result = refused(*command.split(), says=says)
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert (result.exit_code == 2) == result.stderr.endswith("--help`)\n")


def test_a_wrong_option_says_the_range_and_the_help_to_read(refused: Refused) -> None:
    result = refused("generate", "hi", "--strength", "9")
    assert result.stderr == (
        "Error: Invalid value for '--strength': 9.0 is not in the range 0<=x<=2 (see `persona-steer generate --help`)\n"
    )


@pytest.mark.parametrize("option", ["--persona", "--blend", "--model"])
def test_empty_option_is_refused(refused: Refused, home: Path, option: str) -> None:
    refused("generate", "hi", option, "", says=("''",))


@pytest.mark.parametrize("prompt", ["", "   ", "\n"])
def test_empty_prompt_is_refused(refused: Refused, home: Path, prompt: str) -> None:
    refused("generate", prompt, says=("prompt is empty",))


def test_input_that_is_not_text_is_refused(refused: Refused, home: Path) -> None:
    refused("generate", "-", stdin=b"\xff\xfe\x00", says=("not UTF-8",))
    refused("generate", "hi \udcff", says=("not UTF-8",))


@pytest.mark.parametrize("command", ["info", "load", "delete", "restore", "extract"])
def test_empty_name_is_refused(refused: Refused, home: Path, command: str) -> None:
    refused(command, "", says=("''",))


def test_empty_name_is_refused_in_create(refused: Refused, home: Path) -> None:
    refused("create", "", "--description", "wise", says=("''",))


def test_blank_description_is_refused(refused: Refused, home: Path) -> None:
    refused("create", "new", "--description", "  ", "--no-extract", says=("description is empty",))


CONFIGS = [
    ("steering:\n  default_strength: 9\n", ("steering.default_strength", "9")),
    ("steering:\n  safety: perhaps\n", ("steering.safety", "'perhaps'")),
    ("steering:\n  default_strenght: 1\n", ("did you mean 'steering.default_strength'",)),
    ("stearing:\n  default_strength: 1\n", ("no configuration key 'stearing'",)),
    ("model: smollm2\n", ("model = 'smollm2'",)),
    ("extraction:\n  target_layers: 20-10\n", ("runs backwards",)),
    ("extraction:\n  target_layers: {a: 1}\n", ("no layer specification",)),
    ("extraction:\n  reference_archetypes: [../sage, sage]\n", ("reference_archetypes",)),
    ("model: [unclosed\n", ("line",)),
    ("model:\n\tname: smollm2\n", ("line",)),
    ("- a\n- b\n", ("expected sections", "list")),
    ("just text\n", ("expected sections", "str")),
]


@pytest.mark.parametrize(("text", "says"), CONFIGS, ids=[repr(text) for text, _ in CONFIGS])
@pytest.mark.parametrize("command", [("list",), ("config", "set", "generation.top_p", "0.9")], ids=" ".join)
def test_wrong_config_names_the_file_and_is_kept(
    refused: Refused, home: Path, command: tuple[str, ...], text: str, says: tuple[str, ...]
) -> None:
    (home / "config.yaml").write_text(f"# persona-steer\n{text}")
    refused(*command, says=("config.yaml", *says))


def test_config_that_is_not_text_is_refused(refused: Refused, home: Path) -> None:
    (home / "config.yaml").write_bytes(b"# persona-steer\nmodel:\n  name: \xff\xfe\n")
    refused("list", says=("config.yaml",))


FILES = [
    ("archetypes/pirate.yaml", b"name: [unclosed", "list", "pirate.yaml"),
    ("archetypes/pirate.yaml", b"name: pirate\n", "list", "description"),
    ("archetypes/pirate.yaml", b"", "extract sage", "pirate.yaml"),
    ("archetypes/pirate.yaml", b"\xff\xfe", "list", "pirate.yaml"),
    ("datasets/personas/sage.yaml", b"name: [unclosed", "datasets show sage", "sage.yaml"),
    ("datasets/personas/sage.yaml", b"name: sage\n", "datasets show sage", "persona_prompts"),
    ("datasets/personas/sage.yaml", b"\xff\xfe", "datasets show sage", "sage.yaml"),
    ("datasets/safety/safety.yaml", b"train: []\n", "datasets show safety", "train"),
    ("state.json", b"{", "load sage", "delete the file"),
    ("state.json", b"[]", "list", "delete the file"),
    ("state.json", b'{"loaded": {"x": 1}}', "list --loaded", "delete the file"),
    ("state.json", b"\xff", "unload --all", "state.json"),
]


@pytest.mark.parametrize(("path", "content", "command", "word"), FILES)
def test_broken_file_is_named_and_kept(
    refused: Refused, home: Path, path: str, content: bytes, command: str, word: str
) -> None:
    (home / path).parent.mkdir(parents=True, exist_ok=True)
    (home / path).write_bytes(content)
    refused(*command.split(), says=(word,))


def bundled(cli: click.Group, name: str = "sage") -> bytes:
    """Return the bytes of a bundled vector."""
    found = CliRunner().invoke(cli, ["info", name, "--json"])
    return Path(json.loads(found.stdout)["file"]).read_bytes()


def place(home: Path, content: bytes, name: str = "sage") -> Path:
    """Put a vector file into the workspace, over the bundled one."""
    path = home / "vectors" / SLUG / "personas" / f"{name}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def with_nan(content: bytes) -> bytes:
    """Return a vector file whose last number is not a number."""
    return content[:-4] + struct.pack("<f", float("nan"))


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "truncated": lambda content: content[: len(content) // 2],
    "header cut short": lambda content: content[:20],
    "empty": lambda content: b"",
    "a pickle": lambda content: pickle.dumps({"directions": [1.0, 2.0]}),
    "text": lambda content: b"not a vector",
    "not a number": with_nan,
    "of another tool": lambda content: struct.pack("<Q", 2) + b"{}",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_vector_is_refused_by_load_and_info(
    refused: Refused, cli: click.Group, home: Path, damage: str
) -> None:
    place(home, DAMAGES[damage](bundled(cli)))
    for command in ("load", "info"):
        refused(command, "sage", says=("sage.safetensors",))


@pytest.mark.parametrize("damage", ["empty", "a pickle", "of another tool"])
def test_damaged_vector_is_listed_as_such_and_hinders_no_other(cli: click.Group, home: Path, damage: str) -> None:
    place(home, DAMAGES[damage](bundled(cli)))
    listed = CliRunner().invoke(cli, ["list"])
    assert "damaged" in next(line for line in listed.stdout.splitlines() if line.split()[0] == "sage")
    for arguments in (["info", "trickster"], ["load", "trickster"], ["delete", "sage", "--yes"]):
        assert CliRunner().invoke(cli, arguments).exit_code == 0


@pytest.mark.parametrize(
    "arguments", ["init", "config set generation.top_p 0.9", "load sage", "datasets generate safety", "list"]
)
def test_workspace_that_is_a_file_is_refused(refused: Refused, workspace_folder: Path, arguments: str) -> None:
    workspace_folder.write_text("a file")
    refused(*arguments.split(), says=(str(workspace_folder),))
    refused("--workspace", str(workspace_folder), *arguments.split(), says=("home",))


@pytest.mark.parametrize(
    ("folder", "command"),
    [
        ("datasets", "datasets generate safety"),
        ("datasets", "init"),
        ("vectors", "init"),
        ("archetypes", "create new --description wise --no-extract"),
    ],
)
def test_file_in_place_of_a_folder_is_refused(refused: Refused, home: Path, folder: str, command: str) -> None:
    (home / folder).write_text("a file")
    refused(*command.split(), says=(folder,))


# Root writes where permissions forbid it, but not without CAP_DAC_OVERRIDE (1), which PR_CAPBSET_DROP (24) takes away.
BOUND_BY_PERMISSIONS = """
import ctypes, os, sys
getattr(ctypes.CDLL(None), "prctl", lambda *what: None)(24, 1, 0, 0, 0)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""
WRITES = (
    "load sage", "config set generation.top_p 0.9", "datasets generate safety", "delete sage --yes",
    "create new --description wise --no-extract",
)  # fmt: skip


@pytest.fixture
def read_only(home: Path) -> Iterator[Path]:
    """A workspace in which nothing can be written."""
    home.chmod(0o555)
    yield home
    home.chmod(0o755)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="the permissions of folders are another matter there")
def test_read_only_workspace_is_read_and_every_write_is_refused(read_only: Path) -> None:
    for command in WRITES:
        process = start(*command.split(), before=("-c", BOUND_BY_PERMISSIONS))
        stdout, stderr = process.communicate(timeout=TIMEOUT)
        check(process.returncode, stderr, ("cannot write", str(read_only)))
        assert stdout == ""
    process = start("info", "sage", before=("-c", BOUND_BY_PERMISSIONS))
    assert "sage: " in process.communicate(timeout=TIMEOUT)[0]
    assert contents(read_only) == {"config.yaml": CONFIG.encode()}


def test_failed_write_keeps_the_old_state(refused: Refused, home: Path) -> None:
    (home / "state.json").mkdir()
    refused("load", "sage", says=("cannot write",))


def test_unknown_alias_suggests_the_nearest(refused: Refused, home: Path) -> None:
    refused("generate", "hi", "--model", "smolm2", says=("did you mean 'smollm2'",))


def test_missing_gguf_file_is_named(refused: Refused, home: Path, tmp_path: Path) -> None:
    refused("generate", "hi", "--model", str(tmp_path / "no.gguf"), says=("no GGUF file",))


def test_gguf_file_that_is_none_is_refused(refused: Refused, home: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.gguf").write_bytes(b"not a model" * 100)
    refused("generate", "hi", "--model", str(tmp_path / "bad.gguf"), says=("bad.gguf",))


def test_gguf_file_that_is_damaged_is_refused(refused: Refused, home: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.gguf").write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 5, 5) + b"\x01" * 50)
    refused("generate", "hi", "--model", str(tmp_path / "bad.gguf"), says=("bad.gguf",))


def test_malformed_hub_id_is_refused(refused: Refused, home: Path) -> None:
    refused("generate", "hi", "--model", "a/b/c", says=("cannot load model 'a/b/c'", "--model FOLDER"))


MODEL_FOLDERS = {
    "empty": {},
    "broken config": {"config.json": "{"},
    "config of no model": {"config.json": "{}"},
    "no tokenizer": {"config.json": '{"model_type": "llama"}'},
}


@pytest.mark.parametrize("files", MODEL_FOLDERS.values(), ids=MODEL_FOLDERS)
def test_model_folder_that_is_none_is_refused(
    refused: Refused, home: Path, tmp_path: Path, files: dict[str, str]
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    refused("generate", "hi", "--model", str(folder), says=(str(folder),))


def test_truncated_weights_are_refused(refused: Refused, home: Path, tmp_path: Path, model: object) -> None:
    folder = converted_model()
    copy = tmp_path / "model"
    copy.mkdir()
    for path in folder.iterdir():
        (copy / path.name).write_bytes(
            path.read_bytes()[:10_000] if path.suffix == ".safetensors" else path.read_bytes()
        )
    refused("generate", "hi", "--model", str(copy), says=("cannot load model",))


def converted_model() -> Path:
    """Return the folder of the embedded model."""
    source = load_plugins().find("register_models", "smollm2", "model")
    folder: Path = source.fetch(lambda line: None)
    return folder


def test_model_without_axes_says_how_to_make_them(refused: Refused, home: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    refused("extract", "sage", "--model", str(tmp_path / "other"), says=("no axes", "persona-steer extract-axes"))


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("steering.capping_policy", "guard-rail", "no capping policy named 'guard-rail'"),
        ("steering.blending", "wighted-sum", "did you mean 'weighted-sum'"),
    ],
)
def test_a_name_that_no_package_brings_is_refused_when_it_is_set(
    refused: Refused, home: Path, key: str, value: str, says: str
) -> None:
    refused("config", "set", key, value, says=(says,))


# (configuration, command, words of the message): these show once the model is there
WITH_MODEL = [
    ("steering.capping_policy", "guard-rail", "no capping policy named 'guard-rail'"),
    ("steering.blending", "wighted-sum", "did you mean 'weighted-sum'"),
    ("steering.capping_layers", "0-3", "after the last capping layer"),
    ("extraction.target_layers", "20-40", "out of range"),
]


@pytest.mark.usefixtures("model")
class TestWithTheModel:
    """These load the model."""

    @pytest.mark.parametrize(("key", "value", "says"), WITH_MODEL)
    def test_configuration_that_steering_cannot_serve(
        self, refused: Refused, home: Path, key: str, value: str, says: str
    ) -> None:
        set_value(Workspace(home), key, value)
        refused("generate", "hi", "--persona", "sage", says=(says,))

    def test_prompt_longer_than_the_context(self, refused: Refused, home: Path) -> None:
        refused("generate", "-", stdin="word " * 9000, says=("the context 4096", "shorten", "model.context up to 8192"))

    def test_vector_of_another_model(self, refused: Refused, home: Path, model: object, cli: click.Group) -> None:
        path = place(home, bundled(cli))
        vector = PersonaVector.load(path)
        other = vector.header.model.model_copy(update={"fingerprint": "0000", "name": "another"})
        vector.with_header(model=other).save(path)
        refused("generate", "hi", "--persona", "sage", says=("made with another", "extract it anew"))
        assert CliRunner().invoke(cli, ["info", "trickster"]).exit_code == 0

    def test_damaged_vector(self, refused: Refused, home: Path, cli: click.Group) -> None:
        place(home, with_nan(bundled(cli)))
        refused("generate", "hi", "--persona", "sage", says=("not finite",))

    def test_replies_that_cannot_be_kept_stop_an_extraction(self, refused: Refused, slow_home: Path) -> None:
        (slow_home / "cache").write_text("a file")
        refused("extract", "sage", says=("cannot write", str(slow_home / "cache")))

    def test_missing_safety_axis_is_never_ignored(
        self, refused: Refused, home: Path, cli: click.Group, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        axis = home / "vectors" / SLUG / "safety_axis.safetensors"
        axis.parent.mkdir(parents=True)
        axis.write_bytes(b"damaged")
        refused("generate", "hi", "--persona", "sage", says=("floor cannot be held",))


def start(*arguments: str, before: tuple[str, ...] = (), **settings: str) -> "subprocess.Popen[str]":
    """Start the command line as a process."""
    environment = {**os.environ, **settings, "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, *before, "-m", "persona_core.cli", *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=environment)


@pytest.mark.slow
def test_hub_model_without_a_network_names_the_alternatives(home: Path, tmp_path: Path) -> None:
    no_proxy = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "")
    offline = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path / "hub"), **no_proxy}
    process = start("generate", "hi", "--model", "nobody/nothing", **offline)
    _, stderr = process.communicate(timeout=TIMEOUT)
    check(process.returncode, stderr, ("nobody/nothing", "--model smollm2", "--model FOLDER"))


@pytest.mark.slow
def test_model_cache_that_is_a_file_is_named(home: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    process = start("generate", "hi", PERSONA_STEER_CACHE=str(tmp_path / "cache"))
    _, stderr = process.communicate(timeout=TIMEOUT)
    check(process.returncode, stderr, (str(tmp_path / "cache"),))
    assert (tmp_path / "cache").read_text() == "a file"


def interrupt_at(process: "subprocess.Popen[str]", words: str) -> str:
    """Press Ctrl-C once a line of stderr holds the words; return that line."""
    assert process.stderr is not None
    line = next(line for line in process.stderr if words in line)
    process.send_signal(signal.SIGINT)
    return line


@pytest.fixture
def slow_home(home: Path) -> Iterator[Path]:
    """A workspace whose extraction of one persona takes eight batches."""
    extraction = "extraction:\n  system_prompts: 2\n  questions: 4\n  max_new_tokens: 8\n  batch_size: 1\n"
    (home / "config.yaml").write_text(CONFIG + extraction)
    return home


@pytest.mark.slow
def test_interrupted_extraction_goes_on_where_it_was(slow_home: Path) -> None:
    left = []
    for first in ("sage: replies: 2 of 8", "sage: replies:"):
        process = start("extract", "sage")
        left.append(interrupt_at(process, first))
        _, stderr = process.communicate(timeout=TIMEOUT)
        assert process.returncode == 130, stderr
        assert "Stopped. What was finished is kept." in stderr
        assert "Traceback" not in stderr
    assert int(left[1].split()[-3]) >= 2
    assert not list((slow_home / "vectors").rglob("*.safetensors"))


@pytest.mark.slow
def test_interrupted_reply_keeps_its_text(home: Path) -> None:
    process = start("generate", "Tell me a long story.", "--max-new-tokens", "2000", "--temperature", "0")
    assert process.stdout is not None
    first = process.stdout.read(1)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 130, stderr
    assert (first + stdout).strip()
    assert "Traceback" not in stderr
    assert "tokens" in stderr


@pytest.mark.slow
def test_reply_interrupted_in_a_chat_keeps_its_text_and_the_chat_goes_on(home: Path) -> None:
    process = start("chat", "--max-new-tokens", "2000", "--temperature", "0")
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("Tell me a long story.\n")
    process.stdin.flush()
    first = process.stdout.read(1)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate("/status\n/quit\n", timeout=TIMEOUT)
    assert process.returncode == 0, stderr
    assert "1 turn" in stdout
    assert (first + stdout).split("persona none")[0].strip()
    assert "Traceback" not in stderr


def test_interrupt_before_the_first_token_leaves_no_reply(engine: SteeringEngine) -> None:
    """The prompt takes longer to read than the timer runs."""
    stream = engine.stream("word " * 3500, "sage")
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        with pytest.raises(KeyboardInterrupt):
            show(stream)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert stream.row.tokens == []
    assert engine.generate(["What is fire?"], "sage", sampling=Sampling(4))[0].text

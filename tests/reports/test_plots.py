"""Pictures: from plain data and the ready-made vectors, with the right numbers, in both themes and formats."""

import json
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from matplotlib.figure import Figure

from persona_core.chat.conversation import Turn
from persona_core.chat.log import Event, SessionLog
from persona_core.cli import build_cli
from persona_core.engine.receipt import FloorReceipt, Receipt
from persona_core.errors import PlotError
from persona_core.evaluation.report import EvaluationReport
from persona_core.personas.manager import PersonaManager
from persona_core.plugins.loading import load_plugins
from persona_core.plugins.opening import get_config
from persona_core.reports.plots import dose, drift, intervals, layers, matrix, space
from persona_core.reports.plots.conversation import PlottedFloor, PlottedReceipt, read_conversation
from persona_core.reports.plots.figure import check_format, inline_svg, label_ends, new_figure, write
from persona_core.reports.plots.theme import DARK, LIGHT, Theme
from persona_core.testing import example_vector

SLUG = "smollm2-135m-instruct"
BASE = ["creator", "explorer", "guardian", "sage", "trickster"]
SIGNATURES = {"png": b"\x89PNG\r\n\x1a\n", "svg": b"<?xml"}
both_themes = pytest.mark.parametrize("theme", [LIGHT, DARK], ids=lambda theme: theme.name)


@pytest.fixture
def workspace(workspace_folder: Path) -> Path:
    workspace_folder.mkdir(exist_ok=True)
    (workspace_folder / "config.yaml").write_text("# persona-steer\nmodel:\n  name: smollm2\n")
    return workspace_folder


@pytest.fixture
def manager(workspace: Path) -> PersonaManager:
    return PersonaManager(get_config())


def plot(*arguments: object, code: int = 0) -> Result:
    """Run `persona-steer plot`."""
    result = CliRunner().invoke(build_cli(load_plugins()), ["plot", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result


def words(figure: Figure) -> list[str]:
    """Return every text that a picture shows."""
    from matplotlib.text import Text

    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def receipt(projection: float | None, lowest: float | None = None, **steering: object) -> PlottedReceipt:
    """Return a receipt as it is read from a saved conversation."""
    floor = None if lowest is None else {"layers": [15], "hits": 2, "lowest_before": lowest, "lowest_after": 0.01}
    return PlottedReceipt.model_validate({"assistant_projection": projection, "floor": floor, **steering})


# space


def test_the_plane_keeps_the_distances_of_vectors_that_lie_in_one() -> None:
    rows = {"a": np.array([[1.0, 0, 0, 0]]), "b": np.array([[0, 2.0, 0, 0]]), "c": np.array([[-3.0, 0, 0, 0]])}
    found = space.project("tiny", [0], rows, assistant=np.array([[0, 0, 5.0, 0]]))
    assert sum(found.explained) == pytest.approx(1)
    points = {name: np.array(point) for name, point in found.personas.items()}
    assert np.linalg.norm(points["a"] - points["b"]) == pytest.approx(2**0.5)
    assert np.linalg.norm(points["a"] - points["c"]) == pytest.approx(2)
    assert np.linalg.norm(points["b"] - found.unsteered) == pytest.approx(1)
    assert found.assistant_share == pytest.approx(0, abs=1e-9)


def test_only_the_chosen_layers_count() -> None:
    random = np.random.default_rng(0)
    rows = {name: random.normal(size=(4, 8)) for name in "abc"}
    changed = {name: np.concatenate([values[:2], random.normal(size=(2, 8))]) for name, values in rows.items()}
    one, other = (space.project("tiny", [0, 1], each) for each in (rows, changed))
    for name in rows:
        assert one.personas[name] == pytest.approx(other.personas[name])


@both_themes
def test_the_space_of_the_ready_made_personas_names_each_and_the_axis(manager: PersonaManager, theme: Theme) -> None:
    found = space.read_space(manager)
    assert sorted(found.personas) == BASE
    shown = words(space.draw(found, theme))
    assert {*BASE, "unsteered model"} <= set(shown)
    assert any("assistant axis" in text for text in shown)
    assert any(f"{found.explained[0]:.0%}" in text for text in shown)


def test_a_space_of_fewer_than_three_personas_says_what_to_do(manager: PersonaManager) -> None:
    for name in BASE[:3]:
        manager.delete(name)
    with pytest.raises(
        PlotError, match="needs 3 personas and smollm2-135m-instruct has 2; run `persona-steer extract`"
    ):
        space.read_space(manager)


def test_labels_of_many_personas_do_not_cover_each_other() -> None:
    random = np.random.default_rng(3)
    rows = {f"persona-{place}": random.normal(size=(1, 6)) for place in range(20)}
    figure = space.draw(space.project("tiny", [0], rows), LIGHT)
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    covered = sum(one.overlaps(other) for place, one in enumerate(boxes) for other in boxes[place + 1 :])
    assert covered <= 3


# layers


@both_themes
def test_layers_shows_both_axes_and_every_persona(manager: PersonaManager, theme: Theme) -> None:
    found = layers.read_layers(manager)
    assert len(found.separation[layers.REFUSE_COMPLY]) == 30
    assert found.separation[layers.SAFETY_PERSONA][20] == pytest.approx(0.5, abs=0.1)
    assert sorted(found.norms) == BASE
    assert all(0 < value < 1 for curve in found.norms.values() for value in curve)
    shown = words(layers.draw(found, theme))
    assert {*BASE, *found.separation, "target layers 7-15", "capping layers 19-27"} <= set(shown)


def test_personas_with_bands_of_their_own_are_compared_at_all_of_them(manager: PersonaManager) -> None:
    manager.save(manager.persona("sage").with_header(target_layers=(3, 4, 17)))
    assert layers.read_layers(manager).target_layers == (3, 4, *range(7, 16), 17)
    assert space.read_space(manager).layers == (3, 4, *range(7, 16), 17)


def test_layers_without_norms_is_one_panel() -> None:
    found = layers.LayerFigures("tiny", (), (1, 2, 4), {layers.REFUSE_COMPLY: [0.2, 0.9, 1.0, 0.8, 0.7]})
    figure = layers.draw(found, LIGHT)
    assert len(figure.axes) == 1
    assert figure.axes[0].get_ylim()[0] < 0.2
    assert "capping layers 1-2,4" in words(figure)


# dose


def test_stored_doses_become_strengths_with_the_calibrated_one_at_one(manager: PersonaManager) -> None:
    found = dose.read_doses(manager)
    assert [curve.persona for curve in found.curves] == BASE
    for curve in found.curves:
        calibration = manager.persona(curve.persona).header.calibration
        assert calibration is not None
        assert np.interp(1.0, curve.strengths, curve.damages) == pytest.approx(calibration.damage, abs=0.01)
        assert np.interp(1.0, curve.strengths, curve.gains) == pytest.approx(calibration.gain, abs=0.01)


@both_themes
@pytest.mark.parametrize("default", [0.2, 0.8, 1.0, 1.7])
def test_the_calibrated_point_and_the_default_strength_are_marked(theme: Theme, default: float) -> None:
    curve = dose.DoseCurve("sage", (0.0, 1.5, 3.0), (0.0, 0.3, 0.6), (0.0, 0.6, 1.2))
    shown = words(dose.draw(dose.DoseFigures("tiny", (curve,), default, 0.5, "likelier"), theme))
    if default == 1.0:
        assert "calibrated point and default strength" in shown
    else:
        assert {"calibrated point", "default strength"} <= set(shown)
    assert {"sage", "budget 0.5", "gain (nats/token)", "damage (nats/token)"} <= set(shown)


def test_curves_end_at_the_highest_strength() -> None:
    assert dose.up_to((0.0, 1.5, 3.0), (0.0, 3.0, 6.0), 2.0) == ([0.0, 1.5, 2.0], [0.0, 3.0, 4.0])
    assert dose.up_to((0.0, 1.0), (0.0, 3.0), 2.0) == ([0.0, 1.0], [0.0, 3.0])


def test_a_report_gives_its_own_curves(report: EvaluationReport) -> None:
    assert report.doses is not None
    found = dose.evaluated_doses("tiny", report.doses, "points")
    assert found.curves[3].gains == tuple(point.gain for point in report.doses.curves["sage"])
    assert "gain (points)" in words(dose.draw(found, DARK))


# drift


@both_themes
def test_drift_draws_what_the_receipts_say(manager: PersonaManager, theme: Theme) -> None:
    receipts = [receipt(24.0), receipt(15.0, -4.5, personas={"sage": 1.0}, strength=1.0), receipt(None, -3.0)]
    figure = drift.draw(receipts, drift.read_band(manager), theme, "talk.jsonl")
    above, below = figure.axes
    (reply,) = [line for line in above.lines if line.get_label() == "reply"]
    assert list(np.asarray(reply.get_ydata()))[:2] == [24.0, 15.0]
    (before,) = [line for line in below.lines if line.get_label() == "before the floor"]
    assert list(np.asarray(before.get_ydata()))[1:] == [-4.5, -3.0]
    assert {"sage at 1", "unsteered", "turn"} <= set(words(figure))


def test_the_band_is_that_of_the_layer_that_receipts_read(manager: PersonaManager) -> None:
    band = drift.read_band(manager)
    axis = manager.store.axis("assistant_axis")
    assert band.layer == 15
    for level, value in band.percentiles.items():
        assert value == pytest.approx(float(axis.percentile(level)[15]), abs=1e-4)


def test_drift_reads_the_file_of_a_chat_without_what_was_taken_back(tmp_path: Path) -> None:
    fields: dict[str, object] = dict.fromkeys(
        ("strength", "prompt_tokens", "reused_tokens", "reply_tokens", "steered_tokens", "seed"), 1
    )
    fields |= {
        "model": "m",
        "personas": {},
        "safety": "on",
        "plan": "",
        "relative_change": {},
        "floor": None,
        "finish": "end",
    }
    log = SessionLog.new(tmp_path, example_vector("sage").header.model, "mine")
    for value in (1.0, 2.0, 3.0):
        log.add(Turn(user="q", text="a", receipt=Receipt(**fields, assistant_projection=value)))
        if value == 2.0:
            log.add(Event(kind="undo"))
    log.end()
    assert [receipt.assistant_projection for receipt in read_conversation(log.path)] == [1.0, 3.0]


def test_drift_without_a_floor_is_one_panel(manager: PersonaManager) -> None:
    assert len(drift.draw([receipt(3.0), receipt(4.0)], drift.read_band(manager), LIGHT).axes) == 1


def test_drift_without_a_projection_says_so(manager: PersonaManager) -> None:
    with pytest.raises(PlotError, match="no turn of the conversation holds an `assistant_projection`"):
        drift.draw([receipt(None)], drift.read_band(manager), LIGHT)


@pytest.mark.parametrize("indent", [None, 2])
def test_conversations_are_lines_or_what_generate_prints(tmp_path: Path, indent: int | None) -> None:
    fields = {"assistant_projection": 3.5, "floor": None, "personas": {"sage": 0.5, "jester": 0.2}, "strength": 0.8}
    fields |= {"model": "m", "plan": "p"}
    path = tmp_path / "talk.jsonl"
    texts = [json.dumps({"text": "Hé\n", "receipt": fields}, indent=indent)] * 3
    path.write_text("\n".join(texts) + "\n\n", encoding="utf-8")
    receipts = read_conversation(path)
    assert [receipt.assistant_projection for receipt in receipts] == [3.5] * 3
    assert receipts[0].speaker == "sage 0.5 + jester 0.2 at 0.8"


def test_the_fields_that_pictures_read_are_fields_of_receipts() -> None:
    assert set(PlottedReceipt.model_fields) <= set(Receipt.model_fields)
    assert set(PlottedFloor.model_fields) <= set(FloorReceipt.model_fields)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "holds no turn"),
        (" \n ", "holds no turn"),
        ('{"receipt": {}}\n{"receipt"', "line 2: not JSON"),
        ('{"receipt": {}}\n{"text": "x"}', "turn 2: receipt: Field required"),
        ("[1]", "turn 1: the document: Input should be"),
        ('{"receipt": {"assistant_projection": "high"}}', "turn 1: receipt.assistant_projection"),
    ],
)
def test_a_wrong_conversation_is_an_error_that_says_where(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "talk.jsonl"
    path.write_text(text)
    with pytest.raises(PlotError, match=f"talk.jsonl.*{problem}"):
        read_conversation(path)


# matrix and intervals


@both_themes
@pytest.mark.parametrize("n", [2, 5, 12])
def test_the_matrix_holds_every_number_and_says_how_many_rows_are_won(theme: Theme, n: int) -> None:
    values = [[0.31 if row == column else -0.01 * column for column in range(n)] for row in range(n)]
    lost = [[0.1, *[0.0] * (n - 1)] for _ in range(n)]
    names = [f"p{place}" for place in range(n)]
    shown = words(matrix.draw("tiny", names, {"vectors": values, "prompts": lost}, "nats/token", theme))
    assert shown.count("+0.31") == n
    assert f"vectors: own persona highest in {n} of {n} rows" in shown
    assert f"prompts: own persona highest in 1 of {n} rows" in shown
    assert "double-centred score (nats/token)" in shown
    assert "−0.00" not in shown


def test_a_matrix_of_zeros_can_be_drawn() -> None:
    matrix.draw("tiny", ["a", "b"], {"vectors": [[0.0, 0.0], [0.0, 0.0]]}, "nats/token", LIGHT).draw_without_rendering()


@both_themes
def test_intervals_show_each_group_and_chance(theme: Theme) -> None:
    panels = {"plain": {"vectors": (0.6, 0.5, 0.7), "prompts": (0.4, 0.3, 0.5)}}
    figure = intervals.draw("Identified", panels, theme, chance={"plain": 0.2})
    assert {"vectors", "prompts", "60%", "40%"} <= set(words(figure))


# files


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_the_same_picture_is_the_same_bytes(manager: PersonaManager, tmp_path: Path, kind: str) -> None:
    paths = [tmp_path / f"{name}.{kind}" for name in ("one", "other")]
    for path in paths:
        write(space.draw(space.read_space(manager), LIGHT), path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert paths[0].read_bytes().startswith(SIGNATURES[kind])


@pytest.mark.parametrize("name", ["space.pdf", "space", "space.png.gz", ".svg"])
def test_other_formats_are_refused(name: str) -> None:
    with pytest.raises(PlotError, match="does not end in .png or .svg"):
        check_format(Path(name))


def test_inline_pictures_refer_to_nothing_outside_and_share_no_id() -> None:
    def drawn(name: str) -> str:
        return inline_svg(
            matrix.draw("a&<b>$x$", ["<i>", "$"], {"v": [[1.0, 0], [0, 1.0]]}, "n", LIGHT), name, 'a "b" <c>'
        )

    one, other = drawn("one"), drawn("other")
    assert "http" not in one
    assert "<i>" not in one
    assert "a&amp;&lt;b&gt;$x$" in one
    assert 'aria-label="a &quot;b&quot; &lt;c&gt;"' in one
    trees = [ElementTree.fromstring(text) for text in (one, other)]
    ids = [{item.get("id") for item in tree.iter()} - {None} for tree in trees]
    assert not ids[0] & ids[1]
    for tree in trees:
        known = {item.get("id") for item in tree.iter()}
        assert {link.removeprefix("#") for item in tree.iter() if (link := item.get("href"))} <= known


def test_names_at_line_ends_are_spread_and_joined_to_short_lines() -> None:
    figure = new_figure(LIGHT, 4, 3, "ends")
    axes = figure.subplots()
    axes.set_ylim(0, 1)
    label_ends(axes, {"a": (1.0, 0.5), "b": (1.0, 0.5), "c": (0.5, 0.52)}, LIGHT)
    places = sorted(text.xy for text in axes.texts)
    assert [x for x, _ in places] == [1.0, 1.0, 1.0]
    assert all(other - one >= 0.05 for (_, one), (_, other) in pairwise(places))
    (leader,) = axes.lines
    assert (leader.get_xdata()[0], leader.get_ydata()[0]) == (0.5, 0.52)


@both_themes
def test_text_and_series_stand_out_from_the_page(theme: Theme) -> None:
    for colour, ratio in ((theme.ink, 12), (theme.muted, 4.5), *((colour, 3) for colour in theme.series)):
        assert contrast(colour, theme.page) >= ratio, colour
    assert len({*theme.series}) == len(theme.series) == 7


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of WCAG 2."""

    def luminance(colour: str) -> float:
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


# command line


@pytest.mark.parametrize("kind", ["space", "layers", "dose"])
def test_plot_writes_kind_png_here_and_prints_its_path(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert plot(kind).stdout == f"{kind}.png\n"
    assert (tmp_path / f"{kind}.png").read_bytes().startswith(SIGNATURES["png"])
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == [f"{kind}.png"]


def test_dark_pictures_are_dark(workspace: Path, tmp_path: Path) -> None:
    for flag, page in (("--dark", DARK.page), ("--light", LIGHT.page)):
        plot("space", "-o", tmp_path / "space.svg", flag)
        assert f"fill: {page}" in (tmp_path / "space.svg").read_text()


def test_drift_reads_a_file(workspace: Path, tmp_path: Path) -> None:
    talk = tmp_path / "talk.jsonl"
    talk.write_text("".join(f'{{"receipt": {{"assistant_projection": {value}}}}}\n' for value in (20, 12, 4)))
    plot("drift", talk, "-o", tmp_path / "drift.svg")
    assert "talk.jsonl" in (tmp_path / "drift.svg").read_text()
    assert "cannot read" in plot("drift", tmp_path / "none.jsonl", code=1).stderr


def test_matrix_and_dose_read_the_report_of_the_workspace(
    workspace: Path, tmp_path: Path, report: EvaluationReport
) -> None:
    place = workspace / "evaluations" / SLUG / "report.json"
    assert "as calibration measured it" in drawn_dose(tmp_path)
    place.parent.mkdir(parents=True)
    place.write_text(report.model_dump_json())
    plot("matrix", "-o", tmp_path / "matrix.svg")
    assert "own persona highest in 5 of 5 rows" in (tmp_path / "matrix.svg").read_text()
    assert "replies to 4 unused questions" in drawn_dose(tmp_path)


def drawn_dose(folder: Path) -> str:
    """Return the text of the dose picture."""
    plot("dose", "-o", folder / "dose.svg")
    return (folder / "dose.svg").read_text()


def test_a_missing_or_wrong_report_names_the_command_that_makes_one(
    workspace: Path, tmp_path: Path, report: EvaluationReport
) -> None:
    path = tmp_path / "report.json"
    assert "run `persona-steer eval`" in plot("matrix", code=1).stderr
    for kind in ("matrix", "dose"):
        assert f"no evaluation report {path}" in plot(kind, "--report", path, code=1).stderr
    path.write_text('{"seed": 1}')
    assert "is no evaluation report: created: Field required" in plot("matrix", "--report", path, code=1).stderr
    path.write_text(report.model_copy(update={"effect": None, "doses": None}).model_dump_json())
    assert "holds no effect" in plot("matrix", "--report", path, code=1).stderr
    assert "holds no dose-response" in plot("dose", "--report", path, code=1).stderr


def test_a_wrong_suffix_leaves_no_file(workspace: Path, tmp_path: Path) -> None:
    assert "does not end in .png or .svg" in plot("space", "-o", tmp_path / "space.gif", code=1).stderr
    assert not [path for path in tmp_path.iterdir() if path.is_file()]


@pytest.mark.parametrize("arguments", ["--help", "space --help", "space", "layers", "dose", "drift {talk}"])
def test_pictures_of_vectors_need_no_torch_and_help_no_matplotlib(
    workspace: Path, tmp_path: Path, arguments: str
) -> None:
    talk = tmp_path / "talk.jsonl"
    talk.write_text('{"receipt": {"assistant_projection": 3}}\n')
    program = """
import sys
from persona_core.cli import build_cli
from persona_core.plugins.loading import load_plugins
from persona_core.plugins.opening import get_config
try:
    build_cli(load_plugins())(args=["plot", *sys.argv[1:]])
finally:
    print(*sorted({"torch", "matplotlib", "numpy"} & set(sys.modules)), file=sys.stderr)
"""
    command = [sys.executable, "-c", program, *arguments.format(talk=talk).split()]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    loaded = done.stderr.splitlines()[-1].split()
    assert loaded == ([] if "--help" in arguments else ["matplotlib", "numpy"])


def test_without_matplotlib_the_error_says_what_to_install(workspace: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    said = plot("space", "-o", tmp_path / "space.png", code=1).stderr
    assert said == 'Error: pictures need matplotlib: run `python -m pip install "persona-core[plot]"`\n'

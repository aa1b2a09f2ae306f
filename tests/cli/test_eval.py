"""`persona-steer eval` on the real model: small, but every figure is measured."""

import json
import sys

import pytest
from click.testing import CliRunner

from persona_core.cli import build_cli
from persona_core.plugins.loading import load_plugins

SMALL = ["--questions", "2", "--dose-questions", "1", "--tokens", "6"]

pytestmark = pytest.mark.slow


def run(workspace, *arguments: str):
    """Run the command line in a workspace of the embedded model."""
    cli = build_cli(load_plugins())
    return CliRunner().invoke(cli, ["--workspace", str(workspace), "eval", "--model", "smollm2", *arguments])


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """One small evaluation of two personas, its report, and where it was kept."""
    workspace = tmp_path_factory.mktemp("evaluation")
    parts = [word for part in ("effect", "stability", "voices", "neutral") for word in ("--part", part)]
    result = run(workspace, "sage", "trickster", "--json", *SMALL, *parts)
    assert result.exit_code == 0, result.output
    return workspace, json.loads(result.stdout)


def test_the_report_holds_the_groups_with_intervals_and_what_was_left_out(report):
    _, figures = report
    groups = figures["effect"]["groups"]
    assert set(groups) == {"persona vectors", "system prompts", "prompted vectors", "random vectors"}
    assert set(figures["effect"]["readability"]["groups"]) == {*groups, "unsteered"}
    assert figures["without_judge_prompts"] == []
    for group in groups.values():
        assert len(group["matrix"]) == len(group["double_centred"]) == 2
        interval = group["centred_identification"]
        assert 0 <= interval["low"] <= interval["value"] <= interval["high"] <= 1
        assert set(group["own_gain"]) == set(group["damage"]) == {"sage", "trickster"}
    assert figures["effect"]["unit"] == "nats/token"
    assert figures["safety"] is None
    assert set(figures["voices"]) == set(figures["neutral"]) == {"sage", "trickster"}
    assert figures["seed"] == 0
    assert figures["model"]["slug"] == "smollm2-135m-instruct"


def test_voices_are_their_own_personas(report):
    _, figures = report
    assert all(gain > 0 for gain in figures["voices"].values())


def test_a_second_run_takes_up_what_is_kept_and_gives_the_same_figures(report):
    workspace, first = report
    folder = workspace / "evaluations" / "smollm2-135m-instruct"
    kept = folder / first["digest"]
    assert {path.stem for path in kept.glob("*.json")} >= {"effect", "stability", "voices", "neutral"}
    (kept / "effect.json").unlink()
    replies = (folder / "replies.jsonl").read_text()
    again = run(workspace, "sage", "trickster", "--json", *SMALL, "--part", "effect")
    assert json.loads(again.stdout)["effect"] == first["effect"]
    assert (folder / "replies.jsonl").read_text() == replies


def test_a_page_that_cannot_be_drawn_is_refused_before_anything_is_measured(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    result = run(tmp_path, *SMALL, "--html", str(tmp_path / "report.html"))
    assert result.exit_code == 1
    assert result.stderr == 'Error: pictures need matplotlib: run `python -m pip install "persona-core[plot]"`\n'
    assert not (tmp_path / "evaluations").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sage"], "two or more"),
        (["sage", "sgae"], "did you mean 'sage'"),
        (["--part", "efect"], "did you mean 'effect'"),
        (["--judge", "nobody"], "nobody"),
        (["--questions", "1"], "questions"),
        (["--prompts", "nothing"], "nothing"),
    ],
)
def test_wrong_requests_are_one_line_and_no_evaluation(tmp_path, arguments, message):
    result = run(tmp_path, *arguments)
    assert result.exit_code != 0
    assert message in result.stderr
    assert "Traceback" not in result.stderr

"""The page: every figure of the report is on it, none of it comes from outside, and nothing in it runs."""

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest
from invented_report import PARTS, without

from persona_core.base.numbers import signed
from persona_core.evaluation.report import EvaluationReport
from persona_core.reports.headlines import headlines
from persona_core.reports.page import html

BROWSER = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), "")
VOID = {"meta", "br", "hr", "img", "link", "input"}
MakeReport = Callable[..., EvaluationReport]
pytestmark = pytest.mark.slow  # every page draws its pictures


@pytest.fixture(scope="module")
def page(report: EvaluationReport) -> str:
    """The page of a whole report."""
    return html(report)


def figures(data: object) -> Iterator[float]:
    """Yield every number with a fraction."""
    if isinstance(data, dict):
        for value in data.values():
            yield from figures(value)
    elif isinstance(data, list | tuple):
        for value in data:
            yield from figures(value)
    elif isinstance(data, float):
        yield data


class Tags(HTMLParser):
    """Collects tags and attributes, and whether every element is closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def read(page: str) -> Tags:
    """Parse a page."""
    tags = Tags()
    tags.feed(page)
    tags.close()
    return tags


def test_the_page_holds_every_figure_of_the_report(report: EvaluationReport, page: str) -> None:
    text = unescape(re.sub(r"<svg.*?</svg>|<style>.*?</style>", "", page, flags=re.DOTALL))
    for value in figures(report.model_dump()):
        forms = {signed(value), f"{value:.2f}", f"{value:.4f}", f"{value:.1%}", f"{100 * value:.1f}", f"{value:g}"}
        assert any(form in text for form in forms), value


@pytest.mark.parametrize(
    "words",
    [
        "smollm2-135m-instruct", "f00d", "beef", "2-core CPU, Linux", "torch 2.13.0", "log-prob", "core+base",
        "2026-11-25T09:30:00+00:00", "0123456789ab", "sage+trickster",
    ],
)  # fmt: skip
def test_the_page_says_what_made_it(page: str, words: str) -> None:
    assert words in page


def test_the_page_needs_nothing_from_outside_and_runs_nothing(page: str) -> None:
    assert "http://" not in page
    assert "https://" not in page
    tags = read(page)
    assert not {tag for tag, _ in tags.seen} & {"script", "iframe", "link", "object", "embed", "img", "foreignobject"}
    for tag, attributes in tags.seen:
        assert not [name for name in attributes if name.startswith("on")], tag
        for name in ("src", "href"):
            assert (attributes.get(name) or "#").startswith("#"), tag
    assert not re.search(r"url\((?!#)", page)
    assert "@import" not in page


def test_the_page_is_well_formed_and_its_ids_and_links_are_right(page: str) -> None:
    tags = read(page)
    assert tags.open == []
    ids = [attributes["id"] for _, attributes in tags.seen if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = {(attributes.get("href") or "")[1:] for _, attributes in tags.seen if attributes.get("href")}
    assert links <= set(ids)


def test_every_picture_is_there_for_both_pages(page: str) -> None:
    assert page.count("<figure>") == 5
    assert page.count("<svg") == 10
    assert page.count('<div class="dark"><svg role="img"') == 5


def test_the_headlines_come_first(page: str) -> None:
    assert page.index('class="cards"') < page.index("<h2")
    assert "64.8% [56.8, 72.8]" in page[: page.index("<h2")]


def test_the_headlines_are_those_of_the_page(report: EvaluationReport, page: str) -> None:
    text, lines = unescape(page), headlines(report)
    assert len(lines) == 20
    for line in lines:
        assert line.name in text
        assert line.figure in text
        assert line.beside in text


def test_names_and_replies_are_escaped(make_report: MakeReport) -> None:
    bad = ['<script>alert("x")</script>', "a&b", "$x^2$ <i>"]
    page = html(make_report(bad))
    assert "<script" not in page
    assert "<i>" not in page
    assert "a&amp;b" in page
    assert "Paint it &lt;b&gt;blue&lt;/b&gt; &amp; sing." in page
    assert read(page).open == []


def test_the_page_of_a_report_of_nothing_says_that_each_part_was_left_out(report: EvaluationReport) -> None:
    page = html(without(report, *PARTS))
    assert page.count("This part was left out of the evaluation.") == 7
    assert page.count("<svg") == 0
    assert "Provenance" in page


@pytest.mark.skipif(not BROWSER, reason="no browser is installed")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_browser_renders_the_page(page: str, tmp_path: Path, scheme: str) -> None:
    from PIL import Image

    (tmp_path / "report.html").write_text(page, encoding="utf-8")
    shot = tmp_path / "page.png"
    command = [
        BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
        f"--blink-settings=preferredColorScheme={0 if scheme == 'dark' else 1}", "--window-size=1100,1400",
        f"--screenshot={shot}", f"file://{tmp_path / 'report.html'}",
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    corner = Image.open(shot).convert("RGB").getpixel((2, 2))
    assert corner == ((0x14, 0x18, 0x1D) if scheme == "dark" else (255, 255, 255))

"""A journal keeps what a process found, also where the process was killed while it checked."""

from pathlib import Path

from persona_core.plugins.findings import Finding, Journal, in_one_line


def test_a_journal_that_ended_has_every_finding(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    found = [Finding("version", "ok", "1.0"), Finding("hooks", "FAILED", "none", "add one", "docs/hooks.md")]
    for finding in found:
        journal.begin(finding.check)
        journal.keep([finding])
    journal.register("register_judges", ["mine"])
    journal.end()
    assert journal.read() == (found, "hooks", True)
    assert journal.names() == {"register_judges": ["mine"]}


def test_a_journal_that_was_cut_off_names_the_check_that_ran(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    assert journal.read() == ([], "start", False)
    journal.begin("version")
    journal.keep([Finding("version", "ok", "1.0")])
    journal.begin("entry point")
    findings, last, ended = journal.read()
    assert [finding.check for finding in findings] == ["version"]
    assert (last, ended) == ("entry point", False)


def test_a_text_of_many_lines_and_control_characters_becomes_one_short_line() -> None:
    assert in_one_line("one\n  two\x1b[31m") == "one two?[31m"
    assert len(in_one_line("x" * 10_000)) == 503

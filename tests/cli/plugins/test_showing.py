"""`plugins show` says everything that is known of one package."""

from collections.abc import Callable

from click.testing import Result

Run = Callable[..., Result]


def test_show_says_where_a_package_is_from_and_what_it_brings(run: Run) -> None:
    run("list")
    shown = run("plugins", "show", "persona_capping_guard").stdout
    for words in (
        "published by:",
        "installed from:",
        "first seen:     20",
        "status:         loaded",
        "assistant-guard",
    ):
        assert words in shown
    assert "did you mean 'persona-capping-guard'" in run("plugins", "show", "persona-capping-gard", code=1).stderr

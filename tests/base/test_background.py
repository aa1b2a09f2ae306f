"""What a plugin does within its time is as if it were called; what takes longer is an error that names it."""

import subprocess
import sys
import threading

import pytest

from persona_core.base.background import in_background, within
from persona_core.errors import PluginError


def test_work_in_the_background_ends_in_a_result_or_an_error() -> None:
    assert in_background(lambda: 2 + 3).result(60) == 5
    assert isinstance(in_background(lambda: 1 // 0).exception(60), ZeroDivisionError)


def test_a_result_comes_back() -> None:
    assert within(60, "persona-adder", lambda one, other: one + other, 2, 3) == 5


@pytest.mark.parametrize("error", [ValueError("no licence"), TimeoutError("of its own"), SystemExit(3)])
def test_what_the_function_raises_is_raised(error: BaseException) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        within(60, "persona-broken", fail)
    assert caught.value is error


@pytest.mark.parametrize("order", [KeyboardInterrupt(), GeneratorExit()])
def test_ctrl_c_that_the_function_raises_itself_is_an_error_of_the_function(order: BaseException) -> None:
    def fail() -> None:
        raise order

    with pytest.raises(RuntimeError, match=type(order).__name__):
        within(60, "persona-broken", fail)


def test_what_takes_longer_is_an_error_that_names_it() -> None:
    released = threading.Event()
    try:
        with pytest.raises(PluginError, match=r"^persona-slow: before_turn took longer than 0\.05 s$"):
            within(0.05, "persona-slow: before_turn", released.wait, 60)
    finally:
        released.set()


def test_what_never_ends_does_not_keep_the_process_alive() -> None:
    code = (
        "import threading\nfrom persona_core.base.background import within\n"
        "within(0.1, 'persona-stuck', threading.Event().wait)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert "PluginError: persona-stuck took longer" in done.stderr

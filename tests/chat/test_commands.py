"""What a chat command returns is shown, whichever version of the hooks it was written for."""

from chats import new_session

from persona_core import SteeringEngine
from persona_core.chat.commands import ChatCommand, SideBySide


def test_columns_as_version_1_gave_them_are_still_shown() -> None:
    assert SideBySide({"a": "b"}).columns() == SideBySide(lambda: {"a": "b"}, "asking").columns()


def test_columns_are_made_when_they_are_asked_for_and_not_before() -> None:
    calls: list[str] = []
    outcome = SideBySide(lambda: calls.append("made") or {"a": "b"}, "asking")
    assert calls == []
    assert outcome.columns() == {"a": "b"}
    assert calls == ["made"]


def test_a_command_without_values_completes_nothing(tiny_engine: SteeringEngine) -> None:
    command = ChatCommand("shout", "/shout TEXT", "say it loudly", lambda session, value: value.upper())
    assert dict(command.values(new_session(tiny_engine))) == {}
    assert command.run(new_session(tiny_engine), "hey") == "HEY"

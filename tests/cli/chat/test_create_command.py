"""`/create` checks what it is asked for at once, and leaves the long work to the loop."""

import pytest
from chats import new_session, type_line

from persona_core import PersonaManager, SteeringEngine, get_config
from persona_core.chat.commands import Work
from persona_core.errors import ArchetypeError, SteeringError, VectorNotFound


@pytest.mark.parametrize("line", ["/create", "/create pirate", '/create pirate "unclosed'])
def test_a_name_and_a_description_are_asked_for(tiny_engine: SteeringEngine, line: str) -> None:
    with pytest.raises(SteeringError, match="/create takes a name and a description"):
        type_line(new_session(tiny_engine), line)


def test_a_model_without_axes_is_told_what_to_run_first(tiny_engine: SteeringEngine) -> None:
    with pytest.raises(VectorNotFound, match="extract-axes"):
        type_line(new_session(tiny_engine), "/create pirate a grumpy pirate")


def test_a_name_that_is_taken_is_refused_and_nothing_is_written_before_the_work(tiny_engine: SteeringEngine) -> None:
    session = new_session(tiny_engine)
    session.manager = PersonaManager(get_config(model="smollm2"))
    with pytest.raises(ArchetypeError, match="is there already"):
        type_line(session, "/create sage a wise one")
    assert isinstance(type_line(session, '/create pirate "a grumpy pirate"'), Work)
    assert not session.manager.workspace.archetype_file("pirate").exists()

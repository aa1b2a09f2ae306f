"""The chat without a terminal: whatever is typed, the next reply's receipt is what `/status` says."""

import pytest
from chats import answer, new_session, talk, type_line
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from persona_core import SteeringEngine
from persona_core.chat.ask import Ask
from persona_core.chat.log import load_session
from persona_core.errors import PersonaError, SteeringError
from persona_core.testing import example_vector
from persona_core.testing.tiny_model import HIDDEN, LAYERS, PERSONAS
from persona_core.vectors.store import ASSISTANT


class Chat(RuleBasedStateMachine):
    """Any sequence of commands and questions, beside a plain record of what they should have done."""

    engine: SteeringEngine

    @initialize()
    def begin(self) -> None:
        self.session = new_session(self.engine, allow_unsafe=True)
        self.personas: dict[str, float] = {}
        self.strength, self.safety, self.prompting, self.turns = 1.0, "on", "off", 0

    @rule(name=st.sampled_from([*PERSONAS, "none"]))
    def persona(self, name: str) -> None:
        type_line(self.session, f"/persona {name}")
        self.personas = {} if name == "none" else {name: 1.0}

    @rule(one=st.sampled_from([0.25, 0.5, 1.0]), other=st.sampled_from([0.0, 0.5]))
    def blend(self, one: float, other: float) -> None:
        type_line(self.session, f"/blend sage:{one},trickster:{other}")
        self.personas = {"sage": one, "trickster": other}

    @rule()
    def none(self) -> None:
        type_line(self.session, "/none")
        self.personas = {}

    @rule(strength=st.sampled_from([0.0, 0.5, 1.0, 2.0]))
    def set_strength(self, strength: float) -> None:
        type_line(self.session, f"/strength {strength}")
        self.strength = strength

    @rule(word=st.sampled_from(["on", "off", "always"]))
    def set_safety(self, word: str) -> None:
        type_line(self.session, f"/safety {word}")
        self.safety = word

    @rule(how=st.sampled_from(["off", "with", "only"]))
    def prompt(self, how: str) -> None:
        type_line(self.session, f"/prompt {how}")
        self.prompting = how

    @rule(line=st.sampled_from(
        ["/persona sagee", "/persona", "/strength 9", "/strength nan", "/guidance 0.5", "/blend sage", "/blend sage:x",
         "/safety maybe",
         "/prompt often", "/seed -1", "/temperature hot", "/load gone", "/export x.exe", "/create", "/sve", "/"]
    ))  # fmt: skip
    def wrong(self, line: str) -> None:
        before = self.session.status()
        with pytest.raises(PersonaError):
            type_line(self.session, line)
        assert self.session.status() == before

    @rule(seed=st.integers(0, 99), temperature=st.sampled_from([0, 0.7, 2]))
    def sampling(self, seed: int, temperature: float) -> None:
        type_line(self.session, f"/seed {seed}")
        type_line(self.session, f"/temperature {temperature}")

    @rule(text=st.sampled_from(["", "Be brief.", "Speak of the sea."]))
    def system(self, text: str) -> None:
        type_line(self.session, f"/system {text}")

    @rule()
    def undo(self) -> None:
        if self.turns:
            type_line(self.session, "/undo")
            self.turns -= 1
        else:
            with pytest.raises(SteeringError, match="nothing has been said"):
                type_line(self.session, "/undo")

    @rule()
    def clear(self) -> None:
        type_line(self.session, "/clear")
        self.turns = 0

    @rule()
    def ask(self) -> None:
        receipt = talk(self.session).receipt
        self.turns += 1
        steered = {} if self.prompting == "only" or not self.strength else self.personas
        assert receipt.personas == {name: weight for name, weight in steered.items() if weight}
        assert receipt.strength == (self.strength if receipt.personas else 0.0)
        held = self.safety == "always" or (self.safety == "on" and bool(receipt.personas))
        assert receipt.safety == ("on" if held else "off" if receipt.personas else "not needed")
        assert (receipt.floor is not None) == held

    @invariant()
    def the_status_is_the_record(self) -> None:
        status = self.session.status()
        weights = " + ".join(f"{name} {weight:g}" for name, weight in self.personas.items())
        mixture = next(iter(self.personas)) if list(self.personas.values()) == [1.0] else weights or "none"
        assert status.startswith(
            f"persona {mixture}; strength {self.strength:g}; safety {self.safety.replace('off', 'OFF')}"
        )
        assert status.endswith(f"; {self.turns} turn{'' if self.turns == 1 else 's'}")

    @invariant()
    def the_file_is_the_conversation(self) -> None:
        if self.session.log is not None:
            _, kept = load_session(self.session.folder, self.session.log.name)
            assert kept.turns == self.session.conversation.turns


@pytest.mark.slow
def test_the_next_receipt_is_what_the_status_says(tiny_engine: SteeringEngine) -> None:
    machine = type("ChatOfThis", (Chat,), {"engine": tiny_engine})
    run_state_machine_as_test(machine, settings=settings(max_examples=25, stateful_step_count=20, deadline=None))


def test_a_turn_is_replaced_once_the_new_reply_is_there_and_stays_where_none_comes(tiny_engine: SteeringEngine) -> None:
    session = new_session(tiny_engine)
    kept = [talk(session, "a"), talk(session, "b")]
    session.ask(Ask("b", replacing=True))
    assert session.conversation.turns == kept
    with pytest.raises(SteeringError, match=r"0\.0-2\.0"):
        session.ask(Ask("b", strength=9, replacing=True))
    assert session.conversation.turns == kept
    new = answer(session, Ask("c", replacing=True))
    assert session.conversation.turns == [kept[0], new]
    assert new.receipt.seed == kept[1].receipt.seed
    assert new.receipt.prompt_tokens == kept[1].receipt.prompt_tokens


def test_prompt_only_gives_the_prompt_and_steers_nothing(tiny_engine: SteeringEngine) -> None:
    session = new_session(tiny_engine)
    session.set_personas({"sage": 1.0})
    plain = talk(session)
    type_line(session, "/clear")
    type_line(session, "/prompt only")
    only = talk(session)
    type_line(session, "/clear")
    type_line(session, "/prompt with")
    both = talk(session)
    assert [turn.prompted for turn in (plain, only, both)] == ["", "sage", "sage"]
    assert [bool(turn.receipt.personas) for turn in (plain, only, both)] == [True, False, True]
    assert plain.receipt.prompt_tokens < only.receipt.prompt_tokens == both.receipt.prompt_tokens


def test_a_session_goes_on_as_it_was_steered_but_never_without_the_floor(tiny_engine: SteeringEngine) -> None:
    session = new_session(tiny_engine, allow_unsafe=True)
    session.set_personas({"sage": 0.5})
    session.set_strength(0.5)
    session.set_guidance(2.0)
    session.set_safety(False)
    talk(session)
    session.save_as("as-before")
    other, chosen = new_session(tiny_engine), new_session(tiny_engine)
    chosen.set_personas({"trickster": 1.0})
    for each in (other, chosen):
        each.resume("as-before")
    assert (other.settings.personas, other.settings.strength, other.settings.safety) == ({"sage": 0.5}, 0.5, True)
    assert other.settings.guidance == 2.0
    assert other.notes == ["it goes on as sage 0.5 at strength 0.5, guidance 2"]
    assert (chosen.settings.personas, chosen.notes) == ({"trickster": 1.0}, [])


def test_a_vector_that_has_changed_is_told_when_a_session_goes_on(tiny_engine: SteeringEngine) -> None:
    session = new_session(tiny_engine)
    session.set_personas({"sage": 1.0})
    talk(session)
    session.save_as("before-the-change")
    path = tiny_engine.manager.require("sage")
    whole = path.read_bytes()
    example_vector("sage", LAYERS, HIDDEN).with_header(model=tiny_engine.model.identity, target_layers=(3,)).save(path)
    try:
        other = new_session(tiny_engine)
        other.resume("before-the-change")
        assert "session before-the-change: the vector of sage has changed since" in other.notes
    finally:
        path.write_bytes(whole)


def test_a_long_conversation_is_trimmed_by_whole_turns_and_says_so(tiny_engine: SteeringEngine) -> None:
    session = new_session(tiny_engine)
    for place in range(8):
        talk(session, f"question {place}: " + "word " * 80)
    assert session.conversation.skipped > 0
    assert len(session.conversation.turns) == 8
    assert any("no longer read" in note for note in session.notes)
    assert all(turn.receipt.prompt_tokens < 512 for turn in session.conversation.turns)


def test_drift_is_told_once(tiny_engine: SteeringEngine) -> None:
    session = new_session(tiny_engine)
    session.set_personas({"sage": 1.0})
    talk(session)
    assert not any("drifted" in note for note in session.notes)
    session.percentiles[ASSISTANT] = float(session.conversation.turns[0].receipt.assistant_projection or 0) + 100
    for _ in range(2):
        talk(session)
    assert sum("drifted" in note for note in session.notes) == 1

"""The chat's loop: reads a line, runs the command or asks the model, shows the outcome, until the user leaves."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from persona_core.base.layers import format_layers
from persona_core.chat.ask import Ask
from persona_core.chat.commands import Confirm, Edit, Leave, Outcome, SideBySide, Work
from persona_core.chat.log import interrupted_session, session_names
from persona_core.chat.session import ChatSession
from persona_core.cli.app import progress_bar
from persona_core.cli.chat.editor import Editor
from persona_core.cli.chat.registry import Registry, run_line, with_slashes
from persona_core.cli.chat.screen import Screen
from persona_core.cli.chat.status_line import Speed, status_line
from persona_core.engine.engine import ReplyStream
from persona_core.errors import PersonaError, SteeringError, WorkspaceError

_SHOWN = 2
"""How many turns of a resumed session are shown again."""
_YES, _NO = ("y", "yes"), ("n", "no")


@dataclass
class Loop:
    """One chat on one screen."""

    session: ChatSession
    registry: Registry
    screen: Screen
    editor: Editor
    speed: Speed = field(default_factory=Speed)
    offered: str = ""
    """The session that was cut short, until the first line tells whether the user goes on with it."""
    told_of_model: bool = False
    """Whether the user has read what the model runs on, which is known once it is loaded."""

    def begin(self, resume: str | None) -> None:
        """Say what is in force; resume the session that is named (an empty name is the newest), or offer one.

        Through a pipe this waits for the model, so that a request which cannot be served ends the program.
        What is offered was cut short. The offer waits for nothing: a first line that is no yes and no no, perhaps typed
        ahead, is a line like others.
        """
        if not self.editor.interactive:
            self.session.engine.plan(self.session.steering())
        self._tell_of_model(f"{self.session.status()}; /help lists the commands")
        if resume is not None:
            self._resume(resume or self._newest())
        elif self.editor.interactive and (name := interrupted_session(self.session.folder)):
            self.offered = name
            self.screen.note(f"The last chat, {name}, was cut short. Go on with it? y, or begin anew with a message.")

    def _tell_of_model(self, also: str = "") -> None:
        """Say once what the loaded model runs on and which floor it has, or say now that it is loading."""
        self.told_of_model = self.session.loading.done()
        floor = self._floor() if self.told_of_model and self.session.settings.safety else ""
        self.screen.note("; ".join(filter(None, (self.session.where(), floor, also))))

    def _floor(self) -> str:
        level = self.session.manager.config.steering.safety_floor_percentile
        return f"floor p{level:g} in layers {format_layers(self.session.engine.model.capping_layers)}"

    def _resume(self, name: str) -> None:
        self.session.resume(name)
        self._show_notes()
        for turn in self.session.conversation.turns[-_SHOWN:]:
            self.screen.note(f"> {turn.user}")
            self.screen.say(turn.text)

    def _newest(self) -> str:
        names = session_names(self.session.folder)
        if not names:
            raise WorkspaceError("no conversation is saved yet: `chat` without --resume begins one")
        return names[0]

    def run(self) -> None:
        """Read and answer until the end of input or `/quit`; then record in the session's file that the user left."""
        try:
            while self._one_line():
                if self.session.loading.done():
                    self.session.loading.result()
        finally:
            self.session.close()

    def _one_line(self) -> bool:
        try:
            line = self.editor.read().strip()
            if line:
                self._handle(line)
        except PersonaError as error:
            self.screen.note(f"Error: {with_slashes(str(error), self.registry)}")
        except KeyboardInterrupt:
            self.screen.note("(Ctrl-D or /quit leaves)")
        except (EOFError, Leave):
            return False
        self._show_notes()
        return True

    def _handle(self, line: str) -> None:
        offered, self.offered = self.offered, ""
        if offered and line.lower() in _YES:
            self._resume(offered)
        elif offered and line.lower() in _NO:
            self.screen.note("(a new chat begins)")
        else:
            self._run(line)

    def _run(self, line: str) -> None:
        outcome: Outcome = run_line(self.registry, self.session, line) if line.startswith("/") else Ask(line)
        self._do(outcome)

    def _do(self, outcome: Outcome) -> None:
        match outcome:
            case str():
                self.screen.say(outcome)
            case Ask():
                self._answer(outcome)
            case Edit():
                self._edit(outcome)
            case Confirm():
                self.screen.say(self._confirmed(outcome))
            case SideBySide():
                with self.screen.waiting(outcome.doing):
                    columns = outcome.columns()
                self.screen.columns(columns)
            case Work():
                with progress_bar() as progress:
                    said = outcome.run(progress)
                self.screen.say(said)

    def _edit(self, outcome: Edit) -> None:
        if not self.editor.interactive:
            raise SteeringError("/edit takes the new text where there is no terminal to edit in")
        text = self.editor.read(default=outcome.text).strip()
        if text:
            self._do(Ask(text, replacing=True))

    def _confirmed(self, outcome: Confirm) -> str:
        if not self.editor.interactive:
            raise SteeringError(outcome.otherwise)
        return outcome.then() if self.editor.confirm(outcome.question).strip() == outcome.word else "nothing is changed"

    def _answer(self, asked: Ask) -> None:
        """Answer one message; a reply that Ctrl-C stops stays in the conversation as far as it came."""
        if not self.session.loading.done():
            with self.screen.waiting("loading the model"):
                self.session.loading.result()
        if not self.told_of_model:
            self._tell_of_model()
        stream = self.session.ask(asked)
        self._show_notes()
        try:
            doing = f"reading {stream.unread} tokens"
            self.screen.reply(self._timed(stream), lambda: status_line(self.session, self.speed), doing)
        except KeyboardInterrupt:
            if not stream.row.tokens:
                raise
        turn = self.session.keep(asked, stream.reply)
        self.screen.note(f"[{turn.receipt.line()}]")

    def _timed(self, stream: ReplyStream) -> Iterator[str]:
        """Yield a reply's pieces and time their tokens for the status line."""
        self.speed = Speed()
        try:
            for piece in stream:
                if not self.speed.tokens:
                    self.speed.begin(len(stream.row.tokens))
                self.speed.tokens = len(stream.row.tokens)
                yield piece
        finally:
            self.speed.tokens, self.speed.ended = len(stream.row.tokens), time.monotonic()

    def _show_notes(self) -> None:
        notes, self.session.notes = self.session.notes, []
        for note in notes:
            self.screen.note(f"Note: {note}")

"""Chats without a terminal: sessions on an engine, lines typed into them, and turns that no model made."""

from concurrent.futures import Future

from persona_core import SteeringEngine
from persona_core.chat.ask import Ask
from persona_core.chat.commands import Outcome
from persona_core.chat.conversation import Turn
from persona_core.chat.session import ChatSession, ChatSettings
from persona_core.cli.chat.registry import all_commands, run_line
from persona_core.engine.receipt import Receipt
from persona_core.model.decoding import Sampling
from persona_core.plugins.loading import load_plugins

COMMANDS = all_commands(load_plugins())


def new_session(engine: SteeringEngine, **changes: object) -> ChatSession:
    """Return a chat in which nothing is said yet, and nothing steers."""
    loaded: Future[SteeringEngine] = Future()
    loaded.set_result(engine)
    chosen = ChatSettings({}, 1.0, True, Sampling(3, 1.0), **changes)  # type: ignore[arg-type]
    return ChatSession(engine.manager, loaded, chosen)


def type_line(session: ChatSession, line: str) -> Outcome:
    """Return the outcome of a line that begins with a slash."""
    return run_line(COMMANDS, session, line)


def talk(session: ChatSession, question: str = "What is fire?") -> Turn:
    """Ask a question and keep the reply."""
    return answer(session, Ask(question))


def answer(session: ChatSession, asked: Ask) -> Turn:
    """Make the reply to a question and keep it."""
    stream = session.ask(asked)
    list(stream)
    return session.keep(asked, stream.reply)


def turn(user: str = "hi", text: str = "hello", **more: object) -> Turn:
    """Return a turn that was steered by the sage."""
    receipt = Receipt(
        model="tiny", personas={"sage": 1.0}, strength=1.0, safety="on", plan="p", prompt_tokens=3, reused_tokens=0,
        reply_tokens=2, steered_tokens=4, relative_change={1: 0.1}, floor=None, assistant_projection=1.5, seed=0,
        finish="end",
    )  # fmt: skip
    return Turn(user=user, text=text, receipt=receipt, **more)

"""Turn monitors: calls the packages that watch a chat, with copies of each turn, within a time limit."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from persona_core.base.background import within
from persona_core.base.records import Record
from persona_core.chat.conversation import Turn
from persona_core.errors import PluginError
from persona_core.settings.installed import PluginManager

if TYPE_CHECKING:
    from pluggy import HookImpl

BUDGET = 1.0
"""Time limit in seconds for each `before_turn` or `after_turn` call."""


class TurnRequest(Record):
    """What the next reply is made with, as a monitor is told."""

    question: str
    messages: int
    """How many messages the model reads, system prompt and question included."""
    personas: dict[str, float]
    """The personas that steer the reply: persona -> weight; empty where none does."""
    strength: float
    safety: bool
    seed: int
    session: str = ""
    """The session's name; empty until its first turn is kept, unless the user has named it."""
    replacing: bool = False
    """Whether the reply takes the place of the last turn."""


@dataclass
class TurnMonitors:
    """Calls the hooks `before_turn` and `after_turn` for one chat; a package that fails is not called again in it."""

    plugins: PluginManager
    budget: float = BUDGET
    failed: set[str] = field(default_factory=set)
    asked: TurnRequest | None = None
    since: float = 0.0

    @property
    def any(self) -> bool:
        """Whether any package still watches this chat."""
        return any(self._listening(hook) for hook in ("before_turn", "after_turn"))

    def before(self, request: TurnRequest) -> list[str]:
        """Call `before_turn` and start the clock; return a note for each package that fails."""
        notes = self._tell("before_turn", {"request": request})
        self.asked, self.since = request, time.monotonic()
        return notes

    def after(self, turn: Turn, session: str) -> list[str]:
        """Call `after_turn` for the turn that the last request led to; return a note for each package that fails."""
        seconds, asked = time.monotonic() - self.since, self.asked
        self.asked = None
        if asked is None:
            return []
        request = asked.model_copy(update={"session": session})
        return self._tell("after_turn", {"request": request, "turn": turn, "seconds": seconds})

    def _listening(self, hook: str) -> list[tuple[str, HookImpl]]:
        return [pair for pair in self.plugins.implementations(hook) if pair[0] not in self.failed]

    def _tell(self, hook: str, told: Mapping[str, Any]) -> list[str]:
        notes = [self._call(hook, *pair, told) for pair in self._listening(hook)]
        return [note for note in notes if note]

    def _call(self, hook: str, distribution: str, monitor: HookImpl, told: Mapping[str, Any]) -> str:
        """Call one monitor with copies of its own; return a note where it fails, else an empty text."""
        call = f"plugin {distribution}: {hook}"
        try:
            _check_nothing(
                within(self.budget, call, monitor.function, *(_copy(told[name]) for name in monitor.argnames))
            )
        except (Exception, SystemExit) as error:
            self.failed.add(distribution)
            return f"{_reason(call, error)}; it is not told of this chat any more"
        return ""


def _copy(value: Any) -> Any:
    return value.model_copy(deep=True) if isinstance(value, Record) else value


def _check_nothing(returned: object) -> None:
    """Raise `PluginError` where a monitor returned something: a generator or coroutine, whose code never ran."""
    if returned is not None:
        raise PluginError(f"a monitor returns nothing, and this one a {type(returned).__name__}")


def _reason(call: str, error: BaseException) -> str:
    """Return in one line what went wrong; the message of a time limit names the package already."""
    said = " ".join(str(error).split())
    return said if said.startswith(call) else f"{call} raised {type(error).__name__}: {said}"

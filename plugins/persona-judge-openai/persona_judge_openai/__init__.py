"""The judge `openai`: any OpenAI-compatible chat endpoint rates how much a reply sounds like a persona.

`rating` is what is asked and how an answer is read, `endpoint` one question over HTTP. Neither torch nor the HTTP
library is imported before replies are judged.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from persona_core import Progress, hookimpl, silent
from persona_core.errors import ConfigError

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from persona_core import Archetype, Judge, JudgedReply, ModelWrapper
    from persona_judge_openai.endpoint import Endpoint

DEFAULT_URL = "http://127.0.0.1:8000/v1"
KEY_VARIABLE = "PERSONA_JUDGE_KEY"
# A user, a password or a query would stand in the judge's repr and in messages.
_URL = re.compile(r"https?://[^\s@?#]+")
_Number = TypeVar("_Number", int, float)


@dataclass(frozen=True)
class OpenAIJudge:
    """Asks a chat model for two ratings of a reply: how much it sounds like the persona, and like a plain assistant.

    The key is read from `PERSONA_JUDGE_KEY` when replies are judged; no object of this class holds it. `timeout` and
    `pause`, the wait before a first repeat, are in seconds. Raises `ConfigError` where a setting cannot be used.
    """

    url: str = DEFAULT_URL
    model: str = ""
    timeout: float = field(default=120.0, repr=False)
    workers: int = field(default=4, repr=False)
    pause: float = field(default=0.5, repr=False)
    name: str = "openai"
    unit: str = "rating / 10"

    def __post_init__(self) -> None:
        if not _URL.fullmatch(self.url):
            raise ConfigError(
                f"PERSONA_JUDGE_URL must look like {DEFAULT_URL}, without a user, password or query; "
                f"a key goes into {KEY_VARIABLE}"
            )
        if not 0 < self.timeout <= 86_400:
            raise ConfigError(f"PERSONA_JUDGE_TIMEOUT is {self.timeout:g}: use seconds, above 0 and up to 86400")
        if not 1 <= self.workers <= 256:
            raise ConfigError(f"PERSONA_JUDGE_WORKERS is {self.workers}: use 1-256")

    @classmethod
    def from_environment(cls) -> OpenAIJudge:
        """Return the judge that the environment describes; raise `ConfigError` where a variable is wrong."""
        return cls(
            url=os.environ.get("PERSONA_JUDGE_URL") or DEFAULT_URL,
            model=os.environ.get("PERSONA_JUDGE_MODEL", ""),
            timeout=_number("PERSONA_JUDGE_TIMEOUT", float, 120.0),
            workers=_number("PERSONA_JUDGE_WORKERS", int, 4),
        )

    def score(
        self,
        replies: Sequence[JudgedReply],
        personas: Sequence[Archetype],
        model: ModelWrapper,
        progress: Progress = silent,
    ) -> Float[Tensor, "reply persona"]:
        """Return (rating as the persona - rating as an assistant) / 10, from -1 to 1; `model` is not read.

        Raises `ConfigError` for a setting that is missing or wrong, and `ModelError` where the endpoint gives no
        two ratings for every reply and persona.
        """
        import torch

        from persona_judge_openai.endpoint import Endpoint

        pairs = [(reply, persona) for reply in replies for persona in personas]
        with Endpoint(self.url, self.model, os.environ.get(KEY_VARIABLE, ""), self.timeout, self.pause) as endpoint:
            scores = _rate_all(endpoint, pairs, self.workers, progress)
        return torch.tensor(scores, dtype=torch.float32).view(len(replies), len(personas))


@hookimpl
def register_judges() -> Sequence[Judge]:
    """Return the judge that the environment describes."""
    return [OpenAIJudge.from_environment()]


def _number(variable: str, kind: type[_Number], default: _Number) -> _Number:
    text = os.environ.get(variable)
    try:
        return kind(text) if text else default
    except ValueError:
        raise ConfigError(f"{variable} is {text!r}, not a number") from None


def _rate_all(
    endpoint: Endpoint, pairs: Sequence[tuple[JudgedReply, Archetype]], workers: int, progress: Progress
) -> list[float]:
    """Return one score a pair; the first failure stops the rest."""
    from concurrent.futures import ThreadPoolExecutor, as_completed

    from persona_judge_openai.rating import rate

    scores = [0.0] * len(pairs)
    with ThreadPoolExecutor(workers) as pool:
        places = {pool.submit(rate, endpoint, *pair): place for place, pair in enumerate(pairs)}
        try:
            for done, future in enumerate(as_completed(places)):
                progress("judging replies", done, len(pairs))
                scores[places[future]] = future.result()
        except BaseException:
            endpoint.stop()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    progress("judging replies", len(pairs), len(pairs))
    return scores

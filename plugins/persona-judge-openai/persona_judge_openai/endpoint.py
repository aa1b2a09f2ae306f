"""One question to an OpenAI-compatible chat endpoint: asked again where that helps, one clear error where not."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import httpx

from persona_core import Message
from persona_core.errors import ConfigError, ModelError, PersonaError

ATTEMPTS = 4
MAX_TOKENS = 1024
LONGEST_WAIT = 60.0
"""Seconds: the longest wait that an endpoint's `Retry-After` may ask for."""
_REPEATED = frozenset({429, 500, 502, 503, 504})
_UNREACHABLE = (httpx.ConnectError, httpx.ConnectTimeout)
_KEY = re.compile(r"[\x21-\x7e]*")
_LOOPBACK = re.compile(r"localhost|127(\.\d+){3}|::1")


class Endpoint:
    """An endpoint that several threads may ask at once. The key goes into one header and nowhere else."""

    def __init__(self, url: str, model: str, key: str, timeout: float, pause: float) -> None:
        """Check the settings; raise `ConfigError` where one is missing or wrong."""
        self.url = url.rstrip("/")
        self.model = model
        self._key = _checked_key(key)
        self._timeout = timeout
        self._pauses = [pause * 2**attempt for attempt in range(ATTEMPTS - 1)]
        self._stopped = threading.Event()
        if not model:
            raise ConfigError(f"no judge model: set PERSONA_JUDGE_MODEL to one that {self.url}/models lists")
        self._client = self._new_client()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._client.close()

    def stop(self) -> None:
        """Wait for nothing any more: questions that are being repeated end with what they have."""
        self._stopped.set()

    def ask(self, messages: Sequence[Message]) -> str:
        """Return the model's answer, empty where it has none; raise `ModelError` where the endpoint fails."""
        body = {"model": self.model, "messages": list(messages), "temperature": 0, "max_tokens": MAX_TOKENS}
        outcome = self._post(body)
        for pause in self._pauses:
            if not _may_pass(outcome) or self._stopped.wait(_wait(outcome, pause)):
                break
            outcome = self._post(body)
        if isinstance(outcome, httpx.RequestError):
            raise self._broken(outcome)
        if outcome.status_code != 200:
            raise self._refused(outcome)
        return self._content(outcome)

    def shown(self, text: str, length: int = 160) -> str:
        """Return text as messages show it: one line, not long, and without the key."""
        text = text.replace(self._key, "***") if self._key else text
        line = " ".join(text.split())
        return line if len(line) <= length else f"{line[:length]}…"

    def _new_client(self) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        timeout = httpx.Timeout(self._timeout, connect=min(self._timeout, 10.0), pool=None)
        try:
            # A proxy of the environment cannot reach this machine's own loopback.
            near = bool(_LOOPBACK.fullmatch(httpx.URL(self.url).host))
            return httpx.Client(headers=headers, timeout=timeout, trust_env=not near)
        except httpx.InvalidURL as error:
            raise ConfigError(f"PERSONA_JUDGE_URL is {self.url!r}: {error}") from None

    def _post(self, body: object) -> httpx.Response | httpx.RequestError:
        try:
            return self._client.post(f"{self.url}/chat/completions", json=body)
        except httpx.RequestError as error:
            return error

    def _content(self, response: httpx.Response) -> str:
        try:
            content = response.json()["choices"][0]["message"]["content"]
        except (ValueError, LookupError, TypeError):
            raise ModelError(
                f"{self.url} answers with no chat completion: {self.shown(response.text)!r}; "
                "set PERSONA_JUDGE_URL to the address of the API, which mostly ends in /v1"
            ) from None
        return content if isinstance(content, str) else ""

    def _broken(self, error: httpx.RequestError) -> PersonaError:
        reason = self.shown(str(error)) or type(error).__name__
        if isinstance(error, _UNREACHABLE):
            return ModelError(f"no judge at {self.url} ({reason}); start the endpoint, or set PERSONA_JUDGE_URL")
        if isinstance(error, httpx.TimeoutException):
            return ModelError(
                f"{self.url} gives no answer within {self._timeout:g} s; "
                "raise PERSONA_JUDGE_TIMEOUT or lower PERSONA_JUDGE_WORKERS"
            )
        return ModelError(f"{self.url} breaks off its answer ({reason}); look at the endpoint's own log")

    def _refused(self, response: httpx.Response) -> PersonaError:
        status = response.status_code
        said = f"HTTP {status}: {self.shown(_words(response))!r}"
        if status in (401, 403):
            asks = "rejects the key in PERSONA_JUDGE_KEY" if self._key else "wants a key: set PERSONA_JUDGE_KEY"
            return ModelError(f"{self.url} {asks} ({said})")
        if status == 404:
            return ModelError(
                f"{self.url} has no model {self.model!r}, or is no chat endpoint ({said}); set PERSONA_JUDGE_MODEL to "
                f"one that {self.url}/models lists, and PERSONA_JUDGE_URL to the address that mostly ends in /v1"
            )
        if status == 429:
            return ModelError(f"{self.url} is still busy ({said}); wait, or lower PERSONA_JUDGE_WORKERS")
        if status >= 500:
            return ModelError(f"{self.url} fails ({said}); look at the endpoint's own log")
        return ModelError(f"{self.url} refuses the request ({said}); check PERSONA_JUDGE_URL and PERSONA_JUDGE_MODEL")


def _checked_key(key: str) -> str:
    """Return the key; the message about a wrong one does not show it."""
    key = key.strip()
    if not _KEY.fullmatch(key):
        raise ConfigError("PERSONA_JUDGE_KEY holds a space or a sign that is not ASCII; set it anew")
    return key


def _may_pass(outcome: httpx.Response | httpx.RequestError) -> bool:
    """Tell whether the same question may be answered a little later."""
    if isinstance(outcome, httpx.Response):
        return outcome.status_code in _REPEATED
    return isinstance(outcome, httpx.NetworkError | httpx.RemoteProtocolError) and not isinstance(outcome, _UNREACHABLE)


def _wait(outcome: httpx.Response | httpx.RequestError, pause: float) -> float:
    asked = outcome.headers.get("Retry-After", "") if isinstance(outcome, httpx.Response) else ""
    return min(max(float(asked), pause), LONGEST_WAIT) if re.fullmatch(r"\d{1,9}", asked) else pause


def _words(response: httpx.Response) -> str:
    """Return what the endpoint says about the error: its message where it sends one, else the whole body."""
    try:
        error = response.json()
        for key in ("error", "message"):
            error = error.get(key, error) if isinstance(error, dict) else error
    except ValueError:
        return response.text
    return str(error)

"""Batcher: makes one batch of the requests that wait at the same time."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import anyio
from anyio.lowlevel import RunVar

from persona_core import Reply, SteeringEngine
from persona_core.errors import PersonaError
from persona_inspect.requests import Request

_MOMENT = 0.05
"""Seconds without a new request after which a batch begins."""
_batchers: RunVar[dict[int, Batcher]] = RunVar("persona_inspect_batchers")


@dataclass(eq=False)
class _Waiting:
    request: Request
    outcome: Reply | PersonaError | None = None

    def reply(self) -> Reply:
        """Return the reply, or raise what came in its place."""
        if isinstance(self.outcome, Reply):
            return self.outcome
        assert self.outcome is not None
        raise self.outcome


class Batcher:
    """Serves one engine on one event loop; the request that has waited longest runs a batch for those that wait too."""

    def __init__(self, engine: SteeringEngine) -> None:
        self.engine = engine
        self._turn = anyio.Lock()
        self._waiting: list[_Waiting] = []
        self._asked: Counter[str] = Counter()

    @classmethod
    def of(cls, engine: SteeringEngine) -> Batcher:
        """Return the batcher of an engine on this event loop."""
        batchers = _batchers.get({})
        if id(engine) not in batchers:
            batchers[id(engine)] = cls(engine)
            _batchers.set(batchers)
        return batchers[id(engine)]

    def seeded(self, request: Request) -> Request:
        """Return the request with a seed of its own: that of the same request made before, plus one.

        So the epochs of a sample differ, and a run that is repeated gives the same replies.
        """
        kind = (request.messages, dict(request.steering.personas), request.kind, request.seed)
        key = hashlib.sha256(repr(kind).encode()).hexdigest()
        self._asked[key] += 1
        return replace(request, seed=request.seed + self._asked[key] - 1)

    async def replies(self, requests: Sequence[Request], max_batch: int) -> list[Reply]:
        """Return a reply to each request; raise the `PersonaError` of the first that has none."""
        mine = [_Waiting(request) for request in requests]
        self._waiting += mine
        try:
            async with self._turn:
                while unserved := [waiting for waiting in mine if waiting.outcome is None]:
                    await self._gather(max_batch)
                    await self._run(unserved[0], max_batch)
        finally:
            self._waiting = [waiting for waiting in self._waiting if waiting not in mine]
        return [waiting.reply() for waiting in mine]

    async def _gather(self, max_batch: int) -> None:
        seen = 0
        while seen < len(self._waiting) < max_batch:
            seen = len(self._waiting)
            await anyio.sleep(_MOMENT)

    async def _run(self, first: _Waiting, max_batch: int) -> None:
        """Serve a request and those like it that wait; they stay in the list until they are served."""
        others = [waiting for waiting in self._waiting if waiting is not first]
        alike = [waiting for waiting in others if waiting.request.kind == first.request.kind]
        batch = [first, *alike[: max_batch - 1]]
        outcomes = await anyio.to_thread.run_sync(serve, self.engine, [waiting.request for waiting in batch])
        for waiting, outcome in zip(batch, outcomes, strict=True):
            waiting.outcome = outcome
        self._waiting = [waiting for waiting in self._waiting if waiting not in batch]


def serve(engine: SteeringEngine, requests: Sequence[Request]) -> list[Reply | PersonaError]:
    """Return replies to requests of one kind; where a batch fails, each by itself, so that one fails alone."""
    try:
        return list(_generate(engine, requests))
    except PersonaError as error:
        if len(requests) == 1:
            return [error]
    return [outcome for request in requests for outcome in serve(engine, [request])]


def _generate(engine: SteeringEngine, requests: Sequence[Request]) -> list[Reply]:
    if requests[0].history:
        return [_alone(engine, request) for request in requests]
    return engine.generate(
        [request.messages for request in requests],
        [request.steering for request in requests],
        sampling=requests[0].sampling,
        seed=[request.seed for request in requests],
    )


def _alone(engine: SteeringEngine, request: Request) -> Reply:
    """Return the reply to a request whose plan depends on what was measured before it."""
    stream = engine.stream(
        request.messages,
        request.steering,
        sampling=request.sampling,
        seed=request.seed,
        history=request.history,
    )
    for _ in stream:
        pass
    return stream.reply

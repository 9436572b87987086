"""One request's way through the gateway: reserved, admitted, searched, answered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from sal.programs.trace import SearchResult
from sal.runs.admission import Admission as Demand
from sal.runs.runner import SAMPLE_SECONDS
from sal.runtime.calls import Calls
from sal.serve import several
from sal.serve.admission import Admission
from sal.serve.answer import answer_of
from sal.serve.asked import Asked, Wanted, samples_of
from sal.serve.errors import ApiError, unavailable
from sal.serve.keys import Keys
from sal.serve.lanes import Lanes
from sal.serve.ledger import Ledger
from sal.serve.limits import Limits
from sal.serve.metrics import Metrics
from sal.serve.models import Catalogue
from sal.serve.policy_alone import PolicyAlone
from sal.serve.progress import Progress, chosen_path
from sal.serve.queue import Queue
from sal.serve.searcher import Flight, Recent, Searcher
from sal.serve.shapes import Chat, Text, told_of, usage_of
from sal.serve.structured_vote import chunks_of, elected

LOOK_S = 0.1
"""Between two looks at a search's trace."""

GRACE = 2.0
"""A search that does not end by itself within so many times its seconds is aborted."""

_THREADS = 1000
_MOST = 1000
"""Completions at a time, however few requests they come to: each has a thread."""

Chunks = Sequence[Mapping[str, Any]]
Tell = Callable[[Chunks], Awaitable[None]]
"""Sends chunks of a stream; none is a sign of life."""


async def untold(chunks: Chunks) -> None:
    """Of a reply that is sent whole."""


@dataclass(eq=False)
class Gateway:
    """Of one event loop; `close()` it in the end."""

    catalogue: Catalogue
    limits: Limits
    searcher: Searcher
    policy_alone: PolicyAlone
    queue: Queue
    ledger: Ledger = field(default_factory=Ledger)
    keys: Keys = field(default_factory=Keys)
    recent: Recent = field(default_factory=Recent)
    failed: Callable[[], str] = lambda: ""
    """Why an engine is gone for good; "" while none is."""
    requests: Callable[[], int] | None = None
    """How many requests of searches are in flight at the policy's server."""

    def __post_init__(self) -> None:
        self.metrics = Metrics(lambda: self.queue.waiting, lambda: self.queue.held)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="search")
        self._aborting = ThreadPoolExecutor(16, thread_name_prefix="abort")
        self._in_flight: dict[Flight, asyncio.Future[SearchResult]] = {}
        self._lanes = Lanes(max(1, self.queue.room.kept))
        self._demand = Demand(1, self.queue.room.capacity, _MOST)
        self._looking: asyncio.Task[None] | None = None

    async def answer(
        self,
        asked: Asked,
        wanted: Wanted,
        account: str,
        shape: type[Chat] | type[Text],
        tell: Tell = untold,
    ) -> dict[str, Any]:
        """Search; returns the whole reply, and tells the chunks of a stream while they come to be.

        To cancel this aborts the search at both engines. Raises `ApiError`.
        """
        small = self.queue.room.is_small(wanted.budget)
        flight = Flight(wanted, calls=Calls() if small else Calls(self._lanes))
        form = shape(flight.id, asked.model, int(time.time()))
        progress, said = Progress(), ""
        async with self._searching(flight, account) as future:
            await tell(form.begin())
            until = flight.began + GRACE * self.limits.seconds
            ended = False
            while not ended:
                await asyncio.wait({future}, timeout=LOOK_S)
                ended = future.done()
                news = progress.look(flight.trace)
                said += news
                await tell(form.progress(news))
                if not ended and time.monotonic() > until:
                    raise unavailable("the search does not end", status=504, code="search_timeout")
            result = future.result()
        answer = answer_of(result, flight.prompt)
        path = chosen_path(result, answer.chosen)
        usage = usage_of(flight.prompt_tokens, flight.trace, answer)
        told = told_of(
            flight.id, wanted.strategy, wanted.budget, flight.seed, result, flight.seconds
        )
        await tell(form.progress(path))
        await tell(form.end(answer, told))
        if asked.include_usage:
            await tell([form.usage(usage)])
        return form.whole(answer, said + path, usage, told)

    async def pass_on(
        self, asked: Asked, path: str, account: str, tell: Tell = untold
    ) -> dict[str, Any]:
        """Have the policy answer alone; as `answer`. A stream's reply is empty."""
        body = asked.body
        samples = samples_of(body)
        each = body.get("n") or 1
        longest = body.get("max_completion_tokens") or body.get("max_tokens") or 0
        async with self.admitted(samples, samples * longest, account) as admission:
            try:
                if asked.stream and not asked.votes:
                    admission.spent = await several.streamed(
                        self.policy_alone, path, body, tell, usage=asked.include_usage
                    )
                    return {}
                replies = await several.replies(self.policy_alone, path, body)
                reply = elected(replies) if asked.votes else several.joined(replies, each)
                admission.spent = several.generated(reply["usage"])
                if asked.stream:
                    await tell(chunks_of(reply, usage=asked.include_usage))
                return reply
            except ApiError as error:
                if error.status < 500 and samples == each:  # refused: nothing was generated
                    admission.spent = 0  # else another prompt may have been written behind
                raise

    @asynccontextmanager
    async def _searching(
        self, flight: Flight, account: str
    ) -> AsyncIterator[asyncio.Future[SearchResult]]:
        """Within, the search is under way, in a thread; who leaves before it ends aborts it.

        Its room and its tokens are held until it has really ended.
        """
        wanted = flight.wanted
        async with self.admitted(wanted.budget, wanted.tokens, account) as admission:
            flight.began = time.monotonic()
            self.recent.add(flight)
            loop = asyncio.get_running_loop()
            future = loop.run_in_executor(self._threads, self._search, flight)
            self._in_flight[flight] = future
            if self._looking is None or self._looking.done():
                self._looking = loop.create_task(self._look())
            admission.held_by(future, lambda: self._ended(flight))
            try:
                yield future
            finally:
                if not future.done():
                    loop.run_in_executor(self._aborting, flight.calls.abort)

    def _search(self, flight: Flight) -> SearchResult:
        small = self.queue.room.is_small(flight.wanted.budget)
        with self._lanes.small() if small else nullcontext():
            return self.searcher.run(flight)

    async def _look(self) -> None:
        """While anything is searched for: make room by what its completions ask of the engine."""
        seen = time.monotonic()
        while self._in_flight:
            await asyncio.sleep(SAMPLE_SECONDS)
            self._lanes.look()
            if self.requests is None:
                continue
            before, seen = seen, time.monotonic()
            weights = {f: self.queue.room.weight(f.wanted.budget) for f in self._in_flight}
            silent = sum(w for f, w in weights.items() if not f.trace.policy.requests)
            self._demand.sample(self.requests(), sum(weights.values()), silent, seen - before)
            self.queue.resize(self._demand.problems)

    def _ended(self, flight: Flight) -> int | None:
        """Count a search that is over; returns what it generated, None where that is unknown."""
        del self._in_flight[flight]
        self.metrics.searched(flight.wanted.strategy, flight.trace, flight.seconds)
        # What an aborted request had generated, nobody tells.
        return None if flight.calls.aborted else flight.trace.policy.completion_tokens

    @asynccontextmanager
    async def admitted(
        self, completions: int, tokens: int, account: str
    ) -> AsyncIterator[Admission]:
        """Reserve the tokens, wait for one's turn, and give both back in the end.

        Raises `ApiError` (429).
        """
        reservation = self.ledger.reserve(account, tokens)
        weight = self.queue.room.weight(completions)
        try:
            await self.queue.enter(weight)
        except BaseException:
            self.ledger.settle(reservation, 0)
            raise
        admission = Admission(self.ledger, self.queue, reservation, weight)
        try:
            yield admission
        finally:
            if not admission.handed_on:
                admission.end()

    async def close(self) -> None:
        """Abort what is under way, and wait for it."""
        flying = dict(self._in_flight)
        for flight in flying:
            self._aborting.submit(flight.calls.abort)
        if flying:
            await asyncio.wait(flying.values(), timeout=5)
        await self.policy_alone.close()
        self._aborting.shutdown()
        self._threads.shutdown(wait=False, cancel_futures=True)

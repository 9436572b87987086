"""Requests of large searches wait while small ones search, and only then."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, nullcontext
from typing import Any

import pytest
from programs_scripted import PATIENCE
from serve_scripted import Held, Writer, gateway

from sal.runtime.calls import Calls, belonging_to
from sal.runtime.client import Engine
from sal.runtime.endpoint_errors import Aborted
from sal.serve.lanes import LINGER_S, Lanes
from sal.serve.read_chat import read_chat
from sal.serve.shapes import Chat

HELLO = [{"role": "user", "content": "Count?"}]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Wire:
    """Requests of large searches, each in a thread: those on the wire stay there until let go."""

    def __init__(self, lanes: Lanes) -> None:
        self.lanes = lanes
        self.there: list[str] = []
        self.failed: list[BaseException] = []
        self._go = threading.Event()
        self._threads: list[threading.Thread] = []

    def send(self, engine: str, count: int, check: Any = lambda: None) -> None:
        def request() -> None:
            try:
                with self.lanes.large(engine, check):
                    self.there.append(engine)
                    self._go.wait(PATIENCE)
            except BaseException as error:
                self.failed.append(error)

        new = [threading.Thread(target=request) for _ in range(count)]
        self._threads += new
        for thread in new:
            thread.start()

    def are(self, count: int) -> bool:
        """Whether so many come to be on the wire, and no more."""
        until = time.monotonic() + PATIENCE
        while len(self.there) < count and time.monotonic() < until:
            time.sleep(0.005)
        time.sleep(0.05)
        return len(self.there) == count

    def end(self) -> None:
        self._go.set()
        for thread in self._threads:
            thread.join(PATIENCE)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def wire(clock: Clock) -> Iterator[Wire]:
    made = Wire(Lanes(2, clock))
    yield made
    made.end()


def test_large_searches_have_the_wire_while_nobody_is_small(wire: Wire) -> None:
    wire.send("policy", 5)
    assert wire.are(5)


def test_few_of_them_are_on_the_wire_to_each_engine_while_one_is(wire: Wire, clock: Clock) -> None:
    with ExitStack() as stack:
        stack.enter_context(wire.lanes.small())
        wire.send("policy", 5)
        assert wire.are(2)
        wire.send("prm", 3)
        assert wire.are(4)
        assert sorted(wire.there) == ["policy", "policy", "prm", "prm"]
    wire.lanes.look()
    assert wire.are(4)  # the next small one may be about to come
    clock.now += 2 * LINGER_S
    wire.lanes.look()
    assert wire.are(8)


def test_the_next_goes_when_one_is_answered(wire: Wire) -> None:
    with wire.lanes.small():
        wire.send("policy", 5)
        assert wire.are(2)
        wire.end()
        assert len(wire.there) == 5


def test_one_that_waits_can_be_aborted(clock: Clock) -> None:
    lanes = Lanes(0, clock)
    calls = Calls(lanes)
    raised: list[BaseException] = []

    def search() -> None:
        with belonging_to(calls), Engine("http://127.0.0.1:9") as engine:
            try:
                engine.generate({})
            except BaseException as error:
                raised.append(error)

    with lanes.small():
        thread = threading.Thread(target=search)
        thread.start()
        time.sleep(0.05)
        assert not raised
        calls.abort()
        thread.join(PATIENCE)
    assert isinstance(raised[0], Aborted)


def test_in_a_gateway_large_searches_alone_take_turns() -> None:
    made = gateway(Writer(Held()), room=64)  # of which an eighth is small

    async def use() -> dict[int, bool]:
        asked = [
            read_chat({"model": f"dvts@{n}", "messages": HELLO}, {}, made.catalogue, made.limits)
            for n in (8, 32)
        ]
        searching = [
            asyncio.create_task(made.answer(one, one.search, "", Chat))
            for one in asked
            if one.search is not None
        ]
        while len(made._in_flight) < 2:
            await asyncio.sleep(0.01)
        free = {
            flight.wanted.budget: isinstance(flight.calls.turn("policy"), nullcontext)
            for flight in made._in_flight
        }
        for search in searching:
            search.cancel()
        await asyncio.gather(*searching, return_exceptions=True)
        await made.close()
        return free

    assert asyncio.run(use()) == {8: True, 32: False}

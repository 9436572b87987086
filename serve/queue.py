"""Who may search now: as much at a time as the engine has room for, and small ones first.

A search weighs its budget. Small ones overtake large ones, and a part of the room is theirs alone,
so that one of them waits for a large one to end only where that is as large as all the room. One
that was overtaken often enough is next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from sal.serve.errors import too_many

SMALL = 8
"""A search of an eighth of the room is small, and as much is kept for such."""

PATIENCE = 16
"""So often a search is overtaken at most."""


@dataclass(eq=False, slots=True)
class Waiting:
    """A search that may not begin yet. `order` tells who came first."""

    weight: int
    order: int
    overtaken: int = 0
    turn: asyncio.Future[None] | None = None


def next_one(waiting: Sequence[Waiting], held: int, room: int) -> Waiting | None:
    """Which may begin while `held` of `room` is taken; None for nobody."""
    if not waiting:
        return None
    patient = [w for w in waiting if w.overtaken >= PATIENCE]
    first = min(patient or waiting, key=lambda w: (0 if patient else w.weight, w.order))
    kept = 0 if patient or first.weight <= room // SMALL else room // SMALL
    fits = held == 0 or held + first.weight <= room - kept
    return first if fits else None


@dataclass(eq=False, slots=True)
class Queue:
    """Of one event loop. `room` completions are searched for at a time; `longest` may wait."""

    room: int
    longest: int
    typical_s: float = 10.0
    _held: int = 0
    _came: int = 0
    _waiting: list[Waiting] = field(default_factory=list)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def held(self) -> int:
        """Completions that are being searched for."""
        return self._held

    def weight(self, budget: int) -> int:
        """What a search of `budget` completions weighs: never more than all."""
        return min(budget, self.room)

    async def enter(self, weight: int) -> None:
        """Wait for one's turn; raises `ApiError` (429) where too many wait already."""
        if len(self._waiting) >= self.longest:
            raise too_many(f"{self.longest} searches are waiting already", self.typical_s)
        self._came += 1
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        mine = Waiting(weight, self._came, turn=turn)
        self._waiting.append(mine)
        self._admit()
        try:
            await turn
        except asyncio.CancelledError:
            if mine in self._waiting:
                self._waiting.remove(mine)
                self._admit()
            else:
                self.leave(weight)
            raise

    def leave(self, weight: int, seconds: float | None = None) -> None:
        """A search is over, which took so long."""
        self._held -= weight
        if seconds is not None:
            self.typical_s += 0.1 * (seconds - self.typical_s)
        self._admit()

    def _admit(self) -> None:
        while (first := next_one(self._waiting, self._held, self.room)) is not None:
            self._waiting.remove(first)
            for other in self._waiting:
                other.overtaken += other.order < first.order
            self._held += first.weight
            if first.turn is not None and not first.turn.done():
                first.turn.set_result(None)

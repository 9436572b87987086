"""What a request holds while it is answered: room in the queue, and tokens of the ledger."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sal.serve.ledger import Ledger, Reservation
from sal.serve.queue import Queue


@dataclass(eq=False, slots=True)
class Admission:
    """Room in the queue, and tokens of the ledger, until what they were given for has ended."""

    ledger: Ledger
    queue: Queue
    reservation: Reservation
    weight: int
    spent: int | None = None
    handed_on: bool = False
    began: float = field(default_factory=time.monotonic)

    def held_by(self, future: asyncio.Future[Any], ended: Callable[[], int | None]) -> None:
        """Keep both until `future` is done; `ended` then says what was spent."""
        self.handed_on = True

        def end(done: asyncio.Future[Any]) -> None:
            if not done.cancelled():
                done.exception()  # whoever waits for it is told; nobody needs to
            try:
                self.spent = ended()
            finally:
                self.end()

        future.add_done_callback(end)

    def end(self) -> None:
        """Give both back."""
        self.ledger.settle(self.reservation, self.spent)
        self.queue.leave(self.weight, time.monotonic() - self.began)

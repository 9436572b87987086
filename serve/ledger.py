"""How many tokens may be generated, per account: reserved before they are spent.

So requests that come at the same time never count on the same tokens. A request whose usage nobody
told keeps its whole reservation: unknown is not nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic

from sal.serve.errors import too_many

WINDOW_S = 3600.0
"""Seconds from an account's first request on, after which its count begins anew."""


@dataclass(slots=True)
class Account:
    """Tokens of the present window: told by the servers, unknown (in full), and held back."""

    spent: int = 0
    unknown: int = 0
    reserved: int = 0
    since: float | None = None

    @property
    def taken(self) -> int:
        return self.spent + self.unknown + self.reserved


@dataclass(slots=True)
class Reservation:
    """Of `tokens` for one request, until it is settled."""

    account: str
    tokens: int
    open: bool = True


@dataclass(slots=True)
class Ledger:
    """`limit` tokens for each account and window; None for no limit. Safe from many threads."""

    limit: int | None = None
    clock: Callable[[], float] = monotonic
    _accounts: dict[str, Account] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def reserve(self, account: str, tokens: int) -> Reservation:
        """Hold back as many; raises `ApiError` (429) where they are not there."""
        with self._lock:
            known = self._present(account)
            if self.limit is not None and known.taken + tokens > self.limit:
                left = max(0, self.limit - known.taken)
                opened = self.clock() if known.since is None else known.since
                raise too_many(
                    f"this request may take {tokens:,} tokens, and {left:,} of {self.limit:,} an "
                    "hour are left",
                    max(1.0, opened + WINDOW_S - self.clock()),
                    "insufficient_quota",
                )
            known.reserved += tokens
            if known.since is None:
                known.since = self.clock()
            return Reservation(account, tokens)

    def settle(self, held: Reservation, spent: int | None) -> None:
        """The request is over; `spent` is what the servers told, None where they did not."""
        with self._lock:
            if not held.open:
                return
            held.open = False
            known = self._present(held.account)
            known.reserved -= held.tokens
            if spent is None:
                known.unknown += held.tokens
            else:
                known.spent += spent

    def account(self, name: str) -> Account:
        """As it stands now."""
        with self._lock:
            known = self._present(name)
            return Account(known.spent, known.unknown, known.reserved, known.since)

    def _present(self, name: str) -> Account:
        known = self._accounts.setdefault(name, Account())
        if known.since is not None and self.clock() - known.since >= WINDOW_S:
            known.spent = known.unknown = 0
            known.since = None
        return known

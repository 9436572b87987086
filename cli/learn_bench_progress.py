"""How far a benchmark is: a line that changes at a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time

from rich.console import Console

EVERY_S = 10.0
"""Between two lines where nobody watches."""


class Progress:
    """Said to `console`; a context manager."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status = console.status("starting")
        self._began = self._said = time.monotonic()

    def __enter__(self) -> Progress:
        self._status.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._status.__exit__(None, None, None)

    def server(self, role: str, text: str) -> None:
        """What the PRM's server says of itself."""
        self._status.update(f"{role}: {text}")
        self._began = time.monotonic()

    def tick(self, done: int, of: int, failed: int) -> None:
        """So many solutions of those that were owed, and requests that failed."""
        now = time.monotonic()
        text = f"{done:,} of {of:,} solutions"
        if 0 < done < of:
            text += f", {(now - self._began) / done * (of - done) / 60:.1f} min left"
        if failed:
            text += f", {failed:,} requests failed"
        if self._console.is_terminal:
            self._status.update(text)
        elif done == of or now - self._said >= EVERY_S:
            self._said = now
            self._console.print(text, highlight=False)

"""Displays that write lines: for pipes, log files and terminals that cannot be redrawn."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import UTC, datetime

from sal.cli.display.words import begin_line, duration, header_line, progress_line, usage_line
from sal.runs.display import Begun
from sal.runs.progress import Snapshot

BUSY_SECONDS = 5.0
"""At most one progress line in this time, however fast problems finish."""

QUIET_SECONDS = 30.0
"""At least one in this time, however slow they are."""


class StatusLines:
    """A line whenever a server's start comes to another phase; its seconds are no phase."""

    def __init__(self) -> None:
        self._phases: dict[str, str] = {}

    def news(self, role: str, text: str) -> bool:
        phase = text.partition(",")[0]
        before, self._phases[role] = self._phases.get(role), phase
        return phase != before


class PlainDisplay:
    """Progress lines, when something finished and now and then."""

    def __init__(self) -> None:
        self._statuses = StatusLines()
        self._last: Snapshot | None = None
        self._shown: Snapshot | None = None

    def header(self, title: str, settings: Mapping[str, str]) -> None:
        self.note(header_line(title, settings))

    def note(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def begin(self, run: Begun) -> None:
        self.note(begin_line(run))

    def status(self, role: str, text: str) -> None:
        if self._statuses.news(role, text):
            self.note(f"{role}: {text}")

    def update(self, snapshot: Snapshot) -> None:
        self._last = snapshot
        since = snapshot.seconds - (self._shown.seconds if self._shown else 0.0)
        news = snapshot.done != (self._shown.done if self._shown else 0)
        if since >= QUIET_SECONDS or (news and since >= BUSY_SECONDS):
            self._show(snapshot)

    def close(self) -> None:
        if self._last is not None:
            if self._shown is None or self._shown.done != self._last.done:
                self._show(self._last)
            self.note(usage_line("policy", self._last.policy, self._last.seconds))
            self.note(usage_line("PRM", self._last.prm, self._last.seconds))
        self._last = self._shown = None

    def _show(self, snapshot: Snapshot) -> None:
        self._shown = snapshot
        self.note(f"{progress_line(snapshot)}  in flight {len(snapshot.in_flight)}")


class LogDisplay:
    """A dated line per event and per finished problem."""

    def __init__(self) -> None:
        self._statuses = StatusLines()
        self._written = 0

    def header(self, title: str, settings: Mapping[str, str]) -> None:
        self.note(header_line(title, settings))

    def note(self, text: str) -> None:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        print(f"{now} {text}", file=sys.stderr, flush=True)

    def begin(self, run: Begun) -> None:
        self.note(begin_line(run))

    def status(self, role: str, text: str) -> None:
        if self._statuses.news(role, text):
            self.note(f"{role}: {text}")

    def update(self, snapshot: Snapshot) -> None:
        for item in snapshot.finished[self._written :]:
            verdict = (
                f"failed: {item.error}" if item.error else "right" if item.correct else "wrong"
            )
            self.note(f"problem {item.id}: {verdict} in {duration(item.seconds)}")
        self._written = len(snapshot.finished)

    def close(self) -> None:
        self._written = 0


class NoDisplay:
    """Silent; errors still reach stderr."""

    def header(self, title: str, settings: Mapping[str, str]) -> None:  # noqa: ARG002
        return

    def note(self, text: str) -> None:  # noqa: ARG002
        return

    def begin(self, run: Begun) -> None:  # noqa: ARG002
        return

    def status(self, role: str, text: str) -> None:  # noqa: ARG002
        return

    def update(self, snapshot: Snapshot) -> None:  # noqa: ARG002
        return

    def close(self) -> None:
        return

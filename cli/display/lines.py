"""Displays that write lines: for pipes, log files and terminals that cannot be redrawn."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from sal.cli.display.words import (
    begin_line,
    duration,
    header_line,
    moment_line,
    retrying_line,
    usage_line,
)
from sal.runs.display import Begun
from sal.runs.snapshot import Snapshot

BUSY_SECONDS = 5.0
"""At most one progress line in this time, however fast problems finish; the first comes then."""

QUIET_SECONDS = 30.0
"""At least one in this time, however slow they are."""

SHORT_SECONDS = 2.0
"""A failure that is over by then is not worth a word."""


class StatusLines:
    """A line whenever a server's start comes to another phase; its seconds are no phase."""

    def __init__(self) -> None:
        self._phases: dict[str, str] = {}

    def news(self, role: str, text: str) -> bool:
        phase = text.partition(",")[0]
        before, self._phases[role] = self._phases.get(role), phase
        return phase != before


class Pace:
    """When a line about a moment of the run is due: `news` since the last one brings it forward."""

    def __init__(self) -> None:
        self.shown: Snapshot | None = None

    def due(self, snapshot: Snapshot, *, news: bool) -> bool:
        since = snapshot.seconds - (self.shown.seconds if self.shown else 0.0)
        soon = news or self.shown is None
        return since >= QUIET_SECONDS or (soon and since >= BUSY_SECONDS)


class RetryLines:
    """A line when an endpoint begins to fail, now and then while it does, and when it is over."""

    def __init__(self) -> None:
        self._said: dict[str, float] = {}

    def lines(self, snapshot: Snapshot) -> Iterator[str]:
        now = snapshot.seconds
        for endpoint, retrying in snapshot.retrying.items():
            said = self._said.get(endpoint)
            due = retrying.since >= SHORT_SECONDS if said is None else now - said >= QUIET_SECONDS
            if due:
                self._said[endpoint] = now
                yield retrying_line(endpoint, retrying)
        for endpoint in self._said.keys() - snapshot.retrying.keys():
            del self._said[endpoint]
            yield f"{endpoint}: answers again"


class PlainDisplay:
    """Progress lines, when something finished and now and then."""

    def __init__(self) -> None:
        self._statuses = StatusLines()
        self._pace = Pace()
        self._retries = RetryLines()
        self._last: Snapshot | None = None

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
        for line in self._retries.lines(snapshot):
            self.note(line)
        if self._pace.due(snapshot, news=self._is_news(snapshot)):
            self._show(snapshot)

    def close(self) -> None:
        if self._last is not None:
            if self._pace.shown is None or self._is_news(self._last):
                self._show(self._last)
            self.note(usage_line("policy", self._last.policy, self._last.seconds))
            self.note(usage_line("PRM", self._last.prm, self._last.seconds))
        self._last = self._pace.shown = None

    def _is_news(self, snapshot: Snapshot) -> bool:
        return self._pace.shown is not None and self._pace.shown.done != snapshot.done

    def _show(self, snapshot: Snapshot) -> None:
        self._pace.shown = snapshot
        self.note(moment_line(snapshot))


class LogDisplay:
    """A dated line per event and per finished problem, and now and then how far it all is."""

    def __init__(self) -> None:
        self._statuses = StatusLines()
        self._pace = Pace()
        self._retries = RetryLines()
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
        for line in self._retries.lines(snapshot):
            self.note(line)
        for item in snapshot.finished[max(0, self._written - snapshot.older) :]:
            verdict = (
                f"failed: {item.error}" if item.error else "right" if item.correct else "wrong"
            )
            self.note(f"problem {item.id}: {verdict} in {duration(item.seconds)}")
        self._written = snapshot.older + len(snapshot.finished)
        if snapshot.in_flight and self._pace.due(snapshot, news=False):
            self._pace.shown = snapshot
            self.note(moment_line(snapshot))

    def close(self) -> None:
        self._written = 0
        self._pace.shown = None


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

"""The display that is redrawn in place."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sal.cli.display.words import (
    begin_line,
    duration,
    progress_line,
    retrying_line,
    usage_line,
    writing,
)
from sal.runs.display import Begun
from sal.runs.snapshot import Snapshot

BAR_WIDTH = 24
MAX_ROWS = 8
"""Rows for problems in flight; the rest is counted."""


class RichDisplay:
    """A progress bar, a usage row per endpoint, and a row per problem in flight."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._live: Live | None = None
        self._last: Snapshot | None = None
        self._statuses: dict[str, str] = {}

    def header(self, title: str, settings: Mapping[str, str]) -> None:
        line = Text(title, style="bold")
        for name, value in settings.items():
            line.append(f"  {name}=", style="dim").append(value, style="not bold")
        self._console.print(line)

    def note(self, text: str) -> None:
        self._console.print(Text(text), soft_wrap=True)

    def begin(self, run: Begun) -> None:
        self.note(begin_line(run))

    def status(self, role: str, text: str) -> None:
        if self._last is not None:  # a restart in the middle of the run
            self.note(f"{role}: {text}")
            return
        self._statuses[role] = text
        lines = [f"{role:<6}  {text}" for role, text in self._statuses.items()]
        self._draw(Text("\n".join(lines), style="dim"))

    def update(self, snapshot: Snapshot) -> None:
        self._last = snapshot
        self._draw(draw(snapshot, self._console.width))

    def _draw(self, region: RenderableType) -> None:
        if self._live is None:
            # We redraw at our own pace; a refresh thread would draw a moment that is gone.
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        self._live.update(region, refresh=True)

    def close(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None
        if self._last is not None:
            self._console.print(draw(self._last, self._console.width, rows=0))
            self._last = None


def draw(s: Snapshot, width: int, rows: int = MAX_ROWS) -> RenderableType:
    """The whole live region, for a terminal of `width` columns: the words go before the bar."""
    line = progress_line(s)
    bar = min(BAR_WIDTH, width - len(line) - 2)
    top = Table.grid(padding=(0, 2))
    if bar >= BAR_WIDTH // 4:
        top.add_row(ProgressBar(total=max(s.total, 1), completed=s.done, width=bar), line)
    else:
        top.add_row(line)
    parts: list[RenderableType] = [
        top,
        *([Text(moving, style="green")] if (moving := writing(s)) else []),
        Text(usage_line("policy", s.policy, s.seconds), style="cyan"),
        Text(usage_line("PRM", s.prm, s.seconds), style="magenta"),
    ]
    for endpoint, retrying in s.retrying.items():
        parts.append(Text(retrying_line(endpoint, retrying), style="yellow"))
    if rows and s.in_flight:
        table = Table.grid(padding=(0, 2))
        for item in s.in_flight[:rows]:
            table.add_row(
                Text(f"  {item.id}", overflow="ellipsis", no_wrap=True),
                item.phase,
                f"{item.nodes} steps",
                duration(item.seconds),
            )
        parts.append(table)
        if len(s.in_flight) > rows:
            parts.append(Text(f"  and {len(s.in_flight) - rows} more", style="dim"))
    return Group(*parts)

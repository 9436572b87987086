"""A benchmark's parts one after the other: which one runs, time gone, about how long is left."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


@dataclass(frozen=True, slots=True)
class Part:
    """One thing to measure; those of a `kind` take about as long as each other."""

    name: str
    kind: str
    run: Callable[[], None]


def run(
    parts: Sequence[Part], console: Console, after: Callable[[Part], None] = lambda _: None
) -> None:
    """Run all, and `after` behind each; a rule before each says where we are."""
    took: dict[str, list[float]] = {}
    began = time.monotonic()
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("", total=len(parts), left="")
        for number, part in enumerate(parts):
            rest = seconds_left(parts[number:], took)
            left = "" if rest is None else f", about {clock(rest)} left"
            progress.update(bar, description=part.name, left=left.lstrip(", "))
            gone = clock(time.monotonic() - began)
            console.rule(f"{part.name} ({number + 1} of {len(parts)}, {gone} gone{left})")
            start = time.monotonic()
            part.run()
            took.setdefault(part.kind, []).append(time.monotonic() - start)
            after(part)
            progress.advance(bar)


def seconds_left(parts: Sequence[Part], took: dict[str, list[float]]) -> float | None:
    """By what parts of the same kind took, or any; None before the first has ended."""
    known = [seconds for times in took.values() for seconds in times]
    if not known:
        return None
    return sum(median(took.get(part.kind) or known) for part in parts)


def clock(seconds: float) -> str:
    """Minutes and seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def spread(values: Sequence[float]) -> str:
    """The median of the rounds, with the least and the most; nothing for none."""
    if not values:
        return ""
    return f"{median(values):.3g} ({min(values):.3g}-{max(values):.3g})"

"""A snapshot in words, the same for every display."""

from __future__ import annotations

from collections.abc import Mapping

from sal.runs.display import Begun
from sal.runs.snapshot import Snapshot
from sal.runtime.retries import Retrying
from sal.runtime.usage import Usage


def duration(seconds: float) -> str:
    """`8s`, `1m05s`, `2h03m`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"


def count(number: float) -> str:
    """`812`, `8.1k`, `1.3M`."""
    for limit, divisor, unit in ((999.5, 1.0, ""), (999_950, 1e3, "k"), (999_950_000, 1e6, "M")):
        if number < limit:
            return f"{number / divisor:.0f}" if divisor == 1 else f"{number / divisor:.1f}{unit}"
    return f"{number / 1e9:.1f}G"


def header_line(title: str, settings: Mapping[str, str]) -> str:
    return "  ".join([title, *(f"{name}={value}" for name, value in settings.items())])


def begin_line(run: Begun) -> str:
    """A run by itself: its folder, as its command has said what it is; one of many: its place."""
    if run.total == 1:
        return f"folder {run.path}"
    left = {} if run.left is None else {"left": f"about {duration(run.left)}"}
    return header_line(f"{run.number}/{run.total}  {run.name}", left)


def progress_line(s: Snapshot, *, stderr: bool = False) -> str:
    """done/total, elapsed, ETA, accuracy so far (by the strategy's rule), failed.

    With `stderr` the accuracy has its error over problems.
    """
    parts = [f"{s.done}/{s.total}", duration(s.seconds)]
    if s.eta is not None and s.done < s.total:
        parts.append(f"ETA {duration(s.eta)}{' (time limit)' if s.limited else ''}")
    if s.accuracy is not None:
        error = f" ± {100 * s.stderr:.1f}" if stderr and s.stderr is not None else ""
        parts.append(f"accuracy {100 * s.accuracy:.1f}{error}%")
    parts.append(f"failed {s.failed}")
    return "  ".join(parts)


def writing(s: Snapshot) -> str:
    """What moves before a problem is done: completions, tokens generated, tokens a second lately.

    A strategy that writes one completion for a problem has no count of them beside the problems'.
    """
    parts = [] if s.allowed <= s.total else [f"{s.ended}/{s.allowed} completions"]
    if s.written is not None:
        parts.append(f"{count(s.written)} generated")
    if s.rate is not None:
        parts.append(f"{count(s.rate)}/s")
    return "  ".join(parts)


def moment_line(s: Snapshot) -> str:
    """All of a moment that a single line can say."""
    parts = [progress_line(s), f"in flight {len(s.in_flight)}", writing(s)]
    return "  ".join(part for part in parts if part)


def retrying_line(endpoint: str, retrying: Retrying) -> str:
    """What is tried again there, why, since when, and until when."""
    requests = f"{retrying.requests} request{'' if retrying.requests == 1 else 's'}"
    return (
        f"{endpoint}: trying {requests} again for {duration(retrying.since)}, "
        f"{duration(retrying.left)} more at most: {' '.join(retrying.reason.split())}"
    )


def usage_line(name: str, usage: Usage, seconds: float) -> str:
    """Tokens through the endpoint, the cached share of its prompts, and its rate."""
    prompt, made, new = usage.prompt_tokens, usage.completion_tokens, usage.uncached_tokens
    through = None if prompt is None or made is None else prompt + made
    rate = None if new is None else new / seconds if seconds > 0 else 0.0
    return f"{name:<6}  {known(through)} tokens  {cached(usage)} cached  {known(rate)} tokens/s"


def known(number: float | None) -> str:
    """`count`, or that the endpoint did not tell."""
    return "unknown" if number is None else count(number)


def cached(usage: Usage) -> str:
    """The share of prompt tokens that came from the cache: `87%`."""
    if usage.prompt_tokens is None or usage.cached_tokens is None:
        return "unknown"
    share = usage.cached_tokens / usage.prompt_tokens if usage.prompt_tokens else 0.0
    return f"{100 * share:.0f}%"

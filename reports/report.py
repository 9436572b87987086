"""A report written: the page, the Markdown, the curves, and the traces beside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sal.reports.html_page import html_page
from sal.reports.page_data import page_data
from sal.reports.page_traces import PackedTraces, TraceData
from sal.reports.run_data import ProblemKey, RunData, problem_key, run_data
from sal.runs.found import FoundRun

NO_TRACES: Mapping[str, Any] = {"packed": {}, "files": {}, "url": ""}


def data(found: Iterable[FoundRun], title: str) -> dict[str, Any]:
    """What the page shows, as JSON. A run is let go of before the next is asked for."""
    return page_data([run_data(run) for run in found], title)


def page(found: Iterable[FoundRun], title: str, *, trace_url: str = "") -> str:
    """The page without traces; it asks for them at `trace_url`/RUN/PROBLEM, places in the data."""
    return html_page(data(found, title), {**NO_TRACES, "url": trace_url})

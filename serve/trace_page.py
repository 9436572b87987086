"""A search of the gateway in the explorer's page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

from sal.reports.html_page import html_page
from sal.reports.page_data import page_data
from sal.reports.page_traces import packed
from sal.reports.run_data import run_data
from sal.reports.trace_data import trace_data
from sal.runs.found import FoundRun
from sal.runs.judging import result_row
from sal.runs.node_records import trace_json
from sal.runs.recipe import Recipe
from sal.runs.results import RULES, ResultRow, failed_row
from sal.runtime.model_cost import ModelCost
from sal.serve.searcher import Flight

NOT_GRADED = "not graded"
"""The verdict on every solution: nobody knows the right answer."""


def search_page(flight: Flight, recipe: Recipe, models: Mapping[str, ModelCost | None]) -> str:
    """The page of one search, as it is now; `recipe` is the gateway's."""
    own = replace(
        recipe,
        strategy=flight.wanted.strategy,
        params=asdict(flight.wanted.params),
        seed=flight.seed,
        dataset="requests",
    )
    row = _row(flight)
    found = FoundRun(Path(flight.id), own, (row,), 1, row.seconds, dict(models))
    data = page_data([run_data(found)], f"search {flight.id}")
    trace = trace_data(
        trace_json(flight.id, flight.trace),
        None if flight.result is None else row,
        separator=flight.wanted.params.separator,
    )
    return html_page(data, {"packed": {"0/0": packed(trace)}, "files": {}, "url": ""})


def _row(flight: Flight) -> ResultRow:
    question = "" if flight.problem is None else flight.problem.question
    trace, result = flight.trace, flight.result
    if result is None:
        return failed_row(
            flight.id,
            question,
            "",
            flight.error or "still searching",
            policy=trace.policy,
            prm=trace.prm,
            seconds=flight.seconds,
        )
    return result_row(
        flight.id,
        question,
        "",
        result,
        [NOT_GRADED] * len(result.completions),
        dict.fromkeys({*RULES, *result.chosen}, False),
        (trace.policy, trace.prm),
        flight.seconds,
    )

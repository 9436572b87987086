"""A short look at how a run will go: a few of its problems, on servers that are up."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from sal.programs.kv_held import kv_peak
from sal.programs.trace import SearchResult, Trace
from sal.runs.admission import Admission
from sal.runs.endpoints import RunEndpoints
from sal.runs.errors import RunError
from sal.runs.estimate import Probe
from sal.runs.problems import Question
from sal.runs.progress import Progress
from sal.runs.results import ResultRow, failed_row
from sal.runs.runner import Runner, TimeLimit
from sal.runs.settings import Prepared
from sal.runtime.access import Access
from sal.runtime.client import Engine
from sal.runtime.endpoint_errors import EndpointError, LaunchError
from sal.runtime.plan import Plan, Role, ServerSpec
from sal.runtime.policy import PolicyFault
from sal.runtime.session import Servers, reachable
from sal.runtime.usage import Usage
from sal.runtime.warm_servers import WarmServers

SECONDS = 10.0
"""Then what has not ended is dropped."""

BUDGET = 32
"""The largest N that is tried: a problem should end in time."""

PROBLEMS = 16
"""The most that are searched; fewer where they fill the server."""


OTHER_SEED = 1_000_003
"""Added to the run's: what it is going to sample is not to be in the caches already."""


def running(plan: Plan, recipe_prm: str | None) -> dict[Role, str] | None:
    """The URLs of a run's servers, if all that it needs are up: nothing is started."""
    urls = dict(plan.urls)
    if not all(map(reachable, urls.values())):
        return None
    warm_servers = WarmServers()
    for role, spec in plan.servers.items():
        if role == "prm" and recipe_prm is None:
            continue
        warm = warm_servers.find(spec)
        if warm is None:
            return None
        urls[role] = warm.url
    return urls


def probe(
    prepared: Prepared,
    urls: Mapping[Role, str],
    access: Mapping[Role, Access] | None = None,
    *,
    ours: Mapping[Role, ServerSpec] | None = None,
) -> Probe | None:
    """Search problems from all over the data set, as many as fill the server, for some seconds.

    The caches of servers that are `ours` are emptied first, as a run does. None where the probe
    fails: the run itself will say why.
    """
    with (
        suppress(RunError, EndpointError, LaunchError, PolicyFault, OSError),
        Servers(Plan(urls=dict(urls)), access=access) as servers,
    ):
        engines: dict[Role, Engine | None] = {"policy": servers.policy, "prm": servers.prm}
        for role, spec in (ours or {}).items():
            if (engine := engines[role]) is not None:
                engine.adapter = spec.adapter
                engine.flush_cache()
        return _probed(prepared, servers)
    return None


def _probed(prepared: Prepared, servers: Servers) -> Probe:
    endpoints = RunEndpoints(servers, prepared.recipe)
    params, budget = smaller(prepared.params)
    room = (endpoints.capacity or PROBLEMS) // budget
    questions = spread(prepared.problems.questions, max(2, min(PROBLEMS, room)))
    traces: list[Trace] = []
    rows: list[ResultRow] = []

    def search(number: int, question: Question, trace: Trace) -> SearchResult:  # noqa: ARG001
        traces.append(trace)
        state = prepared.strategy.program.run(
            problem=endpoints.problem(question),
            params=params,
            verifier=endpoints.verifier,
            seed=prepared.recipe.seed + OTHER_SEED,
            trace=trace,
            caps=prepared.caps,
            backend=endpoints.backend,
        )
        result: SearchResult = state["result"]
        return result

    def judge(
        question: Question, result: SearchResult, cost: tuple[Usage, Usage], seconds: float
    ) -> ResultRow:
        """Ungraded: what it cost is all that is asked."""
        held = kv_peak(result.trace.nodes)
        policy, prm = cost
        return failed_row(
            question.id, "", "", "", policy=policy, prm=prm, seconds=seconds, kv_peak=held
        )

    began = time.monotonic()
    Runner(
        deque(enumerate(questions)),
        search=search,
        judge=judge,
        record=lambda _number, row, _trace: rows.append(row),
        servers=endpoints,
        progress=Progress(len(questions), budget=budget),
        admission=Admission(budget, endpoints.capacity),
        requests=lambda: servers.policy.in_flight,
        time_limit=TimeLimit(SECONDS, SECONDS),
    ).run()
    seconds = time.monotonic() - began
    generated = sum(trace.policy.completion_tokens or 0 for trace in traces)
    return Probe(budget, len(traces), rows, generated, seconds)


def smaller(params: Any) -> tuple[Any, int]:
    """`params` with the largest budget up to `BUDGET` that the strategy takes, and that budget."""
    budget = int(getattr(params, "budget", 1))
    for less in range(min(budget, BUDGET), 0, -1):
        with suppress(ValueError):
            return (params, 1) if budget == 1 else (replace(params, budget=less), less)
    return params, budget


def spread(questions: Sequence[Question], count: int) -> list[Question]:
    """At most `count`, evenly from all over."""
    count = min(count, len(questions))
    return [questions[i * len(questions) // count] for i in range(count)]

"""A gateway on servers that are there."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import partial
from pathlib import PurePath
from typing import TYPE_CHECKING

from sal.grading.graders import AnyGrader
from sal.runs.endpoints import RunEndpoints
from sal.runs.errors import RunError
from sal.runs.problems import ProblemSet
from sal.runs.registry import find_strategy, summaries
from sal.runs.settings import Prepared
from sal.runtime.access import OPEN, Access, is_loopback
from sal.runtime.plan import Role
from sal.runtime.session import Servers
from sal.serve.gateway import Gateway
from sal.serve.keys import Keys
from sal.serve.ledger import Ledger
from sal.serve.limits import MOST_BUDGETS, Limits
from sal.serve.models import Catalogue, served_strategies
from sal.serve.policy_alone import PolicyAlone
from sal.serve.queue import Queue, Room
from sal.serve.searcher import Flight, Searcher
from sal.serve.trace_page import search_page

if TYPE_CHECKING:
    import uvicorn

REQUESTS = ProblemSet((), "requests", "", "", "")
"""What a gateway's recipe has for problems: they are yet to come."""

SECONDS = 300.0
"""How long a search may take, where the operator does not say."""

_ROOM = 256
"""Completions at a time, where the policy's server does not say how many it runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """What whoever starts a gateway says beside the recipe."""

    max_budget: int | None = None
    tokens_per_hour: int | None = None
    longest_queue: int = 256
    keys: Keys = Keys()


def limits_of(prepared: Prepared, max_budget: int | None) -> Limits:
    """What requests may ask for; raises `RunError` for limits below the operator's own budget."""
    recipe, budget = prepared.recipe, prepared.budget
    most = MOST_BUDGETS * budget if max_budget is None else max_budget
    if most < budget:
        raise RunError(f"--max-budget {most} is less than the budget, {budget}")
    names = {f.name for f in fields(prepared.params)}
    own = {n: v for n, v in recipe.params.items() if n in names and n != "budget"}
    return Limits(
        strategy=recipe.strategy,
        budget=budget,
        max_budget=most,
        max_tokens=prepared.params.max_tokens,
        seconds=recipe.max_problem_seconds or SECONDS,
        tokens=recipe.max_problem_tokens,
        params=own,
    )


def check_address(host: str, keys: Keys) -> None:
    """Raise `RunError` for an address that others reach, where nobody needs a key."""
    if not keys and not is_loopback(host):
        raise RunError(
            f"--host {host}: others can reach it, and none of them would need a key: give --keys "
            "FILE (sal serve --new-key NAME makes one)"
        )


def make_gateway(
    endpoints: RunEndpoints,
    servers: Servers,
    prepared: Prepared,
    grader: AnyGrader,
    operator: Operator,
    access: Mapping[Role, Access],
) -> Gateway:
    """On `servers`, entered, with the strategies that they can search with."""
    limits = limits_of(prepared, operator.max_budget)
    policy = servers.policy
    served = policy.models()[0]
    name = served if policy.adapter is None else f"{served}:{policy.adapter}"
    names = served_strategies(
        list(summaries()), find_strategy, limits.strategy, prm=endpoints.verifier is not None
    )
    fitting = [n for n in names if find_strategy(n).program.fits(endpoints.verifier)]
    searcher = Searcher(endpoints, find_strategy, grader.keys)
    return Gateway(
        catalogue=Catalogue(PurePath(served).name, fitting, find_strategy, int(time.time())),
        limits=limits,
        searcher=searcher,
        policy_alone=PolicyAlone(
            policy.url,
            name,
            policy.abort,
            access.get("policy", OPEN),
            text_of=None if searcher.template else searcher.text_of,
            limit_s=2 * limits.seconds,
        ),
        queue=Queue(Room(endpoints.capacity or _ROOM), operator.longest_queue),
        ledger=Ledger(operator.tokens_per_hour),
        keys=operator.keys,
        failed=lambda: servers.failed,
        requests=lambda: policy.in_flight,
    )


def page_of(prepared: Prepared, endpoints: RunEndpoints) -> Callable[[Flight], str]:
    """What shows a search of this gateway."""
    return partial(search_page, recipe=prepared.recipe, models=endpoints.models)


def bound(config: uvicorn.Config) -> socket.socket:
    """Where the server will answer. Who is told its address may ask at once: they wait."""
    made = config.bind_socket()
    made.listen(config.backlog)
    return made

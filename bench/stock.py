"""The same program on SGLang's own frontend backend, with `run_batch`."""

from __future__ import annotations

import time
from typing import Any

from sglang import RuntimeEndpoint

from bench.ours import flush
from sal.programs.problem import Problem
from sal.runs.registry import find_strategy
from sal.runtime.client import Engine


def run(
    policy: Engine, prm: Engine, verifier: Any, strategy: str, rows: list[dict[str, str]], n: int
) -> tuple[float, list[str | None]]:
    """Seconds, and the answer that the weighted vote chooses for each question."""
    from sglang.lang.global_config import global_config

    global_config.enable_precache_with_tracing = False  # it runs the program on dummy arguments
    found = find_strategy(strategy)
    params = found.params({"budget": n})
    flush(policy, prm)
    backend = RuntimeEndpoint(policy.url)
    began = time.monotonic()
    states = found.program.run_batch(
        [
            {
                "problem": Problem(row["question"], row["id"]),
                "params": params,
                "verifier": verifier,
            }
            for row in rows
        ],
        backend=backend,
        num_threads=max(1, 900 // n),
    )
    seconds = time.monotonic() - began
    results = [state["result"] for state in states]
    return seconds, [r.best.key if r.best else None for r in results]

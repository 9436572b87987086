"""How runs are doing, in JSON: the same for `sal status` and `sal runs` (docs/clusters.md)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sal.cli.resume import resume_command
from sal.runs.snapshot import InFlight
from sal.runs.status import LIVES, RunStatus

SCHEMA = 1
"""Another number when a key goes, or comes to mean something else; new keys may come without."""


def statuses_json(path: Path, statuses: Sequence[RunStatus]) -> dict[str, Any]:
    """`path` is what was asked for; what is unknown is null."""
    return {"schema": SCHEMA, "path": str(path), "runs": [_run(status) for status in statuses]}


def _run(status: RunStatus) -> dict[str, Any]:
    moment, recipe, live = status.moment, status.recipe, status.live
    spent = moment.spent
    return {
        "path": str(status.path),
        "state": status.state,
        "reason": status.reason or None,
        "strategy": recipe.strategy,
        "budget": int(recipe.params.get("budget", 1)),
        "policy": recipe.policy,
        "prm": recipe.prm,
        "dataset": recipe.dataset,
        "seed": recipe.seed,
        "shard": recipe.shard,
        "recipe": recipe.digest,
        "problems": {
            "total": status.total,
            "done": moment.done,
            "failed": moment.failed,
            "owed": status.owed,
        },
        "accuracy": {"mean": moment.accuracy, "stderr": moment.stderr},
        "seconds": {"all": spent.seconds, "session": moment.seconds, "left": moment.eta},
        "time_limit": moment.limited,
        "usage": {"policy": asdict(spent.policy), "prm": asdict(spent.prm)},
        "completions": {"ended": moment.ended, "allowed": moment.allowed}
        if status.state in LIVES
        else None,
        "tokens_per_second": moment.rate,
        "in_flight": [_in_flight(item) for item in moment.in_flight],
        "retrying": {
            role: {"requests": r.requests, "seconds": r.since, "reason": r.reason}
            for role, r in moment.retrying.items()
        },
        "process": None
        if live is None
        else {
            "pid": live.pid,
            "host": live.host,
            "began": live.began,
            "silent_seconds": max(0.0, time.time() - live.written),
        },
        "changed": status.changed,
        "resume": resume_command(status.path) if status.resumable else None,
    }


def _in_flight(item: InFlight) -> dict[str, Any]:
    return {
        "id": item.id,
        "phase": item.phase,
        "nodes": item.nodes,
        "completions": item.completions,
        "seconds": item.seconds,
        "usage": {"policy": asdict(item.policy), "prm": asdict(item.prm)},
    }

"""How runs are doing, in words: a block for one, a table for many."""

from __future__ import annotations

import time
from collections.abc import Sequence

from sal.cli.display.words import cached, count, duration, known, progress_line, retrying_line
from sal.cli.display.words import writing as writing_line
from sal.cli.resume import resume_command
from sal.cli.table import markdown
from sal.runs.recipe import Recipe
from sal.runs.snapshot import InFlight, Snapshot
from sal.runs.status import LIVES, RunStatus, shards_together
from sal.runtime.usage import Usage

MAX_ROWS = 20
"""Rows for problems in flight; the rest is counted."""


def status_text(statuses: Sequence[RunStatus]) -> str:
    """One run by itself; of many a table, then those that live."""
    if len(statuses) == 1:
        return "\n".join(_run(statuses[0]))
    lines = [runs_table(statuses), "", _all(statuses)]
    for status in statuses:
        if status.state in LIVES:
            lines += ["", *_run(status)]
    return "\n".join(lines)


def runs_table(statuses: Sequence[RunStatus]) -> str:
    """A row per run, in Markdown; of a strategy without search N is 1."""
    head = ["run", "strategy", "N", "policy", "PRM", "problems", "done", "accuracy", "state", "age"]
    now = time.time()
    rows = []
    for status in statuses:
        recipe = status.recipe
        rows.append(
            [
                str(status.path),
                recipe.strategy,
                str(recipe.params.get("budget", 1)),
                short_name(recipe.policy),
                short_name(recipe.prm) if recipe.prm else "-",
                _problems(recipe),
                f"{status.moment.done}/{'?' if status.total is None else status.total}",
                accuracy(status.moment) or "-",
                state(status),
                duration(max(0.0, now - status.changed)),
            ]
        )
    return markdown([head, *rows])


def state(status: RunStatus) -> str:
    """The state with what is wrong in it: `finished, 3 failed`; `killed, 12 owed`."""
    parts: list[str] = [status.state]
    if status.moment.failed:
        parts.append(f"{status.moment.failed} failed")
    if status.resumable and status.owed and status.state not in ("new", "owed"):
        parts.append(f"{status.owed} owed")
    return ", ".join(parts)


def accuracy(moment: Snapshot) -> str:
    """`72.5 ± 7.1 %`, one standard error over problems; "" before the first is done."""
    if moment.accuracy is None:
        return ""
    error = "" if moment.stderr is None else f" ± {100 * moment.stderr:.1f}"
    return f"{100 * moment.accuracy:.1f}{error} %"


def short_name(model: str) -> str:
    """The last part of a name, a path or a URL."""
    return model.rstrip("/").rsplit("/", 1)[-1]


def _run(status: RunStatus) -> list[str]:
    moment, recipe = status.moment, status.recipe
    lives = status.state in LIVES
    because = f" ({status.reason})" if status.reason else ""
    models = short_name(recipe.policy) + (f" with {short_name(recipe.prm)}" if recipe.prm else "")
    lines = [
        f"{status.path}: {state(status)}{because}",
        f"{recipe.strategy}, N = {recipe.params.get('budget', 1)}, {models}, {_problems(recipe)}",
    ]
    if status.total is None:
        lines.append(f"{moment.done} problems done, of an unknown number")
    else:
        lines.append(progress_line(moment, stderr=True))
    if lives and (moving := writing_line(moment)):
        lines.append(moving)
    spent = moment.spent
    lines += [_cost("policy", spent.policy), _cost("PRM", spent.prm)]
    if moment.earlier.seconds:
        lines.append(f"searched for {duration(spent.seconds)} with earlier sessions, costs are all")
    lines += [retrying_line(*retrying) for retrying in moment.retrying.items()]
    if status.live is not None and lives:
        ago = duration(max(0.0, time.time() - status.live.written))
        lines.append(f"process {status.live.pid} on {status.live.host}, heard {ago} ago")
    if moment.in_flight:
        lines += ["", _in_flight(moment.in_flight)]
    if status.resumable:
        lines += ["resume with", f"  {resume_command(status.path)}"]
    return lines


def _problems(recipe: Recipe) -> str:
    shard = f" {recipe.shard}" if recipe.shard else ""
    return short_name(recipe.dataset) + shard


def _all(statuses: Sequence[RunStatus]) -> str:
    """What all come to; accuracy and costs for shards of one run, of others they mean nothing."""
    ended = sum(status.state == "finished" for status in statuses)
    done = sum(status.moment.done for status in statuses)
    total = sum(status.total or 0 for status in statuses)
    line = f"{ended} of {len(statuses)} runs finished, {done}/{total} problems"
    together = shards_together(statuses)
    if together is None or not together.done:
        return line
    costs = [_cost("policy", together.policy), _cost("PRM", together.prm)]
    return "\n".join([f"{line}, accuracy {accuracy(together)}", *costs])


def _cost(name: str, usage: Usage) -> str:
    if not usage.requests:
        return f"{name:<6}  not used"
    return (
        f"{name:<6}  {known(usage.prompt_tokens)} prompt tokens  {cached(usage)} cached  "
        f"{known(usage.completion_tokens)} generated  {count(usage.requests)} requests"
    )


def _in_flight(problems: Sequence[InFlight]) -> str:
    head = ["in flight", "phase", "nodes", "completions", "generated", "time"]
    rows = [
        [
            item.id,
            item.phase,
            str(item.nodes),
            str(item.completions),
            known(item.policy.completion_tokens),
            duration(item.seconds),
        ]
        for item in problems[:MAX_ROWS]
    ]
    table = markdown([head, *rows])
    more = len(problems) - MAX_ROWS
    return f"{table}\nand {more} more" if more > 0 else table

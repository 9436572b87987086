"""How a run is doing, from its folder alone: while it is searched, and after.

A run that lives tells it in `live.json`. One that ended has `summary.json`, and its journal where
that is newer, as after a kill.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from sal.runs.errors import FolderError
from sal.runs.found import read_run, run_folders
from sal.runs.journal import is_written
from sal.runs.live import FINISHED, INTERRUPTED, NAME, Live, read_live
from sal.runs.recipe import Recipe, differences, read_recipe
from sal.runs.snapshot import Snapshot
from sal.runtime.usage import Usage

State = Literal[
    "new", "starting", "running", "finished", "interrupted", "stopped", "killed", "owed", "unknown"
]
"""`new`: nothing was searched yet. `stopped`: by its time limit or an error. `killed`: without a
word. `owed`: it ended before its end, and nothing tells how. `unknown`: it may live on another
machine."""

SILENT_SECONDS = 30.0
"""How long one on another machine, whose lock is not seen, may be silent and is thought to live."""

LIVES = frozenset({"starting", "running"})


@dataclass(frozen=True, slots=True)
class RunStatus:
    """A run now. `reason` says more of its state. `total` are its problems, None while unknown.

    `moment` has its numbers; of a run that ended all are in its `seconds`, `policy` and `prm`.
    `live` is its last session, None where nothing tells of one; `changed` when anything was written
    last, in seconds since 1970.
    """

    path: Path
    recipe: Recipe
    state: State
    reason: str
    total: int | None
    moment: Snapshot
    live: Live | None
    changed: float

    @property
    def owed(self) -> int | None:
        return None if self.total is None else self.total - self.moment.done

    @property
    def resumable(self) -> bool:
        """Whether there is something to search, and nobody at it as far as it is known."""
        return self.state not in LIVES and self.owed != 0


def run_status(path: Path, now: float | None = None) -> RunStatus:
    """The run in the folder `path`; raises `FolderError` where there is none."""
    if not (path / "recipe.yaml").is_file():
        raise FolderError(f"{path}: holds no run")
    now = time.time() if now is None else now
    recipe = read_recipe(path / "recipe.yaml")
    written = is_written(path / "journal.jsonl")  # first: one that ends now says so by then
    live = read_live(path)
    if live is not None and not (live.ended or written):  # has it begun just now?
        written = is_written(path / "journal.jsonl")
    lives = _lives(live, written, now)
    total: int | None
    if live is not None and live.snapshot is not None and lives:
        total, moment = live.snapshot.total, live.snapshot
    else:
        total, moment = _recorded(path)
    state, reason = _state(live, written, lives, total, moment, now)
    return RunStatus(path, recipe, state, reason, total, moment, live, _last_written(path))


def find_statuses(path: Path) -> list[RunStatus]:
    """Of the run in `path`, or of all below it, by their paths; raises `FolderError` for none.

    A run that has not begun has as many problems as another of the same ones.
    """
    found = [run_status(folder) for folder in run_folders(path)]
    told = {_problems(status): status.total for status in found if status.total is not None}
    return [
        replace(status, total=total, moment=replace(status.moment, total=total))
        if status.total is None and (total := told.get(_problems(status))) is not None
        else status
        for status in found
    ]


def _problems(status: RunStatus) -> tuple[str, str | None]:
    """What two runs have alike that search the same problems."""
    return status.recipe.problems_digest, status.recipe.shard


def newest_run(path: Path) -> Path:
    """The folder of the run in or below `path` that was written last; raises `FolderError`."""
    return max(run_folders(path), key=_last_written)


def shards_together(statuses: Sequence[RunStatus]) -> Snapshot | None:
    """The sum of runs that are shards of the same one; None for others."""
    first = statuses[0].recipe
    wholes = [replace(status.recipe, shard=None) for status in statuses]
    shards = {status.recipe.shard for status in statuses}
    if None in shards or len(shards) < len(statuses):
        return None
    if any(differences(replace(first, shard=None), whole) for whole in wholes):
        return None
    moments = [status.moment for status in statuses]
    spent = [moment.spent for moment in moments]
    done = sum(moment.done for moment in moments)
    right = sum(moment.done * (moment.accuracy or 0.0) for moment in moments)
    return _moment(
        sum(status.total or 0 for status in statuses),
        done,
        sum(moment.failed for moment in moments),
        right / done if done else None,
        sum(part.seconds for part in spent),
        sum((part.policy for part in spent), Usage()),
        sum((part.prm for part in spent), Usage()),
    )


def _last_written(folder: Path) -> float:
    names = ("recipe.yaml", "journal.jsonl", NAME, "summary.json")
    return max(_changed(folder / name) for name in names)


def _changed(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0


def _lives(live: Live | None, written: bool | None, now: float) -> bool:
    if live is None:
        return bool(written)
    if live.ended or written:
        return not live.ended
    elsewhere = live.host != socket.gethostname() or written is None
    return elsewhere and now - live.written < SILENT_SECONDS


def _state(
    live: Live | None,
    written: bool | None,
    lives: bool,
    total: int | None,
    moment: Snapshot,
    now: float,
) -> tuple[State, str]:
    silent = 0.0 if live is None else now - live.written
    if lives:
        seen = "" if written else "its lock is not seen from this machine"
        if live is not None and live.snapshot is None:
            return "starting", seen
        return "running", f"silent for {silent:.0f} s" if silent >= SILENT_SECONDS else seen
    if total is not None and moment.done >= total:
        return "finished", ""
    if live is None:
        return ("owed", "") if moment.done or total else ("new", "")
    if not live.ended:
        if live.host == socket.gethostname() and written is not None:
            return "killed", ""
        return "unknown", f"{live.host} alone can tell: it is silent for {silent:.0f} s"
    if live.ended == INTERRUPTED:
        return "interrupted", ""
    if live.ended == FINISHED:  # and yet something is owed: the journal was damaged since
        return "owed", ""
    return "stopped", live.ended


def _recorded(path: Path) -> tuple[int | None, Snapshot]:
    """From the summary; from the journal where it is newer, or no summary can be read."""
    summary = path / "summary.json"
    if _changed(summary) >= max(_changed(path / "journal.jsonl"), 1.0):
        try:
            return _summarised(json.loads(summary.read_bytes()))
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            pass  # of another version, or damaged
    if not _changed(path / "journal.jsonl"):
        return None, _moment(0, 0, 0, None, 0.0, Usage(), Usage())
    found = read_run(path)
    total, moment = _summarised(found.summary().as_json())
    return found.problems and total, moment


def _summarised(summary: Any) -> tuple[int, Snapshot]:
    done, total = summary["problems"], summary["problems"] + summary["owed"]
    chosen = summary["accuracy"].get(summary["rule"], {"mean": 0.0})["mean"]
    usage = {role: Usage(**summary["usage"][role]) for role in ("policy", "prm")}
    accuracy = chosen if done else None
    seconds = summary["seconds"]
    return total, _moment(total, done, summary["failed"], accuracy, seconds, **usage)


def _moment(
    total: int,
    done: int,
    failed: int,
    accuracy: float | None,
    seconds: float,
    policy: Usage,
    prm: Usage,
) -> Snapshot:
    """One at which nothing moves."""
    return Snapshot(
        total=total,
        done=done,
        failed=failed,
        accuracy=accuracy,
        seconds=seconds,
        eta=None,
        policy=policy,
        prm=prm,
        in_flight=(),
        finished=(),
    )

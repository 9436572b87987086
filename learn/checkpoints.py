"""Checkpoints of a training: which one is whole, and whether it is of the same training."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sal.learn.errors import TrainError
from sal.learn.examples import Examples
from sal.runs.folder import write_atomically

CHECKPOINTS = "checkpoints"
RECORD = "training.json"


def last_whole(folder: Path) -> Path | None:
    """The last checkpoint that is whole, None for none; torn ones behind it are removed.

    `Trainer` writes trainer_state.json when all else of a checkpoint is there.
    """
    found = [path for path in folder.glob("checkpoint-*") if path.name[11:].isdecimal()]
    for path in sorted(found, key=lambda path: int(path.name[11:]), reverse=True):
        try:
            json.loads((path / "trainer_state.json").read_bytes())
        except (OSError, ValueError):
            shutil.rmtree(path)
        else:
            return path
    return None


def is_over(checkpoint: Path | None, patience: int) -> bool:
    """Whether the training had ended there: with its last step, or early."""
    if checkpoint is None:
        return False
    state = json.loads((checkpoint / "trainer_state.json").read_bytes())
    early = state["stateful_callbacks"].get("EarlyStoppingCallback", {}).get("attributes", {})
    worse = int(early.get("early_stopping_patience_counter", 0))
    return bool(state["global_step"] >= state["max_steps"] or 0 < patience <= worse)


def digest(examples: Examples) -> str:
    """Of all ids, places and targets, in their order."""
    found = hashlib.sha256()
    for row in examples.rows:
        found.update(json.dumps([row.ids, row.places, row.targets]).encode())
    return found.hexdigest()[:16]


def begin(folder: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The record of the training in `folder`, which is begun if there is none.

    Raises `TrainError` where another training is there, and OSError.
    """
    path = folder / RECORD
    if path.is_file():
        record: dict[str, Any] = json.loads(path.read_bytes())
        before = record["settings"]
        now = json.loads(json.dumps(settings))
        names = sorted(k for k in {*before, *now} if before.get(k) != now.get(k))
        if names:
            raise TrainError(
                f"{folder} holds a training with other settings ({', '.join(names)}): go on with "
                "the same, or name another --out"
            )
        return record
    torn = f".{RECORD}.tmp"  # of a training that was killed as it began
    if folder.exists() and any(path.name != torn for path in folder.iterdir()):
        raise TrainError(f"{folder} is not empty, and holds no training: name another --out")
    folder.mkdir(parents=True, exist_ok=True)
    record = {"settings": dict(settings)}
    write(folder, record)
    return record


def write(folder: Path, record: Mapping[str, Any]) -> None:
    """training.json, whole or as it was; raises OSError."""
    write_atomically(folder / RECORD, (json.dumps(record, indent=1) + "\n").encode())

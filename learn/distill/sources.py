"""Where examples come from: runs, and sets in TRL's formats."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sal.learn.distill.examples import METHODS, Example, Method
from sal.learn.distill.files import PARQUET
from sal.learn.distill.found import examples_of
from sal.learn.distill.sets import examples_in
from sal.learn.errors import LabelError
from sal.learn.labelled import Gathered
from sal.runs.errors import FolderError
from sal.runs.found import find_runs


def gather(
    sources: Sequence[str],
    method: Method,
    base: str | None = None,
    split: str | None = None,
    limit: int | None = None,
) -> Gathered[Example]:
    """The examples of all sources; of equal ones the first alone.

    `base` is the model that is to learn, `split` and `limit` are those of a set. Raises `RunError`,
    above all where nothing is found, or not what `method` needs.
    """
    gathered: Gathered[Example] = Gathered()
    for source in sources:
        for found in _found(source, method, base, split, limit):
            gathered.add(found)
    different: dict[tuple[object, ...], Example] = {}
    for example in gathered.rows:
        key = (example.prompt, example.reply, example.rejected, example.right, example.thinking)
        different.setdefault(key, example)
    twice = len(gathered.rows) - len(different)
    if twice:
        gathered.dropped["examples that stand twice"] += twice
    gathered.rows = list(different.values())
    _check(gathered, method)
    return gathered


def _found(
    source: str, method: Method, base: str | None, split: str | None, limit: int | None
) -> list[Gathered[Example]]:
    path = Path(source).expanduser()
    if path.is_dir():
        try:
            return [examples_of(run, method, base) for run in find_runs(path)]
        except FolderError:
            examples = path / PARQUET
            source = str(examples if examples.is_file() else path)
    return [examples_in(source, method, split, limit)]


def _check(gathered: Gathered[Example], method: Method) -> None:
    rows = gathered.rows
    left = "".join(f", {n} {why}" for why, n in sorted(gathered.dropped.items()) if n)
    if not rows:
        kinds = dict(zip(METHODS, ("right solution", "solution", "pair", "pair"), strict=True))
        raise LabelError(f"{method}: not one {kinds[method]} was found{left}")
    if len({isinstance(row.prompt, str) for row in rows}) > 1:
        raise LabelError("some sources are conversations and some are plain texts: take one kind")
    if method == "kto" and len({row.right for row in rows}) == 1:
        kind = "right" if rows[0].right else "wrong"
        raise LabelError(f"kto: all {len(rows)} examples are {kind}, and it needs both kinds{left}")

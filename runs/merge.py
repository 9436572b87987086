"""The shards of a run, put together: the folder is what the run by itself would have left.

Rows and traces are copied one at a time; of all problems no more is held than where they stand.
Nothing is searched, and no server or data set is asked.
"""

from __future__ import annotations

import heapq
import json
import os
import shlex
import shutil
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, replace
from operator import itemgetter
from pathlib import Path
from uuid import uuid4

from sal.runs.encoding import json_bytes
from sal.runs.errors import FolderError
from sal.runs.folder import write_atomically
from sal.runs.problems import Skipped
from sal.runs.recipe import Recipe, differences
from sal.runs.registry import find_strategy
from sal.runs.results import ResultRow
from sal.runs.searched_shard import SearchedShard
from sal.runs.summary import Summary
from sal.runs.write_results import summary_of, write_summary


def merge(out: Path, paths: Sequence[Path]) -> Summary:
    """Make the run `out` of the shards in `paths`; returns its summary.

    Raises `FolderError` with what is wrong where `paths` are not all shards of one run, each whole
    and once, or where `out` holds something. Then, or when it is killed, nothing is at `out`.
    """
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise FolderError(f"{out}: not empty")
    with ExitStack() as stack:
        shards: list[SearchedShard] = []
        for path in paths:
            shards.append(SearchedShard(path))
            stack.callback(shards[-1].close)
        shards.sort(key=lambda shard: shard.shard.index)
        _check(shards)
        whole = out.resolve()
        unfinished = whole.with_name(f".{whole.name}.{uuid4().hex}")
        try:
            unfinished.mkdir(parents=True)
            summary = _write(unfinished, shards)
            os.rename(unfinished, whole)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
    return summary


def _check(shards: Sequence[SearchedShard]) -> None:
    """Raises `FolderError` unless they are all shards of one run, each whole and once."""
    first, *others = shards
    for other in others:
        differ = differences(_whole(first.recipe), _whole(other.recipe))
        if differ:
            foreign = f"{other.path}: of another run than {first.path}"
            raise FolderError(f"{foreign}; these differ: {', '.join(differ)}")
        if other.shard.count != first.shard.count:
            overlap = f"shards {first.shard} and {other.shard} overlap"
            raise FolderError(f"{first.path} and {other.path}: {overlap}")
    by_index = defaultdict(list)
    for shard in shards:
        by_index[shard.shard.index].append(shard)
    for same in by_index.values():
        if len(same) > 1:
            where = " and ".join(str(shard.path) for shard in same)
            raise FolderError(f"{where}: each is shard {same[0].shard}")
    count = first.shard.count
    missing = [f"{index}/{count}" for index in range(1, count + 1) if index not in by_index]
    if missing:
        raise FolderError(f"missing: shard{'s' * (len(missing) > 1)} {', '.join(missing)}")
    owing = [shard for shard in shards if shard.owed != 0]
    if owing:
        error = FolderError("; ".join(map(_incomplete, owing)))
        commands = [f"  sal run --resume {shlex.quote(str(shard.path))}" for shard in owing]
        error.add_note("\n".join(["go on with", *commands]))
        raise error


def _incomplete(shard: SearchedShard) -> str:
    what = f"{shard.path}: shard {shard.shard}"
    if shard.owed is None:
        return f"{what} has not begun"
    return f"{what} owes {shard.owed} of {shard.recorded.problems} problems"


def _whole(recipe: Recipe) -> Recipe:
    return replace(recipe, shard=None)


def _write(folder: Path, shards: Sequence[SearchedShard]) -> Summary:
    recipe = _recipe(shards)
    seconds = sum(shard.recorded.seconds() for shard in shards)
    models = shards[0].recorded.models
    session = {
        "type": "session",
        "problems": sum(len(shard.recorded.last) for shard in shards),
        "versions": dict(recipe.versions),
        "models": {role: model and asdict(model) for role, model in models.items()},
        "before": seconds,
        "shards": len(shards),
    }
    with ExitStack() as stack:
        journal, results = (
            stack.enter_context(open(folder / name, "wb"))
            for name in ("journal.jsonl", "results.jsonl")
        )
        journal.write(json_bytes(session) + b"\n")

        def written() -> Iterator[ResultRow]:
            each = [shard.records() for shard in shards]
            for _, record in heapq.merge(*each, key=itemgetter(0)):
                journal.write(json_bytes(record | {"at": 0.0}) + b"\n")
                results.write(json_bytes(record["row"]) + b"\n")
                yield ResultRow.from_json(record["row"])

        summary = summary_of(
            written(),
            recipe,
            find_strategy(recipe.strategy),
            owed=0,
            seconds=seconds,
            models=models,
            skipped=_skipped(shards[0].path),
        )
        for file in (journal, results):
            file.flush()
            os.fsync(file.fileno())
    (folder / "traces").mkdir()
    for shard in shards:
        _copy_traces(shard.path / "traces", folder / "traces")
    write_atomically(folder / "recipe.yaml", recipe.dump().encode())
    write_summary(folder, summary)
    return summary


def _recipe(shards: Sequence[SearchedShard]) -> Recipe:
    """That of the run without shards; what they had each its own is listed."""
    recipes = [shard.recipe for shard in shards]
    names = dict.fromkeys(name for recipe in recipes for name in recipe.versions)
    return replace(
        recipes[0],
        shard=None,
        versions={
            name: ", ".join(dict.fromkeys(r.versions[name] for r in recipes if name in r.versions))
            for name in names
        },
        sampling=", ".join(dict.fromkeys(recipe.sampling for recipe in recipes)),
        cache="warm" if any(recipe.cache == "warm" for recipe in recipes) else recipes[0].cache,
    )


def _copy_traces(source: Path, target: Path) -> None:
    """Files that are never written again, only replaced: two names for one are enough."""
    with os.scandir(source) as files:
        for file in files:
            if file.name.startswith("."):  # of a search that was killed
                continue
            try:
                os.link(file.path, target / file.name)
            except OSError:  # another file system, or one without links
                shutil.copyfile(file.path, target / file.name)


def _skipped(path: Path) -> Skipped:
    """Rows of the data set that are no problems, as a shard's summary has them."""
    with suppress(OSError, ValueError, LookupError, TypeError):
        told = json.loads((path / "summary.json").read_bytes())["skipped"]
        return Skipped(told["rows"], told["of"], tuple(told["reasons"]))
    return Skipped()

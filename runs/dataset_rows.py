"""The rows of a data set: the embedded suite, a file, a folder, or a name on the Hub."""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sal.records.read import CSV, JSON, PACKED, TABLES, read_rows, suffix
from sal.records.row import RecordsError, Row
from sal.runs.errors import DatasetError, NotHad
from sal.runs.held import held
from sal.runs.presets import PRESETS

TINY = "tiny"
"""Names the embedded suite, as `--dataset`, `--policy` and `--prm`."""

ONLY_SPLIT = "train"
"""The split of a file that holds no other, as `datasets` names it."""

_AT_ONCE = 1000
"""Rows of a table that are made Python's own at a time."""

_NOT_FOUND = ("DatasetNotFoundError", "ValueError", "FileNotFoundError", "HFValidationError")


@dataclass(slots=True)
class DatasetRows:
    """The rows of one split."""

    split: str
    rows: Sequence[Row] = ()


def read_dataset(
    dataset: str, split: str | None, limit: int | None, names: Collection[str]
) -> DatasetRows:
    """Read `dataset`; a field of `names` tells a row from an object that holds rows.

    `limit` spares work where rows are cheap to leave out; more may come. Raises `DatasetError`.
    """
    if dataset == TINY:
        return _tiny(split)
    path = Path(dataset).expanduser()
    try:
        exists = path.exists() or path.is_symlink()
    except OSError as error:
        raise DatasetError(f"{dataset}: {error.strerror}") from error
    if path.is_dir():
        return _folder(dataset, path, None, split, limit)
    folder, colon, config = str(path).rpartition(":")
    if colon and config and not exists and Path(folder).is_dir():
        return _folder(dataset, Path(folder), config, split, limit)
    if exists or suffix(path) or dataset.startswith((".", "/", "~")):
        return _file(dataset, path, split, names)
    if dataset == "-":
        raise DatasetError("-: a run could not be resumed from standard input: write it to a file")
    return _hub(dataset, split, limit)


def choose_split(wanted: str | None, there: Sequence[str], dataset: str) -> str:
    """The split that is wanted, else "test", else the only one; raises `DatasetError`."""
    if wanted is not None and wanted not in there:
        raise DatasetError(f"{dataset}: no split {wanted!r}; there are {', '.join(there)}")
    if wanted is not None:
        return wanted
    if "test" in there:
        return "test"
    if len(there) == 1:
        return there[0]
    raise DatasetError(f"{dataset}: choose a split with --split: {', '.join(there)}")


def _tiny(split: str | None) -> DatasetRows:
    """Our own package data, read as it is."""
    from sal.tiny.paths import PROBLEMS

    split = split or "test"
    if split not in PROBLEMS:
        raise DatasetError(f"tiny: no split {split!r}; there are {', '.join(PROBLEMS)}")
    with open(PROBLEMS[split], encoding="utf-8") as lines:
        return DatasetRows(split, [Row(i, json.loads(line)) for i, line in enumerate(lines)])


def _file(dataset: str, path: Path, split: str | None, names: Collection[str]) -> DatasetRows:
    read = DatasetRows(ONLY_SPLIT)

    def choose(there: Sequence[str]) -> str:
        if len(there) == 1 and split in (None, ONLY_SPLIT):
            return there[0]
        read.split = choose_split(split, there, dataset)
        return read.split

    if path.exists() and not path.is_file():
        raise DatasetError(
            f"{dataset}: a run could not be resumed from what is no regular file: write it to one"
        )
    if path.exists() and not suffix(path):
        raise DatasetError(
            f"{dataset}: not one of {', '.join((*JSON, *CSV, *TABLES))} "
            f"(also with {', '.join(PACKED)}): unpack, convert or rename it"
        )
    try:
        read.rows = held(read_rows(path, names, choose))
    except RecordsError as error:
        raise DatasetError(str(error)) from error
    if read.split == ONLY_SPLIT:
        choose_split(split, [ONLY_SPLIT], dataset)
    return read


def _folder(
    dataset: str, path: Path, config: str | None, split: str | None, limit: int | None
) -> DatasetRows:
    import datasets

    with tempfile.TemporaryDirectory(prefix="sal-dataset-") as scratch:
        # Under a name in which nothing is a pattern: `datasets` reads brackets and stars as such.
        link = Path(scratch) / "data"
        _link_files(path.resolve(), link)
        saved = any((path / name).is_file() for name in ("dataset_dict.json", "state.json"))

        def load() -> Any:
            if saved:
                found = datasets.load_from_disk(str(link))
                return found if isinstance(found, dict) else {ONLY_SPLIT: found}
            # The rows are read at once, so that a folder leaves no copy behind in a cache.
            return datasets.load_dataset(str(link), config, cache_dir=f"{scratch}/cache")

        def reason(error: Exception) -> DatasetError:
            said = f"{_root(error)}".replace(str(link), str(path))
            return DatasetError(f"{dataset}: cannot be read: {said}")

        return _loaded(dataset, split, limit, load, reason)


def _link_files(folder: Path, links: Path) -> None:
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]  # as `datasets` does
        there = links / Path(parent).relative_to(folder)
        there.mkdir()
        for name in [*names, *(name for name in folders if (Path(parent) / name).is_symlink())]:
            (there / name).symlink_to(Path(parent) / name)


def _hub(dataset: str, split: str | None, limit: int | None) -> DatasetRows:
    name, _, config = dataset.partition(":")
    unreachable = _unreachable(name)

    def load() -> Any:
        import datasets

        with _offline() if unreachable else nullcontext():  # what was downloaded before is here
            return datasets.load_dataset(name, config or None)

    def reason(error: Exception) -> DatasetError:
        detail = unreachable or " ".join(str(error).split()) or type(error).__name__
        preset = "" if "/" in name else f", nor a preset ({', '.join(PRESETS)})"
        if unreachable:
            why = "the Hub cannot be reached"
        else:
            known = type(error).__name__ in _NOT_FOUND
            why = "not found on the Hub" if known else "what the Hub has cannot be read"
        return NotHad(f"{dataset}: not a local path{preset}, and {why}: {detail}")

    return _loaded(dataset, split, limit, load, reason)


def _unreachable(name: str) -> str:
    """Why the Hub does not answer, asked once: `datasets` would ask for half a minute."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        HfApi().dataset_info(name, timeout=10)
    except (HfHubHTTPError, HFValidationError):
        return ""  # it answered, or there is nothing to ask: `datasets` says what is wrong
    except Exception as error:  # whatever the client of the day raises
        return " ".join(str(error).split()) or type(error).__name__
    return ""


@contextmanager
def _offline() -> Iterator[None]:
    import datasets
    from huggingface_hub import constants

    before = datasets.config.HF_HUB_OFFLINE, constants.HF_HUB_OFFLINE
    datasets.config.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        datasets.config.HF_HUB_OFFLINE, constants.HF_HUB_OFFLINE = before


def _loaded(
    dataset: str,
    split: str | None,
    limit: int | None,
    load: Callable[[], Any],
    reason: Callable[[Exception], DatasetError],
) -> DatasetRows:
    import datasets

    datasets.disable_progress_bars()
    datasets.logging.set_verbosity(logging.CRITICAL)  # it raises what it logs
    try:
        found = load()
        split = choose_split(split, list(found), dataset)
        table = found[split]
        if limit is not None:
            table = table.select(range(min(limit, len(table))))
        return DatasetRows(split, held(Row(i, row) for i, row in enumerate(_contents(table))))
    except DatasetError:
        raise
    except Exception as error:  # `datasets` and the Hub raise anything: the user sees one line
        raise reason(error) from error


def _contents(table: Any) -> Iterator[dict[str, Any]]:
    for start in range(0, len(table), _AT_ONCE):
        yield from table.select(range(start, min(start + _AT_ONCE, len(table)))).to_list()


def _root(error: Exception) -> str:
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    return " ".join(str(cause).split()) or " ".join(str(error).split()) or type(error).__name__

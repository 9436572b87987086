"""The problems of a run: a Hub dataset, a local file or folder, or the embedded tiny suite."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sal.runs.errors import DatasetError

TINY = "tiny"
"""Names the embedded suite, as `--dataset`, `--policy` and `--prm`."""

QUESTION_FIELDS = ("problem", "question", "prompt", "query", "input")
ANSWER_FIELDS = ("answer", "ground_truth", "final_answer", "target", "expected_answer", "solution")
ID_FIELDS = ("id", "unique_id", "problem_id", "idx")
BUILDERS = {".jsonl": "json", ".json": "json", ".parquet": "parquet"}

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Question:
    """A question with its gold answer; `id` is unique in its dataset."""

    id: str
    text: str
    answer: str


@dataclass(frozen=True, slots=True)
class ProblemSet:
    """Questions, and where they came from with every choice resolved."""

    questions: tuple[Question, ...]
    dataset: str
    split: str
    question_field: str
    answer_field: str

    @property
    def digest(self) -> str:
        """Of ids, questions and answers: a file that changed is another problem set."""
        content = [[q.id, q.text, q.answer] for q in self.questions]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def load_problems(
    dataset: str,
    *,
    split: str | None = None,
    limit: int | None = None,
    question_field: str | None = None,
    answer_field: str | None = None,
) -> ProblemSet:
    """Read `dataset`: "tiny", a local .jsonl, .json or .parquet file, a folder, or a Hub name.

    A Hub name may carry a configuration (`openai/gsm8k:main`). Without `split`, "test" is taken
    where there is one. Raises `DatasetError` with what there is to choose from.
    """
    if dataset == TINY:
        split, rows = _read_tiny(split)
    else:
        split, rows = _read_with_datasets(dataset, split, limit)
    if not rows:
        raise DatasetError(f"{dataset}: there are no problems in split {split!r}")
    columns = list(rows[0])
    question_field = _field("question", question_field, QUESTION_FIELDS, columns, dataset)
    answer_field = _field("answer", answer_field, ANSWER_FIELDS, columns, dataset)
    rows = rows[:limit]
    questions = tuple(
        Question(
            id,
            _text(row.get(question_field), question_field, number),
            final_answer(_text(row.get(answer_field), answer_field, number)),
        )
        for number, (id, row) in enumerate(zip(_ids(rows), rows, strict=True))
    )
    return ProblemSet(questions, dataset, split, question_field, answer_field)


def final_answer(answer: str) -> str:
    """A GSM8K answer is a solution with the answer after `####`; others are themselves."""
    return answer.rpartition("####")[2].strip() if "####" in answer else answer


def _read_tiny(split: str | None) -> tuple[str, list[Row]]:
    """Our own package data, read as it is: importing `datasets` for it would take seconds."""
    from sal.tiny.paths import PROBLEMS

    split = split or "test"
    if split not in PROBLEMS:
        raise DatasetError(f"tiny: no split {split!r}; there are {', '.join(PROBLEMS)}")
    with open(PROBLEMS[split], encoding="utf-8") as lines:
        return split, [json.loads(line) for line in lines]


def _read_with_datasets(
    dataset: str, split: str | None, limit: int | None
) -> tuple[str, list[Row]]:
    path = Path(dataset).expanduser()
    looks_local = dataset.startswith((".", "/", "~")) or path.suffix in BUILDERS
    if looks_local and not path.exists():
        raise DatasetError(f"{dataset}: no such file or folder")
    if path.is_file() and path.suffix not in BUILDERS:
        raise DatasetError(f"{dataset}: not one of {', '.join(BUILDERS)}")

    import datasets

    datasets.disable_progress_bars()
    datasets.logging.set_verbosity_error()
    try:
        # The rows are read at once, so that a local file leaves no copy behind in a cache.
        with tempfile.TemporaryDirectory(prefix="sal-dataset-") as cache:
            if path.is_file():
                found = datasets.load_dataset(
                    BUILDERS[path.suffix], data_files=str(path), cache_dir=cache
                )
            elif path.is_dir():
                found = datasets.load_dataset(str(path), cache_dir=cache)
            else:
                name, _, config = dataset.partition(":")
                found = datasets.load_dataset(name, config or None)
            split = _split(split, list(found), dataset)
            table = found[split]
            if limit is not None:
                table = table.select(range(min(limit, len(table))))
            return split, table.to_list()
    except DatasetError:
        raise
    except Exception as error:  # `datasets` and the Hub raise anything: the user sees one line
        raise DatasetError(_reason(dataset, path, error)) from error


def _reason(dataset: str, path: Path, error: Exception) -> str:
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    detail = " ".join(str(error).split()) or type(error).__name__
    if path.exists():
        root = " ".join(str(cause).split())
        return f"{dataset}: cannot be read: {root or detail}"
    if type(error).__name__ in ("DatasetNotFoundError", "ValueError", "FileNotFoundError"):
        return f"{dataset}: not a local path, and not found on the Hub: {detail}"
    return f"{dataset}: the Hub cannot be reached: {detail}"


def _split(wanted: str | None, there: Sequence[str], dataset: str) -> str:
    if wanted is not None and wanted not in there:
        raise DatasetError(f"{dataset}: no split {wanted!r}; there are {', '.join(there)}")
    if wanted is not None:
        return wanted
    if "test" in there:
        return "test"
    if len(there) == 1:
        return there[0]
    raise DatasetError(f"{dataset}: choose a split with --split: {', '.join(there)}")


def _field(
    what: str, wanted: str | None, known: Sequence[str], columns: Sequence[str], dataset: str
) -> str:
    if wanted is not None:
        if wanted in columns:
            return wanted
        raise DatasetError(f"{dataset}: no field {wanted!r}; there are {', '.join(columns)}")
    for name in known:
        if name in columns:
            return name
    raise DatasetError(
        f"{dataset}: which field is the {what}? Say so with --{what}-field: {', '.join(columns)}"
    )


def _ids(rows: Sequence[Row]) -> list[str]:
    """The first id field whose values are all there and differ; else row numbers."""
    for name in ID_FIELDS:
        ids = [str(row.get(name)) for row in rows]
        if all(row.get(name) is not None for row in rows) and len(set(ids)) == len(ids):
            return ids
    return [str(number) for number in range(len(rows))]


def _text(value: object, field: str, number: int) -> str:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, list | dict) or value is None or not str(value).strip():
        raise DatasetError(f"row {number}: field {field!r} is not a text: {value!r:.60}")
    return str(value)

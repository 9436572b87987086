"""The row format of step labels, and its files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import datasets
import pytest

from sal.learn.errors import LabelError
from sal.learn.files import DATASETS, PARQUET, write_labels
from sal.learn.rows import StepLabels
from sal.learn.sources import labels_from


def row(**told: Any) -> StepLabels:
    return StepLabels(**({"id": "a", "question": "1+1?", "steps": ("one", "two")} | told))


def rows_in(path: Path) -> list[StepLabels]:
    return labels_from(str(path)).rows


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": ()},
        {"steps": ("one", " \n")},
        {"right": (1, 2)},
        {"right": (1, 3), "rollouts": (2, 2)},
        {"right": (-1, 0), "rollouts": (2, 2)},
        {"labels": (True,)},
        {"labels": (0.5, float("nan"))},
        {"judged": (0.5, 1.5)},
        {"first_error": 2},
        {"first_error": -2},
    ],
)
def test_a_row_that_cannot_be_is_refused_by_its_id(wrong: dict[str, Any]) -> None:
    with pytest.raises(LabelError, match="row a: "):
        row(**wrong)


@pytest.mark.parametrize("labels", [(True, None), (-1, 1), (0.9, 0.25)])
def test_labels_come_back_as_they_were(labels: tuple[Any, ...], tmp_path: Path) -> None:
    rows = [
        row(labels=labels, answer="2", correct=True, source="x"),
        row(id="b", right=(3, 0), rollouts=(8, 8), first_error=1, judged=(0.5, 0.0)),
    ]
    write_labels(rows, tmp_path)
    assert rows_in(tmp_path) == rows
    assert [type(v) for v in rows_in(tmp_path / PARQUET)[0].labels] == [*map(type, labels)]
    assert rows_in(tmp_path / DATASETS) == rows
    saved = datasets.load_from_disk(str(tmp_path / DATASETS))
    assert saved[0]["labels"] == list(labels)


def test_labels_of_two_kinds_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match="bool and float"):
        write_labels([row(labels=(True, False)), row(labels=(0.5, 1.0))], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_labels_are_written_in_place_of_older_ones(tmp_path: Path) -> None:
    write_labels([row(), row(id="b")], tmp_path)
    write_labels([row(labels=(True, False))], tmp_path)
    assert rows_in(tmp_path) == rows_in(tmp_path / DATASETS) == [row(labels=(True, False))]


def test_whole_numbers_among_decimal_ones_are_decimal(tmp_path: Path) -> None:
    write_labels([row(labels=(1, 0.5)), row(labels=(0, 1))], tmp_path)
    assert [type(v) for r in rows_in(tmp_path) for v in r.labels] == [float] * 4


def test_equal_rows_make_equal_files(tmp_path: Path) -> None:
    for name in "ab":
        write_labels([row(labels=(0.5, None))], tmp_path / name)
    assert (tmp_path / "a" / PARQUET).read_bytes() == (tmp_path / "b" / PARQUET).read_bytes()

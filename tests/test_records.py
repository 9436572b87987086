"""Files as rows: fields by path, rows one at a time, limits, places."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import pytest

from sal.records import csv_rows, source
from sal.records.fields import NoField, field, find, listed, nearest, paths
from sal.records.read import read_rows, suffix
from sal.records.row import RecordsError


def test_a_name_with_dots_is_a_field_before_it_is_a_path() -> None:
    row = {"a": {"b": 1, "c": {"d": 2}}, "a.b": 3}
    assert (field(row, "a.b"), field(row, "a.c.d")) == (3, 2)
    for name in ("b", "a.x", "a.b.c", "a.c.d.e", ""):
        with pytest.raises(NoField):
            field(row, name)
    assert paths([{"x": 1}, row, {"a": {"z": None}}]) == [
        *("x", "a", "a.b", "a.c", "a.c.d", "a.z"),
    ]


def test_names_are_found_as_spelled_then_in_any_case() -> None:
    assert find(["problem", "question"], ["Problem", "question"]) == "question"
    assert find(["problem", "question"], ["QUESTION", "Problem"]) == "Problem"
    assert find(["correct_answer"], ["Correct  Answer"]) == "Correct  Answer"
    assert find(["problem"], ["problems"]) is None
    assert nearest("anwser", ["question", "Answer"]) == "Answer"
    assert (
        nearest("ground_truth", ["truths", "reward_model.ground_truth"]).__str__().startswith("r")
    )
    assert nearest("x", ["question", "answer"]) is None
    assert listed([str(i) for i in range(25)]).endswith("19 and 5 more")


def test_the_notation_is_in_the_suffix_that_is_not_of_a_packer() -> None:
    assert [suffix(name) for name in ("a.JSONL", "a.csv.GZ", "a.gz", "a.json.txt", "json")] == [
        *(".jsonl", ".csv", "", "", ""),
    ]


def test_lines_are_read_when_they_are_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"a": 1}\n\n{"a": 2}\n{"a": 3}\n' * 90_000)[:-20])
    rows = read_rows(path)
    first = [next(rows) for _ in range(3)]
    assert [(row.number, row.line, row.content) for row in first] == [
        *((0, 1, {"a": 1}), (1, 3, {"a": 2}), (2, 4, {"a": 3})),
    ]
    assert (first[1].where, first[1].place("f")) == ("line 3", "f:3")
    with pytest.raises(RecordsError, match="cut off or damaged"):
        list(rows)


def test_rows_of_a_list_have_numbers_and_csv_rows_the_line_on_which_they_begin(
    tmp_path: Path,
) -> None:
    (tmp_path / "p.json").write_text('[{"a": 1}, 5]')
    row = list(read_rows(tmp_path / "p.json"))[1]
    assert (row.where, row.place("f"), row.content) == ("row 1", "f: row 1", None)
    (tmp_path / "p.csv").write_text('\na,b\n"1\n2",3\n\n4,5\n6\n')
    rows = list(read_rows(tmp_path / "p.csv"))
    assert [(row.line, row.content) for row in rows] == [
        (3, {"a": "1\n2", "b": "3"}),
        (6, {"a": "4", "b": "5"}),
        (7, None),
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.jsonl", json.dumps({"a": "x" * 200})),
        ("p.json", json.dumps([{"a": "x"}] * 20, indent=1)),
        ("p.csv", "a,b\n" + "x" * 200 + ",2\n"),
        ("p.csv", "a" * 200),
        ("q.jsonl", json.dumps({"a": "x" * 200})),
    ],
)
def test_what_is_too_long_to_be_a_row_is_not_read_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str
) -> None:
    monkeypatch.setattr(source, "LIMIT", 100)
    monkeypatch.setattr(csv_rows, "LIMIT", 100)
    encoding = "utf-16" if name.startswith("q") else "utf-8"
    (tmp_path / name).write_text(text, encoding=encoding)
    before = csv.field_size_limit()
    with pytest.raises(RecordsError, match="more than 0 MiB"):
        list(read_rows(tmp_path / name))
    assert csv.field_size_limit() == before  # the whole process's


def test_a_file_that_may_not_be_read_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "p.jsonl").touch()
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(RecordsError, match=r"p\.jsonl: Permission denied"):
        list(read_rows(tmp_path / "p.jsonl"))

"""`sal grade` on a file of rows: what comes back, and what is refused with exit code 2."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest

from sal.cli.main import main

ROWS: list[dict[str, object]] = [
    {"id": "a", "output": r"so $\boxed{\frac14}$", "gold": "0.25", "meta": {"seed": 3, "tags": ["é", None]}},
    {"id": "b", "output": r"so $\boxed{x+2}$", "gold": "x+3", "weight": 1.5},
    {"id": "c", "output": r"so we try \boxed{", "gold": "5"},
    {"id": "d", "output": r"\boxed{9^{9^{9^9}}}", "gold": "5"},
    {"id": "e", "output": r"\boxed{5}", "gold": ""},
    {"id": "f", "output": "3 * 6 = 18\n#### 18", "gold": "a reason\n#### 18", "correct": None},
    {"id": "g", "output": "The answer is 5.", "gold": 5},
    {"id": "h", "output": "half an emoji \ud83d, \\boxed{7}", "gold": "7"},
]  # fmt: skip
VERDICTS = [
    ("a", True, "match"),
    ("b", False, "mismatch"),
    ("c", False, "no_answer"),
    ("d", False, "guarded"),
    ("e", False, "error"),
    ("f", True, "match"),
    ("g", True, "match"),
    ("h", True, "match"),
]


def write(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def read(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def grade(
    file: Path, out: Path, *more: str, prediction: str = "output", answer: str = "gold"
) -> int:
    arguments = ["grade", str(file), "--prediction-field", prediction, "--answer-field", answer]
    arguments += more
    with pytest.raises(SystemExit) as end:
        main([*arguments, "--out", str(out)])
    return int(str(end.value.code))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path / "in.jsonl", ROWS)


def test_rows_come_back_in_order_with_a_verdict_and_all_else_untouched(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "out.jsonl"
    assert grade(file, out) == 0
    graded = read(out)
    assert [(row["id"], row["correct"], row["reason"]) for row in graded] == VERDICTS
    for row, before in zip(graded, ROWS, strict=True):
        assert row == before | {"correct": row["correct"], "reason": row["reason"]}
    said = capsys.readouterr()
    assert said.out == ""
    assert "accuracy 50.00% (4 of 8)" in said.err
    assert "match 4" in said.err


def test_explained_rows_say_what_was_compared_with_what(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    assert grade(file, out, "--explain") == 0
    explained = {str(row["id"]): row["explanation"] for row in read(out)}
    assert explained["a"] == r"'\\frac14' against the reference '0.25': the same answer"
    assert explained["b"] == "'x+2' against the reference 'x+3': different answers"
    assert explained["c"] == "the completion states no final answer"
    assert "too large to be parsed safely" in str(explained["d"])
    assert explained["e"] == "the completion answers '5', and the reference holds no answer"


def test_flexible_extraction_falls_back_to_the_last_number(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"output": "so 3 boxes and then 12 apples in all", "gold": "12"},
        {"output": r"\boxed{7} of the 12", "gold": "7"},
        {"output": "no number at all", "gold": "12"},
    ]
    file = write(tmp_path / "in.jsonl", rows)
    for mode, expected in (
        ("strict", ["no_answer", "match", "no_answer"]),
        ("flexible", ["match", "match", "no_answer"]),
    ):
        assert grade(file, tmp_path / "out.jsonl", "--extract", mode) == 0
        assert [row["reason"] for row in read(tmp_path / "out.jsonl")] == expected


def test_references_that_are_no_strings(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"output": r"\boxed{true}", "gold": True},
        {"output": r"\boxed{2, 1}", "gold": [1, 2]},
        {"output": r"\boxed{1}", "gold": ["1", "2"]},
        {"output": r"\boxed{0.5}", "gold": 0.5},
    ]
    assert grade(write(tmp_path / "in.jsonl", rows), tmp_path / "out.jsonl") == 0
    assert [row["correct"] for row in read(tmp_path / "out.jsonl")] == [True, True, False, True]


def test_of_several_references_one_is_enough_or_all_are_wanted(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"output": r"\boxed{3}", "gold": ["2", "3"]},
        {"output": r"\boxed{2, 3}", "gold": ["2", "3"]},
        {"output": r"\boxed{two}", "gold": '["2", "5"]'},
        {"output": r"\boxed{4}", "gold": ["2", "3"]},
        {"output": r"\boxed{x+1}", "gold": [5, "1+x", None]},
        {"output": r"\boxed{[1, 2]}", "gold": "[1, 2]"},
        {"output": r"\boxed{7}", "gold": 7},
    ]
    file = write(tmp_path / "in.jsonl", rows)
    out = tmp_path / "out.jsonl"
    assert grade(file, out, "--answers", "any", "--explain") == 0
    graded = read(out)
    assert [row["correct"] for row in graded] == [True, False, True, False, True, True, True]
    assert [row["output"] for row in graded] == [row["output"] for row in rows]
    assert "against the reference '3': the same answer" in str(graded[0]["explanation"])
    rows[4]["gold"] = [5]
    file = write(tmp_path / "in.jsonl", rows)
    for words in ([], ["--answers", "all"]):
        assert grade(file, out, *words) == 0
        right = [index for index, row in enumerate(read(out)) if row["correct"]]
        assert right == [1, 5, 6]


def test_bad_rows_are_passed_over_and_counted(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = file.read_text().splitlines()
    torn = [rows[0], '{"output": "A: 5"}', rows[1], '{"output": null, "gold": 1}', "torn", rows[2]]
    file.write_text("\n".join(torn))
    out = tmp_path / "out.jsonl"
    assert grade(file, out) == 2
    assert ":2: no field 'gold'" in capsys.readouterr().err
    assert grade(file, out, "--skip-bad-rows") == 0
    assert [row["id"] for row in read(out)] == ["a", "b", "c"]
    said = capsys.readouterr().err
    assert "accuracy 33.33% (1 of 3)" in said
    assert "skipped 3 of 6 rows (line 2: no field 'gold' (it has output))" in said
    assert grade(file, out, "--skip-bad-rows", answer="nowhere") == 0
    assert "skipped 6 of 6 rows" in capsys.readouterr().err


def test_a_thousand_rows_keep_their_order(tmp_path: Path) -> None:
    rows = [{"n": n, "output": rf"\boxed{{x+{n}}}", "gold": f"{n % 10}+x"} for n in range(1000)]
    out = tmp_path / "out.jsonl"
    assert grade(write(tmp_path / "in.jsonl", rows), out) == 0
    assert [(row["n"], row["correct"]) for row in read(out)] == [(n, n < 10) for n in range(1000)]


def test_fields_inside_objects_and_blank_lines(tmp_path: Path) -> None:
    file = tmp_path / "in.jsonl"
    file.write_text(
        '{"a": {"text": "A: 5"}, "b.c": "5"}\n\n   \n{"a": {"text": "A: 6"}, "b.c": "5"}'
    )
    out = tmp_path / "out.jsonl"
    assert grade(file, out, prediction="a.text", answer="b.c") == 0
    assert [row["correct"] for row in read(out)] == [True, False]


def test_the_notations_of_data_sets(tmp_path: Path) -> None:
    import gzip

    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [
        {"output": "A: 5", "gold": 5, "when": None},
        {"output": "A: 6", "gold": 5, "when": None},
    ]
    texts = {
        "in.csv": "output,gold\nA: 5,5\nA: 6,5\n",
        "in.tsv": "output\tgold\nA: 5\t5\nA: 6\t5\n",
        "in.json": json.dumps({"rows": rows}, indent=1),
        "in.txt": "".join(json.dumps(row) + "\n" for row in rows),
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(text.encode()))
    dated = [row | {"when": datetime(2024, 1, 1)} for row in rows]
    pq.write_table(pa.Table.from_pylist(dated), tmp_path / "in.parquet")
    out = tmp_path / "out.jsonl"
    for name in (*texts, *(f"{name}.gz" for name in texts), "in.parquet"):
        assert grade(tmp_path / name, out) == 0, name
        assert [row["correct"] for row in read(out)] == [True, False], name
    assert read(out)[0]["when"] == "2024-01-01 00:00:00"


def test_an_empty_file_is_an_empty_result(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    assert grade(write(tmp_path / "in.jsonl", []), out) == 0
    assert out.read_text() == ""


@pytest.mark.parametrize(
    ("tail", "words"),
    [
        (b'{"output": "A: 5"}\n', ":9: no field 'gold' (it has output)"),
        (b'{"output": "A: 5", "go', ":9: not JSON"),
        (b"[1, 2]\n", ":9: not a JSON object"),
        (b'{"output": null, "gold": "5"}\n', ":9: field 'output' is a NoneType, not a string"),
        (b'{"output": "\xff"}\n', "not UTF-8 text"),
        (b"[" * 100_000, ":9: not JSON"),
    ],
    ids=["missing field", "torn row", "no object", "no string", "no text", "deep nesting"],
)
def test_a_bad_row_is_named_and_nothing_is_written(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], tail: bytes, words: str
) -> None:
    with file.open("ab") as sink:
        sink.write(tail)
    out = tmp_path / "out.jsonl"
    assert grade(file, out) == 2
    said = capsys.readouterr().err
    assert words in said
    assert "Traceback" not in said
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


def test_files_that_cannot_be(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for source, out, words in (
        (tmp_path / "absent.jsonl", tmp_path / "out.jsonl", "absent.jsonl: No such file"),
        (folder, tmp_path / "out.jsonl", "folder: Is a directory"),
        (file, file, "would overwrite the input"),
        (file, folder, "folder: is a folder"),
        (file, file / "out.jsonl", "in.jsonl: "),  # a file where a folder must be
        (file, Path("/dev/null/out.jsonl"), "/dev/null"),
    ):
        assert grade(source, out) == 2, words
        said = capsys.readouterr().err
        assert words in said
        assert "Traceback" not in said
    assert file.read_text() == "".join(json.dumps(row) + "\n" for row in ROWS)
    assert not (tmp_path / "out.jsonl").exists()


def test_a_missing_option_is_bad_usage(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["grade", str(file), "--prediction-field", "output", "--answer-field", "gold"])
    assert end.value.code == 2
    assert "--out" in capsys.readouterr().err

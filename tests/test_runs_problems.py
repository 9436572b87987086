from __future__ import annotations

import csv
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sal.runs.errors import DatasetError
from sal.runs.problems import final_answer, load_problems
from sal.runs.turns import Turn


def jsonl(path: Path, rows: list[dict[str, object]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def test_a_jsonl_file_with_the_usual_names(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"problem": "1+1?", "solution": "It is 2.", "answer": "2", "unique_id": "a/1"},
        {"problem": "2+2?", "solution": "It is 4.", "answer": "4", "unique_id": "a/2"},
    ]
    loaded = load_problems(jsonl(tmp_path / "p.jsonl", rows))
    assert [(q.id, q.text, q.answer) for q in loaded.questions] == [
        ("a/1", "1+1?", "2"),
        ("a/2", "2+2?", "4"),
    ]
    assert (loaded.question_field, loaded.answer_field) == ("problem", "answer")
    again = load_problems(str(tmp_path / "p.jsonl"), limit=1)
    assert len(again.questions) == 1
    assert again.digest != loaded.digest


def test_gsm8k_answers_stand_after_the_hashes_and_ids_are_row_numbers(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"question": "q", "answer": "9 * 2 = 18\n#### 18"}] * 2
    loaded = load_problems(jsonl(tmp_path / "p.jsonl", rows))
    assert [(q.id, q.answer) for q in loaded.questions] == [("0", "18"), ("1", "18")]
    assert final_answer("x # y") == "x # y"


def test_repeated_ids_are_no_ids(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"id": 1, "question": "q", "answer": "1"}] * 2
    loaded = load_problems(jsonl(tmp_path / "p.jsonl", rows))
    assert [q.id for q in loaded.questions] == ["0", "1"]


def test_named_fields_and_a_parquet_folder(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({"frage": ["1+1?"], "antwort": [[2]], "id": [5]})
    pq.write_table(table, tmp_path / "test.parquet")
    loaded = load_problems(str(tmp_path), question_field="frage", answer_field="antwort")
    assert loaded.split == "test"
    assert [(q.id, q.text, q.answer) for q in loaded.questions] == [("5", "1+1?", "2")]


def test_a_json_array(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    path.write_text(json.dumps([{"question": "q", "answer": 3}]))
    assert load_problems(str(path)).questions[0].answer == "3"


def test_what_is_wrong_is_said_with_what_there_is(tmp_path: Path) -> None:
    good = jsonl(tmp_path / "p.jsonl", [{"frage": "q", "answer": "1"}])
    with pytest.raises(DatasetError, match=r"which field is the question\? .*: frage, answer"):
        load_problems(good)
    with pytest.raises(DatasetError, match="no field 'x'; there are frage, answer"):
        load_problems(good, question_field="x")
    with pytest.raises(DatasetError, match="no split 'test'; there are train"):
        load_problems(good, split="test")
    with pytest.raises(DatasetError, match="No such file or directory"):
        load_problems(str(tmp_path / "none.jsonl"))
    (tmp_path / "notes.txt").touch()
    with pytest.raises(DatasetError, match=r"not one of \.jsonl"):
        load_problems(str(tmp_path / "notes.txt"))
    (tmp_path / "torn.jsonl").write_text('{"question": "q"\n')
    with pytest.raises(DatasetError, match=r"torn\.jsonl:1: not JSON .* cut off"):
        load_problems(str(tmp_path / "torn.jsonl"))
    empty = jsonl(tmp_path / "e.jsonl", [{"question": "q", "answer": None}])
    with pytest.raises(DatasetError, match=r"e\.jsonl:1: field 'answer' is empty"):
        load_problems(empty)


def test_a_hub_that_cannot_be_reached_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets
    import huggingface_hub

    def offline(*_: object, **__: object) -> None:
        asked.append(datasets.config.HF_HUB_OFFLINE)
        raise ConnectionError("Couldn't reach 'a/b' on the Hub\n(LocalEntryNotFoundError)")

    def unanswered(*_: object, **__: object) -> None:
        raise OSError("Name or service\nnot known")

    asked: list[bool] = []
    monkeypatch.setattr(datasets, "load_dataset", offline)
    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", unanswered)
    before = datasets.config.HF_HUB_OFFLINE
    with pytest.raises(DatasetError, match=r"^a/b: .* Hub cannot be reached: Name .*$") as caught:
        load_problems("a/b")
    assert asked == [True]  # what was downloaded before would have been found
    assert before == datasets.config.HF_HUB_OFFLINE
    assert "\n" not in str(caught.value)


NUMBERED = [
    {"id": f"p{i}", "problem": f"What is {i}+{i}?", "answer": 2 * i, "level": [1, 2]}
    for i in range(5)
]


@pytest.mark.parametrize("kind", ["jsonl", "json", "parquet", "folder"])
def test_a_run_from_before_finds_its_problems_again(tmp_path: Path, kind: str) -> None:
    """The digests were made with version 0.1.0 before it read anything but these kinds."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / f"p.{kind}"
    if kind == "jsonl":
        jsonl(path, NUMBERED)
    elif kind == "json":
        path.write_text(json.dumps(NUMBERED))
    else:
        path = path / "test.parquet" if kind == "folder" else path
        path.parent.mkdir(exist_ok=True)
        pq.write_table(pa.Table.from_pylist(NUMBERED), path)
        path = path.parent if kind == "folder" else path
    assert load_problems(str(path)).digest == "0b7d5e90d7261eec"
    assert load_problems(str(path), limit=3).digest == "c1c3e245c2eaff36"


@pytest.mark.parametrize(
    ("text", "digest"),
    [
        ('{"question":"a","answer":1}\n{"question":"b","answer":2.5}', "b757964fdc68eeb3"),
        ('{"question":"a","answer":[1]}\n{"question":"a","answer":[2.5]}', "828160f07342ebe9"),
        ('{"question":"a","answer":"x"}\n{"question":"b","answer":5}', "173631dacdff1e0a"),
        ('{"question":"a","answer":true}\n{"question":"b","answer":5}', "be16674e64f4ac0c"),
        ('{"question":"a","answer":1e5}\n{"question":"b","answer":1.10}', "f8322a051bf805a7"),
        ('{"question":"a","answer":"1","id":1}\n{"question":"b","answer":"2","id":"x"}', "31ce912aa7a88f3a"),
        ('{"question":"a","answer":"1","id":1}\n{"question":"b","answer":"2","id":2.5}', "b31c0a2a5d6bb5d5"),
        ('\n{"question":"a","answer":"1"}\n\n{"question":"b","answer":"1"}\n', "028f83f3a0449eb0"),
    ],
)  # fmt: skip
def test_numbers_and_ids_are_written_as_before(tmp_path: Path, text: str, digest: str) -> None:
    (tmp_path / "p.jsonl").write_text(text)
    assert load_problems(str(tmp_path / "p.jsonl")).digest == digest


@pytest.mark.recorded
def test_recorded_sets_have_the_digests_of_before(recorded_data: Path) -> None:
    for name, digest in (
        ("math500.jsonl", "59695e34115bb39b"),
        ("aime24.jsonl", "4f4462adc9b912ea"),
        ("gsm8k_test.jsonl", "7d09117e6f8a6b8a"),
    ):
        assert load_problems(str(recorded_data / name)).digest == digest


def test_skipped_rows_are_counted_and_told_and_keep_their_numbers(tmp_path: Path) -> None:
    lines = [json.dumps({"question": f"{i}?", "answer": i}) for i in range(9)]
    lines[2] = "torn"
    lines[4] = '{"question": null, "answer": 1}'
    (tmp_path / "p.jsonl").write_text("\n".join(lines))
    loaded = load_problems(str(tmp_path / "p.jsonl"), skip_bad_rows=True)
    assert [q.id for q in loaded.questions] == ["0", "1", "3", "5", "6", "7", "8"]
    assert str(loaded.skipped) == "2 of 9 rows"
    assert loaded.skipped.reasons[0].startswith("line 3: not JSON (")
    assert loaded.skipped.reasons[1] == "line 5: field 'question' is empty"
    few = load_problems(str(tmp_path / "p.jsonl"), skip_bad_rows=True, limit=3)
    assert [q.id for q in few.questions] == ["0", "1", "3"]
    assert str(few.skipped) == "1 of 4 rows"
    (tmp_path / "p.jsonl").write_text("\n".join(["torn"] * 5 + lines))
    many = load_problems(str(tmp_path / "p.jsonl"), skip_bad_rows=True)
    assert (many.skipped.rows, len(many.skipped.reasons)) == (7, 5)


def test_a_conversation_keeps_its_turns_and_is_another_problem_than_its_text(
    tmp_path: Path,
) -> None:
    said = [("system", "Be brief."), ("user", "1+1?"), ("assistant", "2"), ("user", "Twice?")]
    messages = [{"role": role, "content": content} for role, content in said]
    rows: list[dict[str, object]] = [{"prompt": messages, "answer": 4}]
    loaded = load_problems(jsonl(tmp_path / "p.jsonl", rows))
    (question,) = loaded.questions
    assert [(turn.role, turn.content) for turn in question.turns] == said
    assert question.text == "1+1?\n\n2\n\nTwice?"
    rows = [{"prompt": question.text, "answer": 4}]
    plain = load_problems(jsonl(tmp_path / "q.jsonl", rows))
    assert (plain.questions[0].text, plain.questions[0].turns) == (question.text, ())
    assert plain.digest != loaded.digest
    rows = [{"prompt": [Turn("user", question.text).message()], "answer": 4}]
    assert load_problems(jsonl(tmp_path / "r.jsonl", rows)).digest == plain.digest


def test_answers_of_which_one_is_enough_are_other_problems(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "p.jsonl", [{"question": "q", "answer": ["2", "3", "2"]}])
    some, every = (load_problems(path, answers=answers) for answers in ("any", "all"))
    assert some.questions[0].answers == ("2", "3")
    assert every.questions[0].answers == ("2, 3, 2",)
    assert some.digest != every.digest


names = st.sampled_from(
    ["question", "answer", "solution", "id", "messages", "role", "content", "data", "0", "a.b"]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)


def taken_or_refused(path: Path, **options: Any) -> None:
    for skip in (False, True):
        said = ""
        try:
            load_problems(str(path), skip_bad_rows=skip, **options)
        except DatasetError as error:
            said = str(error)
        assert "\n" not in said


@settings(max_examples=300, deadline=None)
@given(value=values, rows=st.lists(st.dictionaries(names, values, max_size=5), max_size=4))
def test_any_json_is_taken_or_refused_in_one_line(value: Any, rows: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for suffix, text in (
            ("json", json.dumps(value)),
            ("json", json.dumps(rows)),
            ("jsonl", "\n".join(map(json.dumps, rows))),
        ):
            path = Path(folder) / f"p.{suffix}"
            path.write_text(text)
            taken_or_refused(path, answers="any")


@settings(max_examples=300, deadline=None)
@given(
    suffix=st.sampled_from(["jsonl", "json", "csv", "tsv", "parquet", "arrow", "csv.gz"]),
    head=st.sampled_from([b"", b"\x1f\x8b", b"BZh9", b"\xff\xfe", b"PAR1", b"{", b"[", b'a,"b\n']),
    content=st.binary(max_size=60) | st.text('ab,;"\n\t{}[]:0', max_size=60).map(str.encode),
)
def test_any_bytes_are_taken_or_refused_in_one_line(
    suffix: str, head: bytes, content: bytes
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"p.{suffix}"
        path.write_bytes(head + content)
        taken_or_refused(path)


cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


@settings(max_examples=100, deadline=None)
@given(rows=st.lists(st.tuples(cells, cells), min_size=1, max_size=5))
def test_what_csv_and_json_hold_is_what_was_written(rows: list[tuple[str, str]]) -> None:
    usable = [row for row in rows if all(cell.strip() for cell in row)]
    usable = [row for row in usable if "####" not in row[1] and not row[1].startswith(("{", "["))]
    usable = [row for row in usable if not row[0].startswith(("{", "["))]
    if not usable:
        return
    with tempfile.TemporaryDirectory() as folder:
        table, lines = Path(folder) / "p.csv", Path(folder) / "p.jsonl"
        with table.open("w", newline="", encoding="utf-8") as sink:
            csv.writer(sink).writerows([("question", "answer"), *usable])
        jsonl(lines, [dict(zip(("question", "answer"), row, strict=True)) for row in usable])
        for path in (table, lines):
            loaded = load_problems(str(path))
            assert [(q.text, q.answer) for q in loaded.questions] == usable

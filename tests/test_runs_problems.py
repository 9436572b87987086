from __future__ import annotations

import json
from pathlib import Path

import pytest

from sal.runs.errors import DatasetError
from sal.runs.problems import final_answer, load_problems


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

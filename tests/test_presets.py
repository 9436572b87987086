"""Presets: each data set through the Hub's own client, from a copy, and as settings of a run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hub_stand_in import Branch, Fault, Repo, hub_stand_in
from preset_rows import GPQA, GSM8K, PROBLEMS, repositories
from test_cli_run import Sal, sal

from sal.grading.grader import Grader
from sal.runs.errors import DatasetError, FolderError
from sal.runs.folder import check_folder
from sal.runs.preset_data import filled_in, read_problems
from sal.runs.presets import CHOICE_PROMPT, PRESETS
from sal.runs.problems import ProblemSet, Question, load_problems
from sal.runs.settings import SYSTEM_PROMPT, Prepared, Settings, continued, prepare

__all__ = ["sal"]  # a fixture

HERE = Path(__file__).parent


def settings(dataset: str, **said: object) -> Settings:
    return Settings(strategy="greedy", params={}, dataset=dataset, **said)  # type: ignore[arg-type]


def read(dataset: str, **said: object) -> ProblemSet:
    filled, preset = filled_in(settings(dataset, **said), "tiny")
    return read_problems(filled, preset)


def prepared(dataset: str, **said: object) -> Prepared:
    return prepare(settings(dataset, **said), gpu=False)


def told(questions: Sequence[Question]) -> list[tuple[str, str, str]]:
    return [(q.id, q.text, q.answer) for q in questions]


def copies(folder: Path, *names: str) -> Path:
    """Downloads of whole repositories, as the remedy has them, by the names of presets."""
    for name in names or PRESETS:
        for file, content in repositories()[PRESETS[name].repository].items():
            path = folder / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    return folder


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to be in, without local copies and without a Hub."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv("SAL_DATA", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    return folder


def check_gpqa(questions: list[tuple[str, str, str]]) -> None:
    assert [id for id, _, _ in questions] == [f"rec{i}" for i in range(len(GPQA))]
    for i, (_, text, letter) in enumerate(questions):
        asked, _, listed = text.partition("\n\n")
        assert asked == f"Which is number {i}?"
        shown = dict(line.split(") ", 1) for line in listed.splitlines())
        assert list(shown) == ["A", "B", "C", "D"]
        assert shown[letter] == f"right {i}"
        assert sorted(shown.values()) == sorted(
            [f"right {i}", *(f"wrong {i}, {n}" for n in ("one", "two", "three"))]
        )
    assert {letter for _, _, letter in questions} == {"A", "B", "C", "D"}


SCRIPT = f"""
import json, sys
sys.path.insert(0, {str(HERE)!r})
from test_presets import PRESETS, read, told
print(json.dumps({{name: told(read(name).questions) for name in PRESETS}}))
"""


def test_every_preset_comes_from_the_hub_and_again_when_it_is_gone(tmp_path: Path) -> None:
    """With the Hub's own client, in a process of its own."""
    environment = os.environ | {"HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_XET": "1"}
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "SAL_DATA"):
        environment.pop(name, None)
    with hub_stand_in() as hub:
        for name, files in repositories().items():
            hub.repos[name] = Repo(False, {"main": Branch(files, ["first"])})
        environment["HF_ENDPOINT"] = hub.url
        for turn in ("there", "gone"):
            if turn == "gone":
                hub.faults.append(Fault(".", "reset", times=1_000_000))
            done = subprocess.run(
                [sys.executable, "-c", SCRIPT],
                cwd=tmp_path,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, (turn, done.stderr)
            found = {
                name: [tuple(q) for q in questions]
                for name, questions in json.loads(done.stdout).items()
            }
            check_gpqa(found.pop("gpqa"))
            assert found == PROBLEMS, turn


@pytest.mark.parametrize("name", PRESETS)
def test_a_downloaded_repository_is_a_copy(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("SAL_DATA", str(copies(tmp_path / "data", name)))
    found = read(name)
    assert found.dataset.startswith(str(tmp_path / "data" / name))
    if name == "gpqa":
        check_gpqa(told(found.questions))
    else:
        assert told(found.questions) == PROBLEMS[name]


def test_a_file_is_a_copy_with_or_without_its_split(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAL_DATA", str(tmp_path))
    content = "".join(json.dumps(row) + "\n" for row in GSM8K)
    (tmp_path / "gsm8k_test.jsonl").write_text(content)
    (tmp_path / "gsm8k_train.jsonl").write_text(content * 2)
    assert told(read("gsm8k").questions) == PROBLEMS["gsm8k"]
    assert told(read("gsm8k", split="test").questions) == PROBLEMS["gsm8k"]
    assert len(read("gsm8k", split="train").questions) == 2
    (tmp_path / "gpqa.csv").write_bytes(repositories()["Idavidrein/gpqa"]["gpqa_diamond.csv"])
    check_gpqa(told(read("gpqa").questions))


@pytest.mark.recorded
def test_recorded_files_are_copies(
    here: Path, recorded_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAL_DATA", str(recorded_data))
    for name, file, size in (
        ("gsm8k", "gsm8k_test.jsonl", 1319),
        ("math500", "math500.jsonl", 500),
        ("aime24", "aime24.jsonl", 30),
    ):
        found = read(name)
        assert len(found.questions) == size
        assert found.digest == load_problems(str(recorded_data / file)).digest


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_file_or_folder_of_that_name_comes_first(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setenv("SAL_DATA", str(copies(tmp_path / "data", "gsm8k")))
    if kind == "file":
        Path("gsm8k").write_text("mine")
        with pytest.raises(DatasetError, match=r"gsm8k: not one of \.jsonl"):
            read("gsm8k")
        return
    Path("gsm8k").mkdir()
    Path("gsm8k/test.jsonl").write_text('{"question": "mine?", "answer": 1}\n')
    assert told(read("gsm8k").questions) == [("0", "mine?", "1")]
    assert prepared("gsm8k").recipe.preset is None
    with pytest.raises(DatasetError, match=r"gsm8k:main: cannot be read: .*'main' not found"):
        read("gsm8k:main")


def test_the_folder_of_copies_may_be_here(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copies(here, "gsm8k")
    monkeypatch.setenv("SAL_DATA", ".")
    assert told(read("gsm8k").questions) == PROBLEMS["gsm8k"]


def test_another_configuration_split_limit_and_fields_overrule(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAL_DATA", str(copies(tmp_path, "gsm8k", "gpqa")))
    assert len(read("gsm8k:socratic").questions) == 2
    assert len(read("gsm8k", split="train").questions) == 2
    assert len(read("gsm8k", split="train", limit=1).questions) == 1
    assert len(read("gpqa:gpqa_main").questions) == 1
    assert read("gsm8k", answer_field="question").questions[0].answer == GSM8K[0]["question"]
    with pytest.raises(DatasetError, match="no field 'x'; there are question, answer"):
        read("gsm8k", question_field="x")
    with pytest.raises(DatasetError, match=r"cannot be read: .*'nix' not found"):
        read("gsm8k:nix")


def test_a_recipe_says_what_its_preset_came_to_and_a_run_goes_on_without_it(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = copies(tmp_path / "data", "gpqa", "gsm8k")
    monkeypatch.setenv("SAL_DATA", str(data))
    recipe = prepared("gpqa").recipe
    assert (recipe.preset, recipe.dataset) == ("gpqa", f"{data / 'gpqa'}:gpqa_diamond")
    assert (recipe.split, recipe.question_field) == ("train", "Question")
    assert recipe.answer_field == "Correct Answer"
    assert str(recipe.choices_field).startswith("Correct Answer+Incorrect Answer 1+")
    assert (recipe.grader, recipe.system_prompt) == ("math", CHOICE_PROMPT)
    assert prepared("gsm8k").recipe.system_prompt == SYSTEM_PROMPT
    assert prepared("gpqa", system_prompt="").recipe.system_prompt is None
    assert prepared("gpqa", grader="exact").recipe.grader == "exact"
    monkeypatch.delenv("SAL_DATA")
    nothing = Settings(strategy="", params={})
    again = prepare(continued(recipe, nothing), gpu=False).recipe
    assert again.flat() == recipe.flat()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "recipe.yaml").write_text(recipe.dump())
    (tmp_path / "run" / "journal.jsonl").write_text("{}\n")
    assert check_folder(tmp_path / "run", again, resume=True).preset == "gpqa"
    with pytest.raises(FolderError, match=r"these differ: grader$"):
        check_folder(tmp_path / "run", replace(again, grader="exact"), resume=True)


def test_without_the_hub_one_line_says_what_to_do(here: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        read("aime25")
    said = str(caught.value)
    assert said.startswith("aime25: math-ai/aime25: ")
    assert "the Hub cannot be reached" in said
    assert "`hf download math-ai/aime25 --repo-type dataset --local-dir DIR/aime25`" in said
    assert "SAL_DATA=DIR" in said
    assert "\n" not in said
    assert "terms" not in said
    with pytest.raises(DatasetError, match=r"accept its terms at .*/datasets/Idavidrein/gpqa "):
        read("gpqa")
    with pytest.raises(DatasetError, match=r"gsm9k: not a local path, nor a preset \(gsm8k, "):
        read("gsm9k")


def test_a_dry_run_and_a_shown_recipe_tell_it(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sal: Sal
) -> None:
    data = copies(tmp_path / "data", "gsm8k")
    monkeypatch.setenv("SAL_DATA", str(data))
    code, out, err = sal("run", "greedy", "--dataset", "gsm8k", "--dry-run", "--json")
    assert (code, err) == (0, "")
    recipe = json.loads(out)["recipe"]
    keys = ("preset", "dataset", "split", "question_field", "answer_field", "grader")
    assert [recipe[key] for key in keys] == [
        *("gsm8k", f"{data / 'gsm8k'}:main", "test", "question", "answer", "math")
    ]
    Path("mine.yaml").write_text("strategy: greedy\ndataset: gsm8k\nsplit: train\n")
    code, out, _ = sal("recipe", "show", "mine.yaml", "--json")
    shown = json.loads(out)
    assert shown["split"] == {"value": "train", "source": "mine.yaml:3"}
    assert shown["question_field"] == {"value": "question", "source": "the preset gsm8k"}
    Path("run.yaml").write_text(yaml.dump(recipe))
    code, out, err = sal("run", "-c", "run.yaml", "--dry-run", "--json")
    assert json.loads(out)["recipe"]["digest"] == recipe["digest"]


@pytest.mark.parametrize(
    ("gold", "written"),
    [
        ("025", "25"),
        ("27.0", "27"),
        ("51.0", r"\$51"),
        ("$\\frac{1}{2 n+2}$", r"\frac{1}{2(n+1)}"),
        ("1, -1", r"\pm 1"),
        ("4.5e33", r"4.5 \times 10^{33}"),
    ],
)
def test_answers_as_presets_have_them_are_read(grader: Grader, gold: str, written: str) -> None:
    assert grader.grade(rf"So it is $\boxed{{{written}}}$.", gold).correct

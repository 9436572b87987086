"""Results as other tools read them: parquet, a `datasets` folder, lighteval's details; names."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import pandas as pd  # type: ignore[import-untyped]
import pyarrow.parquet as pq
import pytest
import yaml
from runs_examples import recipe, row, written_run
from test_cli_run import Sal, sal

from sal.runs.export.card import run_card
from sal.runs.export.columns import ROWS_AT_A_TIME
from sal.runs.export.names import LONGEST, run_name
from sal.runs.export.places import public_recipe, without_places
from sal.runs.found import read_run
from sal.runs.recipe import Recipe
from sal.runs.results import CompletionRow, ResultRow

__all__ = ["sal"]  # a fixture

HALF = "half of a pair: \ud83d"
ROWS = [
    replace(
        row("q0", correct=False),
        question="Was ist 1+1? \u202e",
        completions=(
            CompletionRow("a\n\nb", ("a", "b"), (0.1, 0.2), 7, "eot", "3", "mismatch", 0.2),
            CompletionRow(HALF, (HALF,), (0.9,), None, "length", "", "no_answer"),
            CompletionRow("c", ("c",), (), 1, "eot", "2", "match", 0.9),
        ),
        chosen={"naive": 1, "weighted": 2, "majority": 0},
        correct={"naive": False, "weighted": True, "majority": False, "pass": True},
    ),
    row("q1", error="http://10.0.0.5:30000/generate: refused; see /home/ada/logs/policy.log"),
    *(row(f"q{i}") for i in range(2, ROWS_AT_A_TIME + 2)),
]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    path = written_run(tmp_path / "runs" / "a.run", recipe(), ROWS, owed=1)
    (path / "traces" / "00000-q0.json").write_text('{"id":"q0","nodes":[]}')
    (path / "traces" / "00001-torn.json").write_text('{"id":"q')
    return path


def check_rows(rows: list[dict[str, Any]]) -> None:
    """They are `ROWS`, but for what is escaped or left out."""
    assert [r["id"] for r in rows] == [r.id for r in ROWS]
    first, second = rows[:2]
    there = [CompletionRow.from_json(c) for c in first["completions"]]
    assert there[::2] == list(ROWS[0].completions[::2])
    assert there[1].text == r"half of a pair: \ud83d"
    assert (there[1].tokens, there[1].weight) == (None, None)
    assert first["question"] == ROWS[0].question
    assert (first["chosen"], first["correct"]) == (ROWS[0].chosen, ROWS[0].correct)
    assert first["usage"]["policy"]["attended_tokens"] == 4000
    assert (first["seconds"], first["error"], first["rule"]) == (1.5, None, "weighted")
    assert second["completions"] == []
    assert second["error"] == "[address]: refused; see policy.log"
    assert ResultRow.from_json(rows[2]) == ROWS[2]


def test_parquet(sal: Sal, run: Path, tmp_path: Path) -> None:
    code, out, err = sal("export", str(run), "--to", "parquet", "--out", "x")
    assert (code, out, err) == (0, "x/a.run.parquet\n", "")
    check_rows(pq.read_table(tmp_path / out.strip()).to_pylist())
    frame = pd.read_parquet(tmp_path / out.strip())
    assert list(frame["seconds"]) == [1.5] * len(ROWS)
    assert frame["kv_peak"].isna().all()


def test_equal_runs_make_equal_files(sal: Sal, run: Path, tmp_path: Path) -> None:
    for out in "xy":
        assert sal("export", str(run), "--to", "parquet", "--out", out)[0] == 0
    assert (tmp_path / "x/a.run.parquet").read_bytes() == (
        tmp_path / "y/a.run.parquet"
    ).read_bytes()


def test_a_datasets_folder(sal: Sal, run: Path, tmp_path: Path) -> None:
    code, out, err = sal("export", str(run), "--to", "datasets", "--traces", "--out", "x")
    assert (code, out, err) == (0, "x/a.run\n", "")
    data = datasets.load_from_disk(str(tmp_path / "x/a.run"))
    rows = data.to_list()
    assert [r.pop("trace") for r in rows] == ['{"id":"q0","nodes":[]}', *[None] * (len(ROWS) - 1)]
    check_rows(rows)
    types = data.features
    assert types["kv_peak"] == datasets.Value("int64")
    assert types["correct"]["pass"] == datasets.Value("bool")
    assert types["completions"].feature["scores"] == datasets.List(datasets.Value("float64"))


def test_a_run_without_a_row_and_one_with_a_rule_of_its_own(
    sal: Sal, run: Path, tmp_path: Path
) -> None:
    written_run(run.parent / "b" / "none", recipe(seed=1), [])
    own = replace(ROWS[0], rule="margin", chosen={"margin": 2}, correct={"margin": True})
    written_run(run.parent / "b" / "own", recipe(seed=2), [own, row("q1", error="lost")])
    code, out, _ = sal("export", str(run.parent), "--to", "parquet", "--out", "x")
    assert code == 0
    assert out.split() == [f"x/{name}.parquet" for name in ("a.run", "b/none", "b/own")]
    none = pq.read_table(tmp_path / "x/b/none.parquet")
    assert none.num_rows == 0
    assert none.schema.names == pq.read_schema(tmp_path / "x/a.run.parquet").names
    rows = pq.read_table(tmp_path / "x/b/own.parquet").to_pylist()
    assert [r["chosen"]["margin"] for r in rows] == [2, None]


def test_what_is_there_is_not_overwritten(sal: Sal, run: Path, tmp_path: Path) -> None:
    for format, there in (("parquet", "a.run.parquet"), ("datasets", "a.run")):
        (tmp_path / format / there).mkdir(parents=True)
        code, _, err = sal("export", str(run), "--to", format, "--out", format)
        assert (code, err) == (2, f"sal: {format}/{there}: is there already\n")


def test_a_dry_run_writes_nothing(sal: Sal, run: Path, tmp_path: Path) -> None:
    words = ["export", str(run), "--to", "parquet", "--out", "x"]
    code, out, _ = sal(*words, "--dry-run")
    assert not (tmp_path / "x").exists()
    sal(*words)
    size = (tmp_path / "x/a.run.parquet").stat().st_size
    assert (code, out.split()) == (0, [f"{size:,}", "x/a.run.parquet"])


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--to", "parquet"],
        ["--out", "x"],
        ["--to", "xml", "--out", "x"],
        ["--to", "parquet", "--out", "x", "--public"],
        ["--to", "lighteval", "--out", "x", "--traces"],
    ],
)
def test_what_does_not_go_together(sal: Sal, run: Path, words: list[str]) -> None:
    code, out, err = sal("export", str(run), *words)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1


READ_BY_LIGHTEVAL = """
import json, sys
from importlib.metadata import version
from lighteval.logging.evaluation_tracker import EvaluationTracker
from lighteval.models.model_output import ModelResponse
from lighteval.tasks.requests import Doc
from lighteval.utils.utils import make_results_table

folder, model, results = sys.argv[1:]
tracker = EvaluationTracker(output_dir=folder)
tracker.general_config_logger.model_name = model
[(task, rows)] = tracker.load_details_datasets("last", ["tiny"]).items()
responses = [ModelResponse(**row["model_response"]) for row in rows]
docs = [Doc(**row["doc"]) for row in rows]
print(json.dumps({
    "version": version("lighteval"),
    "task": task,
    "texts": [response.final_text for response in responses],
    "golds": [doc.get_golds() for doc in docs],
    "metrics": [row["metric"] for row in rows],
    "table": make_results_table(json.load(open(results))),
}))
"""


def lighteval_export(sal: Sal, run: Path) -> tuple[Path, Path]:
    code, out, err = sal("export", str(run), "--to", "lighteval", "--out", "x")
    assert (code, err) == (0, "")
    details, results = map(Path, out.splitlines())
    return details, results


def test_the_form_of_lightevals_details(sal: Sal, run: Path) -> None:
    details, results = lighteval_export(sal, run)
    name, date = run_name(recipe()), details.parent.name
    assert details.parts[:3] == ("x", "details", name)
    assert details.name == f"details_tiny|0_{date}.parquet"
    assert results == Path("x", "results", name, f"results_{date}.json")
    rows = pq.read_table(details).to_pylist()
    assert list(rows[0]) == ["doc", "metric", "model_response"]
    assert rows[0]["model_response"]["text"] == ["c", "a\n\nb", r"half of a pair: \ud83d"]
    assert rows[1]["model_response"]["text"] == [""]
    assert rows[0]["metric"] == {"naive": 0, "weighted": 1, "majority": 0, "pass": 1}
    content = json.loads(results.read_text())
    assert content["results"]["all"] == content["results"]["tiny|0"]
    assert content["results"]["all"]["weighted"] == (len(ROWS) - 1) / len(ROWS)


@pytest.mark.skipif("SAL_TEST_LIGHTEVAL" not in os.environ, reason="no Python with lighteval")
def test_lighteval_reads_its_details(sal: Sal, run: Path) -> None:
    """SAL_TEST_LIGHTEVAL is a Python with lighteval 0.13.0, whose pins are not ours."""
    _, results = lighteval_export(sal, run)
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(run.parent / "home")}
    environment.pop("PYTHONPATH", None)
    words = [os.environ["SAL_TEST_LIGHTEVAL"], "-c", READ_BY_LIGHTEVAL, "x", run_name(recipe())]
    done = subprocess.run(
        [*words, str(results)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    read = json.loads(done.stdout.splitlines()[-1])
    assert (read["version"], read["task"]) == ("0.13.0", "tiny|0")
    assert read["texts"][:2] == [["c", "a\n\nb", r"half of a pair: \ud83d"], [""]]
    assert read["golds"] == [["1"]] * len(ROWS)
    assert read["metrics"][0] == {"naive": 0, "weighted": 1, "majority": 0, "pass": 1}
    assert "|weighted|0.9706|±" in read["table"]


def test_a_name_tells_what_is_not_usual() -> None:
    params: dict[str, object] = {
        "budget": 64,
        "width": 8,
        "temperature": 0.8,
        "aggregate": None,
        "stop_strings": [],
    }
    of = recipe(params=params, policy="meta-llama/Llama-3.2-1B-Instruct", seed=3)
    of = replace(of, dataset="openai/gsm8k:main")
    expected = "gsm8k--dvts--n-64--width-8--seed-3--Llama-3.2-1B-Instruct--"
    assert run_name(of) == expected + of.digest[:8]
    foreign = replace(of, strategy="of-another-package", dataset="/data/amc 12.jsonl.gz")
    expected = "amc-12--of-another-package--n-64--width-8--temperature-0.8--seed-3--"
    assert run_name(foreign).startswith(expected)


@pytest.mark.parametrize("odd", ["a..b", "x" * 400, "~^:?*[\\ @{", "é/ü", "ends.lock", ".", ""])
def test_a_name_is_one_of_a_branch(odd: str, tmp_path: Path) -> None:
    name = run_name(recipe(policy=odd, dataset=odd, params={"budget": 4, "separator": odd}))
    assert len(name) <= LONGEST
    checked = subprocess.run(["git", "check-ref-format", "--branch", name], check=False)
    assert checked.returncode == 0
    assert name != run_name(recipe(policy=odd, dataset=odd, seed=1))


def test_a_public_recipe_names_no_place_and_no_secret() -> None:
    of = recipe(
        policy="http://10.0.0.5:30000",
        prm="/scratch/ada/prms/my-prm/",
        dataset="~/sets/amc.jsonl",
        served={"policy": {"model_path": "/models/Llama-3.2-1B-Instruct"}},
        policy_args=(
            *(
                "--api-key=sk-1",
                "--hf-token",
                "hf-2",
                "--tp=2",
                "--chat-template=/home/ada/x.jinja",
            ),
            *("--max-total-tokens", "9000", "--tokenizer-path=meta-llama/x"),
        ),
    )
    public = public_recipe(of)
    assert (public.policy, public.prm) == ("/models/Llama-3.2-1B-Instruct"[8:], "my-prm")
    assert public.dataset == "amc.jsonl"
    assert public.policy_args == (
        *("--api-key=[hidden]", "--hf-token", "[hidden]", "--tp=2", "--chat-template=x.jinja"),
        *("--max-total-tokens", "9000", "--tokenizer-path=meta-llama/x"),
    )
    text = public.dump()
    for secret in ("sk-1", "hf-2", "10.0.0.5", "ada", "/models"):
        assert secret not in text
    assert public_recipe(recipe(prm=None, policy="http://h")).policy == "[address]"
    plain = recipe(policy="org/model", prm="tiny", dataset="HuggingFaceH4/MATH-500")
    assert public_recipe(plain) == plain


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("http://u:p@10.0.0.5:1/generate: refused", "[address]: refused"),
        ("cannot read /home/ada/x/y.json, ~/a/b", "cannot read y.json, b"),
        ("1/2 of and/or 3/4/5 at 20:15", "1/2 of and/or 3/4/5 at 20:15"),
    ],
)
def test_an_error_names_no_place(said: str, shown: str) -> None:
    assert without_places(said) == shown


HOSTILE = "---\n```\n# <script>alert(1)</script> |x| {{y}}\n````\ndigest: 0\n"


def card(tmp_path: Path, of: Recipe, rows: list[ResultRow]) -> str:
    path = written_run(tmp_path / "carded", of, rows)
    return run_card(read_run(path), "me/searches", run_name(of))


def test_a_card_has_its_table_recipe_and_commands(tmp_path: Path) -> None:
    text = card(tmp_path, recipe(), [row("q0"), row("q1", correct=False)])
    front = yaml.safe_load(text.split("---\n")[1])
    files = {"split": "test", "path": "results.parquet"}
    assert front["configs"] == [{"config_name": "default", "data_files": [files]}]
    assert "| weighted (chosen) | 50.0 ± 50.0 |" in text
    assert "| policy prompt tokens | 200 |" in text
    assert f'load_dataset("me/searches", revision="{run_name(recipe())}")["test"]' in text
    assert "sal run -c recipe.yaml" in text
    shown = yaml.safe_load(text.partition("```yaml\n")[2].partition("```")[0])
    assert shown == yaml.safe_load(recipe().dump())


def test_hostile_text_stays_in_its_place(tmp_path: Path) -> None:
    of = recipe(system_prompt=HOSTILE, dataset=HOSTILE, policy="a|b\n<img>", split="test[:2]")
    hostile = replace(row("q0"), question=HOSTILE, answer=HOSTILE, id=HOSTILE)
    text = card(tmp_path, of, [hostile])
    header, front, body = text.split("---\n", 2)
    assert header == ""
    assert yaml.safe_load(front)["configs"][0]["data_files"][0]["split"] == "results"
    outside, fence, recipe_shown = body.partition("`````yaml\n")
    assert fence
    assert "<script>" not in outside.replace(r"\<script\>", "")
    assert "<img>" not in outside
    shown = yaml.safe_load(recipe_shown.rpartition("`````")[0])
    assert shown["system_prompt"] == HOSTILE
    assert shown["digest"] == of.digest

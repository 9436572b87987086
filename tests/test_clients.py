"""The gateway asked by clients that nobody here wrote, each in a process of its own.

They are the newest ones, in an environment of their own, which `just test` makes.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from serving import sal_serve

from sal.strategies.answers import last_boxed
from sal.tiny.fresh import fresh_problems

pytestmark = pytest.mark.servers

CLIENTS = Path(__file__).parent / "clients"
PYTHON = Path(__file__).parents[1] / ".venv-clients/bin/python"
PROBLEMS = list(fresh_problems(20, seed=18))
SECONDS = 240


@pytest.fixture(scope="module")
def url(server_urls: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("serve")
    with sal_serve(server_urls, folder, "dvts", "--budget", "8") as made:
        yield made


def run(*words: str, stdin: Any = None, **env: str) -> str:
    """What a script of a client's, or a client itself, prints."""
    if not PYTHON.exists():
        pytest.skip("no environment with clients: `just test` makes it")
    clean = {n: v for n, v in os.environ.items() if n != "PYTHONPATH" and n[:4] != "SAL_"}
    done = subprocess.run(
        [str(PYTHON), *words],
        input=json.dumps(stdin),
        env={**clean, "HF_HUB_OFFLINE": "1", **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


def use(client: str, url: str, problems: int) -> Any:
    """What the script of `client` read, asked with so many questions."""
    script = CLIENTS / f"use_{client.replace('-', '_')}.py"
    questions = [problem.question for problem in PROBLEMS[:problems]]
    # LiteLLM else asks the network for its list of prices
    said = run(str(script), url, stdin=questions, LITELLM_LOCAL_MODEL_COST_MAP="True")
    return json.loads(said.splitlines()[-1])


def right(answers: list[str], problems: int) -> int:
    """How many of them are; each must have an answer, to its own problem."""
    of = PROBLEMS[:problems] * (len(answers) // problems)
    for answer, problem in zip(answers, of, strict=True):
        assert f"{answer.partition('=')[0]}=" in problem.question
        assert last_boxed(answer)
    return sum(last_boxed(a) == str(p.answer) for a, p in zip(answers, of, strict=True))


def test_openai(url: str) -> None:
    told = use("openai", url, 4)
    right(told["answers"], 1)
    assert right(told["together"], 4) >= 6
    assert told["budgets"] == [4, 4, 4, 4, 4]
    assert "Chosen of 4 solutions" in told["thought"]
    assert {"sal", "policy", "dvts", "dvts@8", "best-of-n@4"} <= set(told["models"])
    assert told["refused"] == [
        ["NotFoundError", "model", "model_not_found"],
        ["BadRequestError", "n", "unsupported_parameter"],
        ["BadRequestError", "logprobs", "unsupported_parameter"],
    ]


def test_litellm(url: str) -> None:
    told = use("litellm", url, 4)
    right(told["answers"], 1)
    assert right(told["together"], 4) >= 2
    assert all("Chosen of" in text for text in told["reasoning"])
    assert all(count > 0 for count in told["usage"])
    assert told["refused"] == ["NotFoundError", "BadRequestError"]


def test_langchain_openai(url: str) -> None:
    told = use("langchain-openai", url, 4)
    right(told["answers"], 1)
    assert right(told["together"], 4) >= 2
    assert all(count > 0 for count in told["usage"])


def test_lm_eval(url: str, tmp_path: Path) -> None:
    rows = [{"question": p.question, "answer": str(p.answer)} for p in PROBLEMS]
    problems = tmp_path / "tiny.jsonl"
    problems.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    task = (CLIENTS / "tiny_task.yaml").read_text()
    (tmp_path / "tiny.yaml").write_text(task.replace("PROBLEMS", str(problems)))
    at = f"model=dvts@4,base_url={url}/v1/chat/completions,num_concurrent=4,max_retries=1"
    run(
        *("-m", "lm_eval", "--model", "local-chat-completions", "--model_args", at),
        *("--include_path", str(tmp_path), "--tasks", "tiny", "--apply_chat_template"),
        *("--output_path", str(tmp_path / "out"), "--log_samples"),
        HF_HOME=str(tmp_path / "hf"),
        OPENAI_API_KEY="none",
    )
    (results,) = (tmp_path / "out").rglob("results_*.json")
    assert json.loads(results.read_text())["results"]["tiny"]["exact_match,boxed"] >= 0.5
    (samples,) = (tmp_path / "out").rglob("samples_*.jsonl")
    replies = [json.loads(line) for line in samples.read_text().splitlines()]
    replies.sort(key=lambda reply: reply["doc_id"])
    assert right([reply["resps"][0][0] for reply in replies], len(PROBLEMS)) >= 10


def test_inspect_ai(url: str, tmp_path: Path) -> None:
    script = str(CLIENTS / "use_inspect_ai.py")
    problems = [{"question": p.question, "answer": str(p.answer)} for p in PROBLEMS[:8]]
    told = json.loads(run(script, url, str(tmp_path), stdin=problems).splitlines()[-1])
    assert set(told) == {"chat", "streamed", "responses", "streamed responses"}
    for way, score in told.items():
        assert score["status"] == "success", way
        assert score["accuracy"] >= 0.5, way
        assert 0 < score["reasoning_tokens"] < score["output_tokens"], way
        assert score["reasoning"] == ["reasoning", "text"], way

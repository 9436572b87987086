"""`sal run --prm FOLDER` with a PRM that has a head: from a checkpoint to a search's scores."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from prm_heads import KINDS, reference
from runs_terminal import SAL, environment

from sal.tiny.paths import PROBLEMS

pytestmark = pytest.mark.servers


def sal(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SAL, *words],
        cwd=folder,
        env=environment(folder / "state"),
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


def test_a_token_classifier_is_served_and_searched_with(policy_server: str, tmp_path: Path) -> None:
    model, head = KINDS["classifier"].save(tmp_path / "classifier")
    words = ["run", "dvts", "--policy", policy_server, "--prm", "classifier", "--budget", "4"]
    words += ["--limit", "1", "--max-tokens", "80", "--prm-arg", "--max-total-tokens 16384"]
    planned = sal([*words, "--dry-run"], tmp_path)
    assert planned.returncode == 0, planned.stderr
    assert "--is-embedding" in planned.stdout
    assert "a PRM with a head (TRL's)" in planned.stdout
    done = sal([*words, "--out", "out"], tmp_path)
    assert done.returncode == 0, done.stderr
    (line,) = (tmp_path / "out" / "results.jsonl").read_text().splitlines()
    row: dict[str, Any] = json.loads(line)
    told = reference(tmp_path / "classifier", "token-classifier", model, head)
    question = json.loads(PROBLEMS["test"].read_text().splitlines()[0])["question"]
    assert row["question"] == question
    assert any(len(completion["steps"]) > 1 for completion in row["completions"])
    for completion in row["completions"]:
        inputs = told.inputs(question, completion["steps"])
        expected = [told.score(ids) for ids in inputs]
        assert completion["scores"] == pytest.approx(expected, abs=1e-3)
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["usage"]["prm"]["requests"] > 0
    assert summary["usage"]["prm"]["prompt_tokens"] > 0
    assert summary["usage"]["prm"]["cached_tokens"] is None  # SGLang's /classify tells none

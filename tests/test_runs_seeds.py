"""`--seed` repeats a run: the same texts and choices, whatever else is in flight."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sal.runs.problems import TINY
from sal.runs.settings import Settings, prepare

SAL = "from sal.cli.main import main; main()"


@pytest.mark.parametrize(
    ("policy", "gpu", "deterministic", "sampling"),
    [
        (None, False, False, "seeded"),
        (None, False, True, "seeded, to the last bit"),
        ("nobody/model", True, False, "not seeded"),
        ("nobody/model", True, True, "seeded, to the last bit"),
        ("http://127.0.0.1:9", False, False, "as the endpoint was started"),
    ],
)
def test_the_recipe_says_whether_sampling_is_seeded(
    policy: str | None, gpu: bool, deterministic: bool, sampling: str
) -> None:
    settings = Settings(
        strategy="dvts", params={}, policy=policy, dataset=TINY, deterministic=deterministic
    )
    recipe = prepare(settings, gpu=gpu).recipe
    assert (recipe.sampling, recipe.deterministic) == (sampling, deterministic)
    assert "sampling" not in recipe.flat()
    assert f"sampling: {sampling}\n" in recipe.dump()


def start(folder: Path, policy: str, prm: str, seed: int) -> subprocess.Popen[bytes]:
    words = ["run", "dvts", "--budget", "8", "--limit", "6", "--seed", str(seed)]
    words += ["--policy", policy, "--prm", prm, "--dataset", "tiny", "--display", "none"]
    return subprocess.Popen([sys.executable, "-c", SAL, *words, "--out", str(folder)])


def found(folder: Path) -> list[Any]:
    rows = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
    return [
        (
            row["id"],
            row["chosen"],
            [
                (c["text"], c["tokens"], [round(s, 4) for s in c["scores"]])
                for c in row["completions"]
            ],
        )
        for row in rows
    ]


@pytest.mark.servers
def test_a_seed_repeats_a_run_whatever_else_is_in_flight(
    policy_server: str, prm_server: str, tmp_path: Path
) -> None:
    alone = start(tmp_path / "alone", policy_server, prm_server, 3)
    assert alone.wait(180) == 0
    beside = [start(tmp_path / f"beside-{s}", policy_server, prm_server, s) for s in (3, 4, 5)]
    assert [run.wait(180) for run in beside] == [0, 0, 0]
    first = found(tmp_path / "alone")
    assert found(tmp_path / "beside-3") == first
    assert found(tmp_path / "beside-4") != first

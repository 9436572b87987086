"""`sal learn bench` by a served PRM on ProcessBench: killed and gone on with, and read once."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from runs_terminal import Terminal
from test_learn_label_servers import Recording
from test_runs_servers import sal

from sal.learn.processbench import read_subset
from sal.learn.rows import StepLabels
from sal.runs.journal import read_records
from sal.verifiers.family import load_verifier

pytestmark = [pytest.mark.servers, pytest.mark.recorded]

FEW = 40
"""Solutions of each of two subsets."""


@pytest.fixture(autouse=True)
def data(recorded_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAL_DATA", str(recorded_data))


def scores(folder: Path) -> list[dict[str, Any]]:
    try:
        told = read_records(folder / "scores.jsonl")
    except FileNotFoundError:
        return []
    return [record for record in told if record["type"] == "scores"]


def test_a_benchmark_that_is_killed_goes_on_and_ends_as_one_that_nobody_touched(
    prm_server: str, tmp_path: Path
) -> None:
    words = ["learn", "bench", "gsm8k", "math", "--prm", prm_server, "--limit", str(FEW)]
    whole = sal([*words, "--out", "whole", "--json"], tmp_path)
    assert whole.returncode == 0, whole.stderr
    assert f"{2 * FEW} of {2 * FEW} solutions" in whole.stderr
    first = Terminal([*words, "--out", "killed"], tmp_path)
    said = f" of {2 * FEW} solutions"
    first.until(lambda: len(scores(tmp_path / "killed")) > 2 and said in first.shown)
    first.process.kill()
    first.wait()
    done = len(scores(tmp_path / "killed"))
    assert 2 < done < 2 * FEW, "it was not killed in the middle"
    second = sal([*words, "--out", "killed"], tmp_path)
    assert second.returncode == 0, second.stderr
    assert f"{2 * FEW - done} of {2 * FEW - done} solutions" in second.stderr
    ours, theirs = ({r["id"]: r for r in scores(tmp_path / name)} for name in ("killed", "whole"))
    assert set(Counter(r["id"] for r in scores(tmp_path / "killed")).values()) == {1}
    assert ours.keys() == theirs.keys()
    for id, record in ours.items():
        assert record["scores"] == pytest.approx(theirs[id]["scores"], abs=1e-4)
    figures = json.loads((tmp_path / "killed" / "bench.json").read_text())
    told = json.loads(whole.stdout)
    for name in ("gsm8k", "math"):
        subset, same = figures["subsets"][name], told["subsets"][name]
        assert (subset["solutions"], subset["failed"]) == (FEW, 0)
        assert subset["best"]["f1"] == pytest.approx(same["best"]["f1"])
    assert figures["usage"]["requests"] == 2 * FEW
    assert figures["usage"]["prompt_tokens"] == told["usage"]["prompt_tokens"]


def prefixes(sequences: list[tuple[int, ...]]) -> Iterator[int]:
    """One number for each beginning of each of them, the same for equal ones."""
    for sequence in sequences:
        begun = 0
        for token in sequence:
            begun = hash((begun, token))
            yield begun


def test_step_by_step_or_at_once_it_reads_a_solution_once_and_says_the_same(
    prm_server: str,
) -> None:
    """Tokens prefilled over the nodes of the trie of all that was sent: at most 1.10."""
    rows: list[StepLabels] = [*read_subset("gsm8k")[:6], *read_subset("math")[:6]]
    found: list[list[float]] = []
    for at_once in (True, False):
        with Recording(prm_server) as engine:
            assert engine.flush_cache()
            verifier = load_verifier(engine, None, None)
            told: list[float] = []
            for row in rows:
                parts = [row.steps] if at_once else [(step,) for step in row.steps]
                before: tuple[str, ...] = ()
                for part in parts:
                    told += verifier.score(row.question, before, part).scores
                    before += part
            found.append(told)
            trie = set(prefixes(engine.sequences))
            assert sum(engine.prefilled) / len(trie) <= 1.10
    assert len(found[0]) == sum(len(row.steps) for row in rows)
    assert found[0] == pytest.approx(found[1], abs=1e-4)

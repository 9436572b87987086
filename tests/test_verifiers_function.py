"""`--prm module:function`: a Python function as the verifier."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import CPU_ONLY

from sal.cli.main import main
from sal.runs.errors import RunError
from sal.runs.server_plan import plan_servers
from sal.runs.settings import Settings, prepare
from sal.runtime import hardware
from sal.runtime.endpoint_errors import EndpointError
from sal.verifiers.family import choose, load_verifier
from sal.verifiers.function import FUNCTION, FunctionFailed, FunctionVerifier

MODULE = '''
"""Likes short steps."""

seen = []


def score(question, steps):
    seen.append((question, steps))
    return [1 / (1 + len(step)) for step in steps]


def fails(question, steps):
    raise KeyError("no such step")


number = 3
'''


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module in the working folder, which Python's path need not hold."""
    (tmp_path / "own_scores.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))  # puts the path back, whatever is added to it
    monkeypatch.delitem(__import__("sys").modules, "own_scores", raising=False)
    return "own_scores"


class TestFunction:
    def test_it_gets_all_steps_and_scores_the_new_ones(self) -> None:
        asked: list[tuple[str, Sequence[str]]] = []

        def score(question: str, steps: Sequence[str]) -> list[float]:
            asked.append((question, steps))
            return [0.1 * k for k, _ in enumerate(steps, 1)]

        scored = FunctionVerifier(score, "m:f").score("q", ["a"], ["b", "c\n\nд"])
        assert scored.scores == pytest.approx((0.2, 0.3))
        assert asked == [("q", ["a", "b", "c\n\nд"])]
        assert (scored.usage.requests, scored.usage.prompt_tokens) == (0, 0)
        assert FunctionVerifier(score, "m:f").score("q", ["a"], ()).scores == ()
        assert len(asked) == 1

    @pytest.mark.parametrize(
        ("told", "why"),
        [
            ([0.5], "returned 1 scores for 2 steps"),
            ([0.5, 0.5, 0.5], "returned 3 scores for 2 steps"),
            ([0.5, 1.5], "scored step 2 1.5, which is not in"),
            ([-0.1, 0.5], "scored step 1 -0.1, which is not in"),
            ([float("nan"), 0.5], "scored step 1 nan"),
            (0.5, "raised TypeError"),
            (["good", "bad"], "raised ValueError"),
            (None, "raised TypeError"),
        ],
    )
    def test_what_are_no_scores(self, told: Any, why: str) -> None:
        verifier = FunctionVerifier(lambda *_: told, "my.module:rank")
        with pytest.raises(FunctionFailed, match=f"the PRM my.module:rank {why}") as raised:
            verifier.score("q", ["a"], ["b"])
        assert isinstance(raised.value, EndpointError)
        assert not raised.value.at_fault

    def test_what_it_raises_is_told(self) -> None:
        def score(question: str, steps: Sequence[str]) -> list[float]:
            raise RuntimeError("no GPU")

        with pytest.raises(FunctionFailed, match="the PRM m:f raised RuntimeError: no GPU"):
            FunctionVerifier(score, "m:f").score("q", (), ["a"])


class TestFamily:
    def test_it_is_known_by_how_it_is_written(self, module: str) -> None:
        spec = choose(f"{module}:score", {})
        assert spec.family is FUNCTION
        assert choose("pkg.sub:rank", {}).family is FUNCTION
        for other in ("C:/models/x", "org/name:score", "tiny", "a:b:c"):
            with pytest.raises(ValueError, match="cannot tell what format"):
                choose(other, {})

    def test_no_server_is_planned_for_it(self, module: str) -> None:
        settings = Settings(strategy="best-of-n", params={}, prm=f"{module}:score", limit=1)
        recipe = prepare(settings, gpu=False).recipe
        assert recipe.aggregate == "last (sal's own)"
        assert set(plan_servers([recipe], CPU_ONLY).servers) == {"policy"}

    @pytest.mark.parametrize(
        ("name", "why"),
        [
            ("own_scores:absent", "own_scores:absent: AttributeError"),
            ("own_scores:number", "own_scores:number is a int, not a function"),
            ("no_such_module:score", "no_such_module:score: ModuleNotFoundError"),
        ],
    )
    def test_what_cannot_be_called_is_refused_before_anything_starts(
        self, module: str, name: str, why: str
    ) -> None:
        settings = Settings(strategy="beam", params={}, prm=name, limit=1)
        recipe = prepare(settings, gpu=False).recipe
        with pytest.raises(RunError, match=why):
            plan_servers([recipe], CPU_ONLY)

    def test_a_verifier_needs_no_endpoint(self, module: str) -> None:
        verifier = load_verifier(None, f"{module}:score", "function:aggregate=min")
        assert verifier.score("q", (), ["a"]).scores == (0.5,)
        assert verifier.aggregate == "min"  # type: ignore[attr-defined]


@pytest.mark.servers
class TestRun:
    @pytest.fixture(autouse=True)
    def _no_gpu(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(hardware, "detect", lambda: CPU_ONLY)
        monkeypatch.setenv("SAL_STATE", str(tmp_path / "state"))

    def run(self, *words: str) -> int:
        with pytest.raises(SystemExit) as end:
            main(["run", *words])
        assert isinstance(end.value.code, int)
        return end.value.code

    def test_best_of_n_by_a_function(
        self, policy_server: str, module: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        out = tmp_path / "run"
        words = ["best-of-n", "--budget", "3", "--limit", "2", "--policy", policy_server]
        assert self.run(*words, "--prm", f"{module}:score", "--out", str(out)) == 0
        rows = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
        assert len(rows) == 2
        for row in rows:
            for completion in row["completions"]:
                assert completion["scores"] == pytest.approx(
                    [1 / (1 + len(step)) for step in completion["steps"]]
                )
            assert row["usage"]["prm"]["requests"] == 0
        recipe = yaml.safe_load((out / "recipe.yaml").read_text())
        assert recipe["prm"] == f"{module}:score"

        capsys.readouterr()
        assert self.run("--resume", str(out)) == 0  # the recipe names it
        assert self.run("--resume", str(out), "--prm", f"{module}:fails") == 2
        assert "prm" in capsys.readouterr().err

    def test_a_function_that_fails_is_named_in_every_row(
        self, policy_server: str, module: str, tmp_path: Path
    ) -> None:
        out = tmp_path / "run"
        words = ["best-of-n", "--budget", "2", "--limit", "1", "--policy", policy_server]
        assert self.run(*words, "--prm", f"{module}:fails", "--out", str(out)) == 1
        (row,) = (json.loads(line) for line in (out / "results.jsonl").read_text().splitlines())
        assert f"the PRM {module}:fails raised KeyError: 'no such step'" in row["error"]

    def test_the_plan_of_a_function(
        self, policy_server: str, module: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        words = ["dvts", "--budget", "4", "--limit", "1", "--dry-run"]
        assert self.run(*words, "--prm", f"{module}:score") == 0
        shown = capsys.readouterr().out
        assert "in the policy's server" in shown
        assert "PRM" not in shown.partition("# estimate")[2].partition("#")[0]

"""On real servers: a small sweep, a rule fitted on it, and `auto` that follows the rule."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rules import decision, rule_of, write_rule

from sal.cli.main import main
from sal.runs.found import FoundRun, read_run
from sal.tiny.paths import PROBLEMS

pytestmark = pytest.mark.servers


class Cli:
    """Runs `sal WORDS` in a folder, on the servers of the tests."""

    def __init__(self, folder: Path, policy: str, prm: str) -> None:
        self.folder = folder
        self._servers = ["--policy", policy, "--prm", prm, "--display", "plain"]

    def __call__(self, *words: str) -> int:
        with pytest.raises(SystemExit) as end:
            main(words)
        return int(end.value.code or 0)

    def search(self, strategy: str, budget: int, problems: int, *words: str) -> FoundRun:
        """A run on so many of the tiny suite's easier problems."""
        rows = map(json.loads, PROBLEMS["train"].read_text().splitlines())
        file = self.folder / f"{problems}.jsonl"
        easier = [row for row in rows if row["level"] <= 3][:problems]
        file.write_text("".join(json.dumps(row) + "\n" for row in easier))
        out = self.folder / "sweep" / f"{strategy}-{budget}"
        of = ("--budget", str(budget), "--dataset", str(file), "--out", str(out))
        assert self("run", strategy, *of, *self._servers, *words) == 0
        return read_run(out)


@pytest.fixture
def cli(
    tmp_path: Path, policy_server: str, prm_server: str, monkeypatch: pytest.MonkeyPatch
) -> Cli:
    monkeypatch.setenv("SAL_STATE", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    return Cli(tmp_path, policy_server, prm_server)


def test_auto_holds_the_first_samples_of_best_of_n_and_counts_them(
    cli: Cli, tmp_path: Path
) -> None:
    rule = rule_of(
        {8: decision(2, [("dvts", 8)], [("best-of-n", 0)], edges=[0.5])}, {"dvts": {"width": 2}}
    )
    told = ("--rule", write_rule(tmp_path / "rule.json", rule))
    auto = cli.search("auto", 8, 6, *told)
    plain = cli.search("best-of-n", 2, 6)
    assert auto.recipe.params["rule_digest"] == rule.digest
    sizes = set()
    for ours, theirs in zip(auto.rows, plain.rows, strict=True):
        assert [c.text for c in ours.completions[:2]] == [c.text for c in theirs.completions]
        assert [c.key for c in ours.completions[:2]] == [c.key for c in theirs.completions]
        seen = sum(c.scores[-1] for c in theirs.completions if c.key) / 2
        more = len(ours.completions) - 2
        assert (more > 0) == (seen < 0.5)
        assert (ours.policy.completion_tokens or 0) >= (theirs.policy.completion_tokens or 0)
        sizes.add(more > 0)
    assert sizes == {True, False}  # the problems are of both kinds


def test_a_rule_is_fitted_on_a_sweep_and_followed(cli: Cli, tmp_path: Path) -> None:
    for strategy, budget in (("best-of-n", 4), ("beam", 2)):
        cli.search(strategy, budget, 40)
    fit = ("--budgets", "2", "--probes", "1,2", "--bins", "1", "--resamples", "2")
    assert cli("optimal", "fit", "sweep", "--out", "rule.json", *fit) == 0
    assert cli("optimal", "show", "rule.json") == 0
    auto = cli.search("auto", 2, 6, "--rule", "rule.json")
    assert (len(auto.rows), auto.owed) == (6, 0)
    assert all(1 <= len(row.completions) <= 16 for row in auto.rows)

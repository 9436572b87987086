"""`sal optimal`, and what `sal run auto` wants of a rule."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from rules import decision, rule_of, write_rule
from runs_sweep import write_sweep
from test_cli_run import problems, sal

__all__ = ["sal"]  # a fixture

Sal = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sweep(tmp_path_factory.mktemp("sweep"))


FIT = ("--budgets", "4,8", "--probes", "1,2", "--bins", "2", "--resamples", "2")


def test_fit_writes_a_rule_and_show_shows_it(sal: Sal, sweep: Path, tmp_path: Path) -> None:
    rule = tmp_path / "rule.json"
    code, out, err = sal("optimal", "fit", str(sweep), "--out", str(rule), *FIT)
    assert (code, err) == (0, "")
    assert "fitted on 80 problems of tiny: policy tiny, PRM tiny" in out
    assert re.search(r"^fixed +\d\d\.\d \[\d+\.\d, \d+\.\d\] \(\d+\)", out, flags=re.M)
    assert out.rstrip().endswith(str(rule))
    shown = sal("optimal", "show", str(rule))
    assert shown == (0, out.rstrip().removesuffix(str(rule)).rstrip() + "\n", "")
    code, out, err = sal("optimal", "show", str(rule), "--json")
    assert (code, json.loads(out)) == (0, json.loads(rule.read_text()))


def test_what_cannot_be_fitted_is_said(sal: Sal, sweep: Path, tmp_path: Path) -> None:
    out = ("--out", str(tmp_path / "rule.json"))
    few = sal("optimal", "fit", str(sweep), *out)
    assert few[0] == 2
    assert "80 problems are too few for 5 bins: each wants 40" in few[2]
    none = sal("optimal", "fit", str(tmp_path / "none"), *out)
    assert (none[0], "no such folder" in none[2]) == (2, True)
    odd = sal("optimal", "fit", str(sweep), "--budgets", "four", *out)
    assert (odd[0], "--budgets wants whole numbers" in odd[2]) == (2, True)
    assert not (tmp_path / "rule.json").exists()
    assert sal("optimal", "show", str(tmp_path / "rule.json"))[0] == 2


def test_auto_takes_the_shipped_rule_for_the_tiny_suite_alone(sal: Sal, tmp_path: Path) -> None:
    local = str(problems(tmp_path / "mine.jsonl", {"question": "1 + 1?", "answer": "2"}))
    tiny = ("--policy", "tiny", "--prm", "tiny")
    code, out, _ = sal("run", "auto", *tiny, "--dataset", "tiny", "--dry-run", "--json")
    params = json.loads(out)["recipe"]["params"]
    assert (code, params["budget"], params["rule"]) == (0, 16, "tiny")
    assert re.fullmatch("[0-9a-f]{16}", params["rule_digest"])
    code, _, err = sal("run", "auto", *tiny, "--dataset", local, "--dry-run")
    assert code == 2
    assert f"auto has no rule for {local}: fit one on a sweep with these models" in err
    asked = ("--dataset", local, "--rule", "tiny", "--dry-run")
    assert sal("run", "auto", *tiny, *asked)[0] == 0
    code, _, err = sal("run", "dvts", *tiny, *asked)
    assert (code, "dvts: does not take --rule" in err) == (2, True)


def test_another_rule_is_another_run(sal: Sal, tmp_path: Path) -> None:
    local = str(problems(tmp_path / "mine.jsonl", {"question": "1 + 1?", "answer": "2"}))
    one = rule_of({8: decision(2, [("best-of-n", 6)])})
    other = rule_of({8: decision(2, [("beam", 6)])})
    rule = write_rule(tmp_path / "rule.json", one)
    of = ("run", "auto", "-n", "8", "--policy", "tiny", "--prm", "tiny", "--dataset", local)
    code, recipe, err = sal(*of, "--rule", rule, "--dry-run")
    assert (code, one.digest in recipe) == (0, True), err
    run = tmp_path / "run"
    run.mkdir()
    (run / "recipe.yaml").write_text(recipe[recipe.index("strategy: auto") :], encoding="utf-8")
    (run / "journal.jsonl").write_text('{"type":"session"}\n', encoding="utf-8")
    assert sal("run", "--resume", str(run), "--dry-run")[0] == 0
    write_rule(tmp_path / "rule.json", other)
    code, _, err = sal("run", "--resume", str(run), "--dry-run")
    assert code == 2
    assert f"holds {other.digest}, not {one.digest}: it is another rule" in err
    code, _, err = sal(*of, "--rule", rule, "--resume", str(run), "--dry-run")
    assert (code, "it is another rule" in err) == (2, True)
    elsewhere = write_rule(tmp_path / "elsewhere.json", one)
    code, _, err = sal("run", "--resume", str(run), "--rule", elsewhere, "--dry-run")
    assert (code, "these differ: params.rule\n" in err) == (2, True)

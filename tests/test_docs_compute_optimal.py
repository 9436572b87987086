"""The commands of docs/compute-optimal.md, and the table of the rule that is shipped."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from runs_sweep import write_sweep
from test_cli_run import problems, sal

from sal.programs.rule_file import rule_content
from sal.runs.optimal.curves import CURVES

__all__ = ["sal"]  # a fixture

PAGE = (Path(__file__).parent.parent / "docs" / "compute-optimal.md").read_text(encoding="utf-8")
COMMANDS = [shlex.split(line)[1:] for line in re.findall(r"^ +(sal .*)$", PAGE, flags=re.M)]


def test_the_first_commands_work_as_they_stand(
    sal: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    fit, show, run, *_ = COMMANDS
    write_sweep(tmp_path / fit[2])
    small = ("--budgets", "4,8", "--bins", "2", "--resamples", "2")
    assert sal(*fit, *small)[0] == 0
    assert sal(*show)[0] == 0
    local = str(problems(tmp_path / "mine.jsonl", {"question": "1 + 1?", "answer": "2"}))
    code, out, err = sal(*run, "--dataset", local, "--policy", "tiny", "--prm", "tiny", "--dry-run")
    assert (code, "rule: rule.json" in out) == (0, True), err


@pytest.mark.parametrize("words", COMMANDS[3:], ids=lambda words: " ".join(words[:3]))
def test_the_other_commands_are_understood(
    words: list[str], sal: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    problems(tmp_path / "fit.jsonl", {"question": "1 + 1?", "answer": "2"})
    if words[0] == "sweep":
        code, out, err = sal(*words, "--policy", "tiny", "--prm", "tiny", "--dry-run")
        assert (code, "best-of-n" in out or "dvts" in out) == (0, True), err
    else:
        assert "no such folder" in sal(*words)[2]  # the flags were understood


def test_every_curve_is_explained() -> None:
    table = "\n".join(line for line in PAGE.splitlines() if line.startswith("| `"))
    assert set(re.findall(r"`([^`]+)`", table)) >= set(CURVES)


def test_the_table_is_that_of_the_shipped_rule() -> None:
    content = json.loads(json.dumps(rule_content("tiny")))
    assert f"`{content['digest']}`" in PAGE
    assert f"{content['provenance']['problems']} problems" in PAGE
    for name in ("fixed", "oracle", "predicted", "auto", "bound"):
        cells = [
            f"{100 * p['accuracy']:.1f} [{100 * p['low']:.1f}, {100 * p['high']:.1f}]"
            for p in content["curves"][name].values()
        ]
        assert len(set(cells[3:])) == 1, "one column from N = 16 on"
        del cells[4:]
        assert f"| {name} | {' | '.join(cells)} |" in PAGE, name

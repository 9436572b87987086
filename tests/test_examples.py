"""The scripts in examples/, run as a user runs them, against the real servers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sal.tiny.paths import POLICY

pytestmark = pytest.mark.servers

EXAMPLES = Path(__file__).parent.parent / "examples"


def run(script: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / script), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_search_in_an_app(policy_server: str, prm_server: str) -> None:
    said = run("search_in_an_app.py", policy_server, prm_server)
    assert "In other words: -15\n" in said
    assert "tokens cached" in said


def test_an_own_backend(prm_server: str) -> None:
    assert run("own_backend.py", str(POLICY), prm_server).startswith("19 by the weighted vote")


def test_an_own_strategy(policy_server: str, prm_server: str) -> None:
    assert run("own_strategy.py", policy_server, prm_server).startswith("28 after ")


def test_there_is_no_example_that_nobody_runs() -> None:
    here = Path(__file__).read_text()
    assert all(f'"{script.name}"' in here for script in EXAMPLES.glob("*.py"))

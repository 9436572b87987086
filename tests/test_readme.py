"""Every command and every program in the README runs as it stands there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
BIN = Path(sys.executable).parent

pytestmark = pytest.mark.servers


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.M | re.S)


def shell(script: str, cwd: Path, state: Path, **env: str) -> str:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=cwd,
        env={
            **os.environ,
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "SAL_STATE": str(state),
            **env,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


def test_the_readme_has_the_two_commands() -> None:
    first = [b.strip() for b in blocks("sh")[:2]]
    assert first == [
        "pip install rust-just && just demo",
        "pip install rust-just && just test",
    ]


def test_the_demo_prints_a_graded_table(state: Path) -> None:
    """`just demo` as the README has it, on two problems: CI runs `just test` itself."""
    table = shell("just demo", ROOT, state, SAL_LIMIT="2", SAL_OUT=str(state / "demo"))
    assert "| weighted" in table
    summary = json.loads((state / "demo" / "summary.json").read_text())
    assert (summary["problems"], summary["failed"], summary["budget"]) == (2, 0, 128)


def test_the_other_commands_run(tmp_path: Path, state: Path) -> None:
    rows = [
        {"completion": "so \\boxed{\\frac12}", "answer": "0.5"},
        {"completion": "so \\boxed{3}", "answer": "4"},
    ]
    (tmp_path / "completions.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    scripts = blocks("sh")[2:]
    assert len(scripts) >= 3
    try:
        for script in scripts:
            shell(script, tmp_path, state)
    finally:
        shell("sal down", tmp_path, state)
    graded = [json.loads(line) for line in (tmp_path / "graded.jsonl").read_text().splitlines()]
    assert [row["correct"] for row in graded] == [True, False]
    assert (tmp_path / "runs-out" / "my-beam" / "summary.json").exists()


def test_the_programs_in_the_readme_run(
    policy_server: str, prm_server: str, tmp_path: Path
) -> None:
    program = "".join(blocks("python"))
    urls = f"POLICY_URL, PRM_URL = {policy_server!r}, {prm_server!r}\n"
    printed = subprocess.run(
        [sys.executable, "-c", urls + program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert printed.returncode == 0, printed.stderr[-3000:]
    assert "19 by the weighted vote of " in printed.stdout
    assert printed.stdout.rstrip().endswith("\\boxed{-15}")

"""docs/clusters.md: its commands run, and what it shows is what is shown."""

from __future__ import annotations

import json
import re
import socket
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from runs_examples import recipe
from runs_terminal import environment
from test_cli_run import Sal, sal  # noqa: F401  # a fixture
from test_cli_status import KEYS
from test_runs_live import MOMENT

from sal.cli.status_json import SCHEMA
from sal.runs.folder import RunFolder
from sal.runs.live import LiveFile
from sal.runs.snapshot import InFlight, Spent
from sal.runs.status import State
from sal.runtime.usage import Usage

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/clusters.md").read_text(encoding="utf-8")


def block(name: str) -> str:
    """The fenced block behind the comment of that name."""
    return PAGE.partition(f"<!-- {name} -->\n```\n")[2].partition("```")[0]


def test_what_it_shows_of_a_run_is_what_is_shown(
    sal: Sal,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "node17")
    monkeypatch.setattr("os.getpid", lambda: 4711)
    moment = replace(
        MOMENT,
        total=200,
        done=57,
        failed=0,
        accuracy=35 / 57,
        seconds=123.0,
        eta=250.0,
        ended=1904,
        allowed=6400,
        written=212_300,
        rate=1700.0,
        policy=Usage(120_000, 116_400, 212_300, 1900),
        prm=Usage(301_000, 183_610, 0, 1800),
        in_flight=(InFlight("tiny-57", "sample", 12, 4.0, 12, Usage(0, 0, 1500, 12)),),
        retrying={},
        earlier=Spent(),
    )
    ours = recipe(strategy="best-of-n", params={"budget": 32})
    path = tmp_path / "runs-out/bon32"
    with RunFolder(path, ours, resume=False), LiveFile(path) as live:
        live.update(moment)
        shown = sal("status", "runs-out/bon32")[1]
    assert re.sub(r"heard \d+s", "heard 0s", shown) == block("status")


def test_it_names_every_state_and_every_key() -> None:
    states = set(re.findall(r"^\| `(\w+)` \|", PAGE.partition("it says")[2], re.M)) - KEYS
    assert states == set(State.__args__)  # type: ignore[attr-defined]
    table = PAGE.partition("| key of a run |")[2].partition("\n\n")[0]
    keys = [
        k for line in table.splitlines()[2:] for k in re.findall(r"`(\w+)`", line.split("|")[1])
    ]
    assert sorted(keys) == sorted(KEYS)
    assert f'"schema": {SCHEMA},' in PAGE


@pytest.mark.servers
def test_its_shards_are_searched_and_merged(
    policy_server: str, prm_server: str, tmp_path: Path
) -> None:
    models = {"SAL_POLICY": policy_server, "SAL_PRM": prm_server}
    done = subprocess.run(
        ["bash", "-e", "-c", block("shards")],
        cwd=tmp_path,
        env=environment(tmp_path / "state") | models,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert "2 of 2 runs finished, 6/6 problems, accuracy " in done.stdout
    assert "runs-out/whole: finished\n" in done.stdout
    summary = json.loads((tmp_path / "runs-out/whole/summary.json").read_text())
    shards = [
        json.loads((tmp_path / f"runs-out/shards/{i}-of-2/summary.json").read_text())
        for i in (1, 2)
    ]
    assert summary["problems"] == 6
    for role in ("policy", "prm"):
        for name, total in summary["usage"][role].items():
            assert total == sum(shard["usage"][role][name] for shard in shards)

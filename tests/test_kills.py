"""A run that is killed a hundred times ends with the table of one that nobody touched."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from runs_terminal import SAL, environment, records

from sal.runs.journal import read_records

pytestmark = pytest.mark.servers

KILLS = 100
RUNS = (
    ("dvts", "--budget", "32", "--limit", "10"),
    ("best-of-n", "--budget", "32", "--limit", "10"),
    ("rebase", "--budget", "32", "--limit", "10"),
)
"""Searched again with another seed until there were enough kills."""

STARTING = 0.2
"""The share of kills that may hit a client before it has begun to search."""


def told(row: dict[str, Any]) -> Any:
    """What must be equal. A batch decides on the last bits of a score (docs/seeds.md)."""
    completions = [
        (c["text"], c["steps"], [round(s, 4) for s in c["scores"]], c["tokens"], c["finish"],
         c["key"], c["verdict"])
        for c in row["completions"]
    ]  # fmt: skip
    policy = {
        n: row["usage"]["policy"][n] for n in ("prompt_tokens", "completion_tokens", "requests")
    }
    return (
        row["id"],
        completions,
        row["chosen"],
        row["correct"],
        row["unspent"],
        row["error"],
        policy,
    )


def rows(run: Path) -> list[Any]:
    return [told(json.loads(line)) for line in (run / "results.jsonl").read_text().splitlines()]


class Killer:
    """Starts `sal run` again and again, and kills it; `phases` counts where that hit it."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.dice = random.Random(seed)
        self.phases: Counter[str] = Counter()
        self.recalled = self.saved = 0

    @property
    def kills(self) -> int:
        return self.phases.total()

    def run(self, words: list[str], *, kill: bool) -> int:
        """One process; its exit code, -9 if it was killed."""
        run = Path(words[words.index("--resume") + 1])
        sessions = len(records(run, "session"))
        process = subprocess.Popen(
            [SAL, "run", *words],
            cwd=self.folder,
            env=environment(self.folder / "state"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        if kill:
            if self.dice.random() < STARTING:
                wait(process, lambda: False, self.dice.uniform(0.0, 1.5))
            else:
                wait(process, lambda: len(records(run, "session")) > sessions)
                wait(process, lambda: False, self.dice.uniform(0.0, 1.5))
            process.send_signal(signal.SIGKILL)
        _, said = process.communicate(timeout=240)
        assert process.returncode in (0, -signal.SIGKILL), said.decode()
        if process.returncode:
            self._count(run, sessions)
        return process.returncode

    def _count(self, run: Path, sessions: int) -> None:
        nodes = [r for path in (run / "nodes").glob("*.jsonl") for r in read_records(path)]
        if len(records(run, "session")) == sessions:
            self.phases["starting"] += 1
        elif any(r["type"] == "node" for r in nodes):
            self.phases["inside problems"] += 1
        else:
            self.phases["between"] += 1
        written = [r["node"]["tokens"] for r in nodes if r["type"] == "node"]
        self.recalled += len(written)
        self.saved += sum(written)


def wait(
    process: subprocess.Popen[bytes], until: Callable[[], bool], limit_s: float = 240.0
) -> None:
    """Until it holds, the process has ended, or the time is over."""
    deadline = time.monotonic() + limit_s
    while process.poll() is None and not until() and time.monotonic() < deadline:
        time.sleep(0.002)


def test_a_hundred_kills(
    policy_server: str, prm_server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    killer = Killer(tmp_path, seed=15)
    urls = ["--policy", policy_server, "--prm", prm_server]
    finished = 0
    while killer.kills < KILLS or finished < len(RUNS):
        seed, words = divmod(finished, len(RUNS))[0], RUNS[finished % len(RUNS)]
        again = [*words, *urls, "--seed", str(seed), "--resume"]
        run, alone = tmp_path / f"killed-{finished}", tmp_path / f"alone-{finished}"
        while killer.run([*again, str(run)], kill=killer.kills < KILLS):
            pass
        assert killer.run([*again, str(alone)], kill=False) == 0
        assert rows(run) == rows(alone), words
        # Nothing was lost, doubled, or left behind.
        ids = [row[0] for row in rows(alone)]
        assert sorted(r["row"]["id"] for r in records(run, "problem")) == sorted(ids)
        assert [p.name for p in sorted((run / "traces").iterdir())] == [
            p.name for p in sorted((alone / "traces").iterdir())
        ]
        assert list((run / "nodes").iterdir()) == []
        finished += 1
    with capsys.disabled():
        print(
            f"\n{killer.kills} kills over {finished} runs ({dict(killer.phases)}): "
            f"{killer.recalled} nodes with {killer.saved} tokens recalled"
        )
    assert killer.phases["inside problems"] > KILLS / 2

"""The commands of docs/resume.md, one after the other, as they are printed."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from runs_terminal import SAL, environment, records

pytestmark = pytest.mark.servers

PAGE = (Path(__file__).parent.parent / "docs" / "resume.md").read_text(encoding="utf-8")


def test_each_command_goes_on_with_the_same_run(
    policy_server: str, prm_server: str, tmp_path: Path
) -> None:
    commands = "\n".join(re.findall(r"```bash\n(.*?)```", PAGE, re.S)).splitlines()
    first, second, third = filter(None, commands)
    less = ["--policy", policy_server, "--prm", prm_server, "--limit", "2", "--max-tokens", "40"]
    for number, command in enumerate((first, second, third), 1):
        words = shlex.split(command)
        assert words.pop(0) == "sal"
        more = less if "dvts" in words else []
        done = subprocess.run(
            [SAL, *words, *more],
            cwd=tmp_path,
            env=environment(tmp_path / "state"),
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )
        assert done.returncode == 0, done.stderr
        assert len(records(tmp_path / "runs-out" / "mine", "problem")) == 2
        assert ("Nothing is owed" in done.stderr) == (number > 1)
    summary = json.loads((tmp_path / "runs-out" / "mine" / "summary.json").read_text())
    assert (summary["problems"], summary["owed"]) == (2, 0)

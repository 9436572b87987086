"""Scripts in the environment of a CPU server of ours."""

from __future__ import annotations

import os
import subprocess
import sys

from conftest import tiny_plan


def server_python(script: str, *arguments: str, deterministic: bool = False) -> str:
    """What a script prints there."""
    asked = ["--enable-deterministic-inference"] if deterministic else []
    env = tiny_plan(*asked).servers["policy"].env
    path = [env["PYTHONPATH"], *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env={**os.environ, **env, "PYTHONPATH": os.pathsep.join(path)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout

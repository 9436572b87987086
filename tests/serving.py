"""`sal serve` as a process of its own, on the two real servers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SAL = [sys.executable, "-c", "from sal.cli.main import main; main()", "serve"]


@contextmanager
def sal_serve(urls: tuple[str, str], folder: Path, *flags: str) -> Iterator[str]:
    """The URL that it prints. Raises AssertionError where Ctrl-C does not end it in order."""
    policy, prm = urls
    env = {name: value for name, value in os.environ.items() if not name.startswith("SAL_")}
    log = folder / "serve.log"
    with (
        log.open("w") as told,
        subprocess.Popen(
            [*_SAL, *flags, "--port", "0", "--policy", policy, "--prm", prm],
            env={**env, "SAL_STATE": str(folder / "state"), "CUDA_VISIBLE_DEVICES": ""},
            stdout=subprocess.PIPE,
            stderr=told,
            text=True,
        ) as process,
    ):
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, log.read_text()
            yield line.split()[0].removesuffix("/v1")
        finally:
            process.send_signal(signal.SIGINT)
            code = process.wait(120)
    assert code == 130, log.read_text()
    assert "Traceback" not in log.read_text()

"""A command of ours, followed while it runs: what it says last, and for how long it has run."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from typing import IO, NamedTuple

_POLL_S = 0.2


class Ended(NamedTuple):
    """How a command ended: its exit code (-N: by signal N), and the last lines that it wrote."""

    code: int
    said: str
    complained: str


def follow(
    command: Sequence[str], environment: Mapping[str, str], tell: Callable[[str, float], object]
) -> Ended:
    """Run it with `environment` beside ours; `tell` gets its last line and its seconds so far.

    It is ended when anything is raised here, such as a KeyboardInterrupt.
    """
    began = time.monotonic()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            command,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=errors,
        )
        try:
            while process.poll() is None:
                tell(_last(out), time.monotonic() - began)
                time.sleep(_POLL_S)
        finally:
            process.kill()
            process.wait()
        return Ended(process.returncode, _last(out), _last(errors))


def _last(file: IO[bytes]) -> str:
    """The last line that is not empty. What is read leaves the writer's place as it is."""
    size = os.fstat(file.fileno()).st_size
    text = os.pread(file.fileno(), 4096, max(0, size - 4096)).decode(errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""

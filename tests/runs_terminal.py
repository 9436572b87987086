"""`sal` as a process of its own: at a pseudo-terminal, watched, signalled and killed."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SAL = Path(sys.executable).with_name("sal")

# The terminal must be the process's controlling one, or Ctrl-C reaches nobody.
_AT_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


def environment(state: Path) -> dict[str, str]:
    """Without a GPU, without warm servers, and without settings of whoever runs the tests."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("SAL_") or k == "SAL_DATA"}
    return {
        **kept,
        "SAL_STATE": str(state),
        "CUDA_VISIBLE_DEVICES": "",
        "TERM": "xterm-256color",
        "PATH": f"{SAL.parent}:{os.environ['PATH']}",
    }


class Terminal:
    """A `sal` at a terminal of 70 columns; stdout is a file, as behind `>`."""

    def __init__(self, words: list[str], folder: Path) -> None:
        self.stdout = folder / "stdout"
        self._seen = b""
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 70, 0, 0))
        with self.stdout.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _AT_TERMINAL, str(SAL), *words],
                cwd=folder,
                env=environment(folder / "state"),
                stdin=slave,
                stdout=out,
                stderr=slave,
                start_new_session=True,
            )
        os.close(slave)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def press_ctrl_c(self) -> None:
        os.write(self._master, b"\x03")

    def wait(self, limit_s: float = 180.0) -> int:
        """The exit code; what was shown is complete then."""
        code = self.process.wait(limit_s)
        self._reader.join(10)
        return code

    @property
    def shown(self) -> str:
        """All that reached the terminal, its control sequences left out."""
        text = self._seen.decode(errors="replace").replace("\r", "")
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)

    def until(self, condition: Callable[[], Any], limit_s: float = 240.0) -> Any:
        """Wait for `condition` to hold; fails when the process ends before it does."""
        deadline = time.monotonic() + limit_s
        while not (found := condition()):
            assert self.process.poll() is None, f"it ended too early:\n{self.shown[-3000:]}"
            assert time.monotonic() < deadline, f"it never happened:\n{self.shown[-3000:]}"
            time.sleep(0.01)
        return found

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._master, 65536)
            except OSError:  # the last process at the terminal is gone
                data = b""
            if not data:
                os.close(self._master)
                return
            self._seen += data


def records(folder: Path, type: str) -> list[dict[str, Any]]:
    """The whole records of a type in a run's journal."""
    try:
        lines = (folder / "journal.jsonl").read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []
    return [record for record in map(json.loads, lines) if record["type"] == type]

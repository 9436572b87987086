"""Runs a server and ends it when the process that asked for it is gone, however it went.

    python -S guard.py PARENT_PID COMMAND...

Run as a file, in its own session: it imports nothing of `sal`, so it costs a few MB. A kill signal
to the parent cannot be caught there; it is noticed here. Should this guard itself be killed, the
kernel ends the server (Linux).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys

_PERIOD_S = 0.5
_GRACE_S = 2.0
_PR_SET_PDEATHSIG = 1


def _die_with_guard() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _end_group(child: subprocess.Popen[bytes]) -> None:
    os.killpg(0, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(_GRACE_S)
    os.killpg(0, signal.SIGKILL)  # the guard is of this group too: nothing runs after this


def main(parent: int, command: list[str]) -> int:
    # A handler, not SIG_IGN: the server must not inherit it. The group's SIGTERM ends the server,
    # and the guard then leaves with it.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    child = subprocess.Popen(command, preexec_fn=_die_with_guard)
    while True:
        try:
            code = child.wait(_PERIOD_S)
        except subprocess.TimeoutExpired:
            if os.getppid() != parent:
                _end_group(child)
            continue
        os.killpg(0, signal.SIGTERM)  # what the server may have left
        return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))

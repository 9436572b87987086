"""Reads from a server's log what a person needs: its last meaningful lines, its progress."""

from __future__ import annotations

import re
from pathlib import Path

_NOISE = re.compile(
    r"Ignore import error|Warning|warnings\.warn|deprecated|^Traceback|^During handling"
    r"|^The above exception|^\s|^$|SIGQUIT received|py-spy|^usage: |core ?dump"
    r"|resource_tracker|Process Process-|Process sglang"
)
_STAMP = re.compile(r"^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[^\]]*\] ?")
_PROGRESS = re.compile(r"([A-Za-z][\w .-]*?):?\s+(\d{1,3})%")


def tail(log: Path, lines: int = 6) -> str:
    """The last meaningful lines: errors and messages, no traceback frames, no known noise."""
    kept: list[str] = []
    for raw in _read(log).splitlines():
        line = _STAMP.sub("", raw.rsplit("\r", 1)[-1])
        if _NOISE.search(line) or _PROGRESS.search(line) or line in kept:
            continue
        kept.append(line.rstrip())
    return "\n".join(kept[-lines:])


def progress(log: Path) -> str:
    """What the server's own progress bar says, as "Loading shards 50%"; "" when it shows none."""
    found = _PROGRESS.findall(_read(log)[-2000:])
    return f"{found[-1][0].strip()} {found[-1][1]}%" if found else ""


def _read(log: Path) -> str:
    try:
        with log.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - 65536))
            return file.read().decode(errors="replace")
    except OSError:
        return ""

"""What a run tells of itself while it searches: `live.json` in its folder, for `sal status`."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sal.runs.encoding import json_bytes
from sal.runs.snapshot import InFlight, Snapshot, Spent
from sal.runtime.retries import Retrying
from sal.runtime.usage import Usage

NAME, UNFINISHED = "live.json", ".live.json.tmp"
PERIOD_S = 1.0
FINISHED, INTERRUPTED, TIME_LIMIT = "finished", "interrupted", "time limit"


@dataclass(frozen=True, slots=True)
class Live:
    """A session of a run, as it was `written` last, in seconds since 1970 as `began` is.

    `snapshot` is None before the search begins, and never has `finished`. `ended` is "" while it
    lives; it stays so when it is killed. Else it is `FINISHED`, `INTERRUPTED`, `TIME_LIMIT`, or the
    error that ended it.
    """

    pid: int
    host: str
    began: float
    written: float
    snapshot: Snapshot | None = None
    ended: str = ""


class LiveFile:
    """The writer of `live.json`; while entered, its session lives.

    Written about once a second, whole or not at all. It never fails the run: what cannot be
    written is let go.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = folder / NAME
        self._clock = clock
        self._live = Live(os.getpid(), socket.gethostname(), clock(), clock())

    def update(self, snapshot: Snapshot) -> None:
        """Tell this moment; may be called as often as there is one."""
        due = self._live.snapshot is None or self._clock() - self._live.written >= PERIOD_S
        self._live = replace(self._live, snapshot=replace(snapshot, finished=()))
        if due:
            self._write()

    def end(self, how: str) -> None:
        """Tell how the session ended, with its last moment."""
        self._live = replace(self._live, ended=how)
        self._write()

    def __enter__(self) -> Self:
        self._write()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            if not self._live.ended:
                self.end(FINISHED)
        elif isinstance(error, KeyboardInterrupt):
            self.end(INTERRUPTED)
        else:
            self.end(" ".join(str(error).split()) or type(error).__name__)

    def _write(self) -> None:
        self._live = replace(self._live, written=self._clock())
        unfinished = self._path.with_name(UNFINISHED)
        with suppress(OSError):
            unfinished.write_bytes(json_bytes(_as_json(self._live)))
            os.replace(unfinished, self._path)


def read_live(folder: Path) -> Live | None:
    """The last session of the run there; None where nothing (or nothing readable) tells of it."""
    try:
        content = json.loads((folder / NAME).read_bytes())
        snapshot = content["snapshot"]
        known = _known(Live, content) | {"snapshot": snapshot and _snapshot(snapshot)}
        return Live(**known)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def _as_json(live: Live) -> dict[str, Any]:
    content = asdict(live)
    if live.snapshot is not None:
        retrying = {name: r._asdict() for name, r in live.snapshot.retrying.items()}
        content["snapshot"]["retrying"] = retrying
    return content


def _snapshot(content: Mapping[str, Any]) -> Snapshot:
    known = _known(Snapshot, content)
    return Snapshot(
        **known
        | _usages(content)
        | {
            "in_flight": tuple(
                InFlight(**_known(InFlight, item) | _usages(item)) for item in content["in_flight"]
            ),
            "finished": (),
            "retrying": {name: Retrying(**of) for name, of in content["retrying"].items()},
            "earlier": Spent(**_known(Spent, content["earlier"]) | _usages(content["earlier"])),
        }
    )


def _usages(content: Mapping[str, Any]) -> dict[str, Usage]:
    return {role: Usage(**content[role]) for role in ("policy", "prm")}


def _known(kind: type[Any], content: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a dataclass; those of a later version are passed over."""
    return {f.name: content[f.name] for f in fields(kind) if f.name in content}

"""What the tests of SGLang's contract share: their sentences, and Python as a server runs it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable
from functools import wraps
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple, ParamSpec

import pytest

PAGE = Path(__file__).parent.parent / "docs" / "upgrading-sglang.md"

P = ParamSpec("P")


class Row(NamedTuple):
    """What SGLang does, the files of ours that rely on it, and where it does so."""

    thing: str
    users: str
    look: str


def rows() -> dict[str, Row]:
    """The tables of docs/upgrading-sglang.md, by the names of their tests."""
    found = re.findall(r"^\| (.+?) \| (.+?) \| (.+?) \| `(test_\w+)` \|$", PAGE.read_text(), re.M)
    return {name: Row(thing, users, look) for thing, users, look, name in found}


def contract(test: Callable[P, None]) -> Callable[P, None]:
    """A test that fails with its row of the page, as a sentence."""

    @wraps(test)
    def told(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            test(*args, **kwargs)
            return
        except (Exception, pytest.fail.Exception) as error:
            found = f"{type(error).__name__}: {error}"
        row = rows()[test.__name__]
        pytest.fail(
            f"SGLang {version('sglang')} changed what sal relies on: {row.thing}. "
            f"Used by {row.users}; look at {row.look} of sglang. Found: {found}",
            pytrace=False,
        )

    return told


class ServerPython:
    """A Python process in a server's environment; what it imports is imported once."""

    def __init__(self, environment: dict[str, str]) -> None:
        paths = [environment.get("PYTHONPATH"), os.environ.get("PYTHONPATH")]
        env = {**os.environ, **environment, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
        self._process = subprocess.Popen(
            [sys.executable, "-c", _LOOP],
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def run(self, code: str, **given: Any) -> Any:
        """Execute `code` with the names `given`, and return what it calls `found`.

        Raises RuntimeError with the words of what goes wrong there.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([textwrap.dedent(code), given]) + "\n")
        self._process.stdin.flush()
        found, wrong = json.loads(self._process.stdout.readline())
        if wrong:
            raise RuntimeError(wrong)
        return found

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


_LOOP = """
import json, os, sys, traceback
replies = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
for line in sys.stdin:
    code, scope = json.loads(line)
    try:
        exec(code, scope)
        reply = json.dumps([scope["found"], ""])
    except BaseException as wrong:
        reply = json.dumps([None, "".join(traceback.format_exception_only(wrong)).strip()])
    print(reply, file=replies, flush=True)
"""

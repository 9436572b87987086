"""A grading function of the user's own: found by `module:function`, called in a worker process.

It is code that nobody here has read: whatever it does, a call comes to a value or to a fault in
words.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from sal.grading.names import GraderError
from sal.grading.worker import SoftTimeout, alarm


@dataclass(frozen=True, slots=True)
class UserFunction:
    """`digest` is of the file that it stands in, "" where there is none; `has_key` tells whether
    it brings a key for votes, a function in its attribute `key`."""

    name: str
    folder: str
    digest: str
    has_key: bool


@dataclass(frozen=True, slots=True)
class Called:
    """What a call came to: a value, or None and the fault."""

    value: bool | str | None
    fault: str = ""


def find_function(name: str) -> UserFunction:
    """The function `module:function`, looked for in the current folder first.

    The module is imported. Raises `GraderError` where there is no such function of two texts.
    """
    folder = os.getcwd()
    try:
        function = _load(name, folder)
    except (GraderError, KeyboardInterrupt):
        raise
    except BaseException as error:  # SystemExit, too
        raise GraderError(f"{name}: its module cannot be imported: {_fault(error)}") from error
    key = getattr(function, "key", None)
    if not _takes(function, 2):
        raise GraderError(f"{name}: not a function of a completion and the right answer")
    if key is not None and not _takes(key, 1):
        raise GraderError(f"{name}: its key is not a function of a completion")
    source = getattr(sys.modules[name.partition(":")[0]], "__file__", None)
    digest = hashlib.sha256(Path(source).read_bytes()).hexdigest()[:16] if source else ""
    return UserFunction(name, folder, digest, key is not None)


def _takes(function: Any, arguments: int) -> bool:
    """Whether it can be called with so many texts, as far as can be told."""
    try:
        inspect.signature(function).bind(*[""] * arguments)
    except TypeError:
        return False
    except ValueError:  # built in, and its arguments are not known
        return callable(function)
    return True


@lru_cache(maxsize=8)
def _load(name: str, folder: str) -> Callable[..., Any]:
    module, _, path = name.partition(":")
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        with redirect_stdout(sys.stderr):  # what it prints does not mix with results
            found: Any = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise  # of another module, which this one imports
        raise GraderError(f"{name}: no module {module!r} in {folder}, or installed") from error
    for part in path.split("."):
        if not hasattr(found, part):
            raise GraderError(f"{name}: the module {module!r} has no {path!r}")
        found = getattr(found, part)
    if not callable(found):
        raise GraderError(f"{name}: not a function, but a {type(found).__name__}")
    loaded: Callable[..., Any] = found
    return loaded


def verdicts(
    pairs: Sequence[tuple[str, str]], soft_seconds: float, *, name: str, folder: str
) -> list[Called]:
    """In a worker: whether each completion is right, by (completion, gold)."""

    def verdict(completion: str, gold: str) -> bool:
        right: bool = _load(name, folder)(completion, gold)
        return bool(right) if type(right).__name__ in ("bool", "bool_") else right  # NumPy's, too

    return [_call(verdict, pair, bool, "True or False", soft_seconds) for pair in pairs]


def keys(texts: Sequence[str], soft_seconds: float, *, name: str, folder: str) -> list[Called]:
    """In a worker: the key of each completion."""

    def key(completion: str) -> str:
        function: Any = _load(name, folder)
        found: str = function.key(completion)
        return found

    return [_call(key, (text,), str, "a text", soft_seconds) for text in texts]


def _call(
    function: Callable[..., Any],
    arguments: Sequence[str],
    kind: type[bool] | type[str],
    wanted: str,
    soft_seconds: float,
) -> Called:
    try:
        with alarm(soft_seconds), redirect_stdout(sys.stderr):
            value: bool | str = function(*arguments)
        if not isinstance(value, kind):
            return Called(None, f"returned a {type(value).__name__}, not {wanted}")
        return Called(value)
    except SoftTimeout:
        return Called(None, TOOK_TOO_LONG)
    except BaseException as error:  # SystemExit, too
        return Called(None, _fault(error))


TOOK_TOO_LONG = "took too long"


def _fault(error: BaseException) -> str:
    try:
        said = " ".join(str(error).split())[:200]
    except Exception:
        said = ""
    kind = type(error).__name__
    return f"{kind}: {said}" if said else kind

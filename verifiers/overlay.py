"""A folder that stock SGLang serves, of a checkpoint whose head it does not know by its name.

Links to the checkpoint's files, another config.json, and one small file with the head as SGLang
wants it. A file is copied only if a tensor in it must be left out. Overlays live in sal's state
folder, are made once, and are made anew when the checkpoint is another.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sal.runtime.model_files import local_folder
from sal.runtime.tensor_bytes import (
    Array,
    copy_without,
    link,
    read_float,
    stored_names,
    write_floats,
)
from sal.runtime.warm_servers import state_folder
from sal.runtime.weight_files import weight_files

_INDEX = "model.safetensors.index.json"
_HEAD = "sal-head.safetensors"
_LEFT_OUT = ("config.json", _INDEX)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model's folder and its safetensors files."""

    folder: Path
    files: tuple[Path, ...]

    @classmethod
    def of(cls, model: str) -> Checkpoint | None:
        """Where its weights are here; raises ValueError where they are of another kind."""
        folder = local_folder(model)
        files = weight_files(folder) if folder else []
        if folder is None or not files:
            return None
        if any(file.suffix != ".safetensors" for file in files):
            kinds = ", ".join(sorted({file.suffix for file in files}))
            raise ValueError(
                f"the weights of {model} are {kinds} files, and its head is read from safetensors: "
                "save the model anew with save_pretrained(..., safe_serialization=True)"
            )
        return cls(folder, tuple(files))

    def read(self, name: str) -> Array | None:
        """A tensor of floats, None where there is none of that name."""
        for file in self.files:
            if name in stored_names(file):
                return read_float(file, name)
        return None


def make_overlay(
    checkpoint: Checkpoint, config: Mapping[str, Any], head: Mapping[str, Array]
) -> Path:
    """The overlay of `checkpoint` with this config.json, and with `head` in place of its own.

    Raises OSError when the state folder cannot be written.
    """
    digest = _digest(checkpoint, config, head)
    place = state_folder() / "overlays" / f"{checkpoint.folder.name}-{digest[:16]}"
    if _whole(place):
        return place
    shutil.rmtree(place, ignore_errors=True)
    making = place.with_name(f".{place.name}.{os.getpid()}")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    try:
        _fill(making, checkpoint, config, head)
        making.replace(place)
    except OSError:
        if not _whole(place):  # another process may have made it meanwhile
            raise
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return place


def _whole(place: Path) -> bool:
    return (place / "config.json").is_file() and all(p.exists() for p in place.iterdir())


def _fill(
    place: Path, checkpoint: Checkpoint, config: Mapping[str, Any], head: Mapping[str, Array]
) -> None:
    for source in sorted(checkpoint.folder.iterdir()):
        if source.name in _LEFT_OUT or source.suffix == ".py" or source.is_dir():
            continue
        if source in checkpoint.files and stored_names(source) & head.keys():
            copy_without(source, place / source.name, head.keys())
        else:
            link(source, place / source.name)
    if head:
        write_floats(place / _HEAD, head)
    if (checkpoint.folder / _INDEX).is_file():
        index = json.loads((checkpoint.folder / _INDEX).read_text("utf-8"))
        index["weight_map"].update(dict.fromkeys(head, _HEAD))
        (place / _INDEX).write_text(json.dumps(index), "utf-8")
    (place / "config.json").write_text(json.dumps(config, indent=2), "utf-8")


def _digest(checkpoint: Checkpoint, config: Mapping[str, Any], head: Mapping[str, Array]) -> str:
    """Of all that an overlay is made of; large files by name, size and time."""
    digest = hashlib.sha256(json.dumps([str(checkpoint.folder.resolve()), config]).encode())
    for file in checkpoint.files:
        told = file.stat()
        digest.update(f"{file.name} {told.st_size} {told.st_mtime_ns}".encode())
    for name, array in head.items():
        digest.update(name.encode() + array.tobytes())
    return digest.hexdigest()

"""Safetensors files by their bytes: one tensor out of one, or some left out. No torch is needed.

A file is an 8-byte little-endian length, a JSON header of that length, and the tensors' data, of
which the header names the offsets.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Container, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

_CHUNK = 16 << 20


def stored_names(path: Path) -> set[str]:
    """The tensors of a file. Raises OSError, or ValueError for a file that is none."""
    with path.open("rb") as file:
        return set(_header(file, path)[0])


def read_float(path: Path, name: str) -> Array:
    """A tensor of floats. Raises KeyError where it is not there, ValueError for other numbers."""
    with path.open("rb") as file:
        header, start = _header(file, path)
        told = header[name]
        begin, end = told["data_offsets"]
        file.seek(start + begin)
        data = file.read(end - begin)
    kind = told["dtype"]
    if kind == "BF16":  # the upper half of a float32
        flat = (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)
    elif kind in ("F16", "F32"):
        flat = np.frombuffer(data, f"<f{2 if kind == 'F16' else 4}").astype(np.float32)
    else:
        raise ValueError(f"{name} in {path} holds {kind}, not floats")
    return flat.reshape(told["shape"])


def write_floats(path: Path, arrays: Mapping[str, Array]) -> None:
    """A file with these tensors."""
    header: dict[str, Any] = {}
    at = 0
    for name, array in arrays.items():
        header[name] = {
            "dtype": "F32",
            "shape": list(array.shape),
            "data_offsets": [at, at + array.nbytes],
        }
        at += array.nbytes
    with path.open("wb") as file:
        _write_header(file, header)
        for array in arrays.values():
            file.write(np.ascontiguousarray(array, "<f4").tobytes())


def copy_without(source: Path, target: Path, names: Container[str]) -> None:
    """`source` but for the tensors of these names; the data is copied as it is."""
    with source.open("rb") as file, target.open("wb") as out:
        header, start = _header(file, source)
        kept = {name: dict(told) for name, told in header.items() if name not in names}
        spans, at = [], 0
        for told in kept.values():
            begin, end = told["data_offsets"]
            spans.append((begin, end))
            told["data_offsets"] = [at, at + end - begin]
            at += end - begin
        _write_header(out, kept)
        for begin, end in spans:
            file.seek(start + begin)
            left = end - begin
            while left:
                data = file.read(min(left, _CHUNK))
                if not data:
                    raise ValueError(f"{source} ends before its tensors do")
                out.write(data)
                left -= len(data)


def link(source: Path, target: Path) -> None:
    """A link to the file that `source` is, or a copy where there are no links."""
    try:
        target.symlink_to(source.resolve())
    except OSError:
        shutil.copyfile(source, target)


def _header(file: IO[bytes], path: Path) -> tuple[dict[str, Any], int]:
    """What a file holds, and where its data begins."""
    try:
        length = int.from_bytes(file.read(8), "little")
        header: dict[str, Any] = json.loads(file.read(length))
        header.pop("__metadata__", None)
    except (ValueError, AttributeError, MemoryError, OverflowError) as error:
        raise ValueError(f"{path}: not a safetensors file") from error
    return header, 8 + length


def _write_header(file: IO[bytes], header: Mapping[str, Any]) -> None:
    """Padded with spaces to a multiple of 8, as readers want their data aligned."""
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    text += b" " * (-len(text) % 8)
    file.write(len(text).to_bytes(8, "little") + text)

"""The tensors of a model's weight files, by their headers: no weights are read.

A file that holds the same weights once more is passed over: an index tells which files are the
model's, and without one `consolidated` (Mistral's own layout) and `adapter` files are left out.
"""

from __future__ import annotations

import json
import math
import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_KINDS = (
    ("model.safetensors.index.json", "*.safetensors"),
    ("pytorch_model.bin.index.json", "pytorch_model*.bin"),
    ("", "*.gguf"),
)
_NOT_THE_MODEL = ("consolidated", "adapter")


@dataclass(frozen=True, slots=True)
class Tensor:
    """`dtype` is the file's own name for it, such as F32, torch.float16 or Q4_1.

    A GGUF's `shape` is in the order of PyTorch, and of the weights, not of their packed blocks.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str

    @property
    def size(self) -> int:
        return math.prod(self.shape)


def weight_files(model: Path) -> list[Path]:
    """The files that make up the model in a folder, or a GGUF by itself; [] where none do.

    Safetensors go before .bin, and these before GGUF. A folder with several GGUFs holds several
    models, unless they are the parts of one. Files that an index names and that are not here make
    the model incomplete: [].
    """
    if model.is_file():
        return [model] if model.suffix == ".gguf" else []
    for index, pattern in _KINDS:
        found = sorted(model.glob(pattern))
        if index and (model / index).is_file():
            named = set(json.loads((model / index).read_text("utf-8"))["weight_map"].values())
            whole = named <= {file.name for file in found}
            found = [file for file in found if file.name in named] if whole else []
        elif len(found) > 1:
            found = [file for file in found if not file.name.startswith(_NOT_THE_MODEL)]
        if pattern == "*.gguf" and len(found) > 1 and not _parts_of_one(found):
            return []
        if found:
            return found
    return []


def indexed_bytes(model: Path) -> int:
    """Bytes of the weights as an index in the folder tells, whether or not they are here; else 0.

    Raises OSError or ValueError for an index that is none.
    """
    for index, _ in _KINDS:
        if index and (model / index).is_file():
            told = json.loads((model / index).read_text("utf-8")).get("metadata") or {}
            return int(told.get("total_size") or 0)
    return 0


def _parts_of_one(files: list[Path]) -> bool:
    """`name-00001-of-00003.gguf` and on."""
    heads = {file.stem.rpartition("-of-")[0].rpartition("-")[0] for file in files}
    return len(heads) == 1 and "" not in heads


def read_tensors(files: list[Path]) -> list[Tensor]:
    """The tensors in `files`. Raises OSError or ValueError for a file that is not what it says."""
    readers = {".safetensors": _safetensors, ".bin": _pytorch, ".gguf": _gguf}
    return [tensor for file in files for tensor in readers[file.suffix](file)]


def _safetensors(path: Path) -> Iterator[Tensor]:
    """An 8-byte little-endian length, then JSON."""
    try:
        with open(path, "rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        for name, tensor in header.items():
            if name != "__metadata__":
                yield Tensor(name, tuple(tensor["shape"]), tensor["dtype"])
    except (AttributeError, KeyError, TypeError, MemoryError, OverflowError) as error:
        raise ValueError(f"{path}: not a safetensors file") from error


def _pytorch(path: Path) -> Iterator[Tensor]:
    """PyTorch's own reader on its device without memory, which unpickles nothing but tensors."""
    import torch

    try:
        state = torch.load(path, map_location="meta", weights_only=True, mmap=True)
        tensors = [Tensor(k, tuple(v.shape), str(v.dtype)) for k, v in state.items()]
    except (RuntimeError, pickle.UnpicklingError, AttributeError, EOFError) as error:
        raise ValueError(f"{path}: not a file of PyTorch tensors") from error
    yield from tensors


def _gguf(path: Path) -> Iterator[Tensor]:
    for tensor in gguf_reader(path).tensors:
        shape = tuple(int(n) for n in reversed(tensor.shape))
        yield Tensor(tensor.name, shape, tensor.tensor_type.name)


def gguf_reader(path: Path) -> Any:
    """The `gguf` package's view of a file, mapped and not read."""
    from gguf import GGUFReader

    return GGUFReader(path)

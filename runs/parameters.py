"""How many parameters a model has, from the headers of its weight files."""

from __future__ import annotations

import json
import math
from pathlib import Path


def count_parameters(folder: Path | None) -> int | None:
    """The sum over all tensors in `folder`'s safetensors files; None when there is none to read.

    Only headers are read (an 8-byte little-endian length, then JSON), whatever the weights' size.
    """
    files = sorted(folder.glob("*.safetensors")) if folder else []
    if not files:
        return None
    try:
        return sum(_in_file(file) for file in files)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _in_file(path: Path) -> int:
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return sum(
        math.prod(tensor["shape"]) for name, tensor in header.items() if name != "__metadata__"
    )

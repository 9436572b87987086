"""Which weights a model has."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from sal.runtime.model_files import is_url, local_files
from sal.runtime.weight_files import weight_files


def weights_digest(model: str) -> str | None:
    """SHA-256 of a model's weight files; None where they are not here.

    Of one file it is that file's own, as `sha256sum` tells it; of several it is that of the lines
    that `sha256sum` prints for them, in the order of their names.
    """
    place = None if is_url(model) else local_files(model)
    sums = {file.name: _sum_of(file) for file in weight_files(place)} if place else {}
    if len(sums) < 2:
        return next(iter(sums.values()), None)
    lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(sums.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def _sum_of(file: Path) -> str:
    stored = file.resolve().name  # the Hub's cache names a large file by its SHA-256
    if re.fullmatch("[0-9a-f]{64}", stored):
        return stored
    with open(file, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()

"""The models that serve when none is named: the tiny suite, where this install carries it."""

from __future__ import annotations

import importlib
from pathlib import Path


def default_models(policy: str | None, prm: str | None) -> tuple[str | None, str | None]:
    """What the user named; when nothing, the tiny policy and PRM (None where they are absent)."""
    if policy is not None or prm is not None:
        return policy, prm
    try:
        paths = importlib.import_module("sal.tiny.paths")
    except ImportError:
        return None, None
    folders = [Path(paths.POLICY), Path(paths.PRM)]
    found = [str(folder) if folder.is_dir() else None for folder in folders]
    return found[0], found[1]

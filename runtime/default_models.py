"""The models that serve when none is named: the tiny suite, where this install carries it."""

from __future__ import annotations

import importlib
from pathlib import Path

TINY = "tiny"


def default_models(policy: str | None, prm: str | None) -> tuple[str | None, str | None]:
    """What the user named; when nothing, the tiny policy and PRM.

    The tiny ones come as their folders, None where they are absent.
    """
    if policy is None and prm is None:
        policy = prm = TINY
    return _folder(policy, "POLICY"), _folder(prm, "PRM")


def _folder(model: str | None, path: str) -> str | None:
    if model != TINY:
        return model
    try:
        folder = Path(getattr(importlib.import_module("sal.tiny.paths"), path))
    except ImportError:
        return None
    return str(folder) if folder.is_dir() else None

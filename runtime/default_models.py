"""The models that serve when none is named: the tiny suite, where this install carries it."""

from __future__ import annotations

import importlib
from contextlib import suppress
from pathlib import Path

from sal.runtime.made_models import is_made, made
from sal.runtime.model_files import NoModelFiles

TINY = "tiny"


def default_models(policy: str | None, prm: str | None) -> tuple[str | None, str | None]:
    """What the user named; when nothing, the tiny policy and PRM.

    The tiny ones come as their folders, None where they are absent, and models that are made
    (`runtime.made_models`) as theirs, once they are.
    """
    if policy is None and prm is None:
        policy = prm = TINY
    return _folder(policy, "policy"), _folder(prm, "prm")


def _folder(model: str | None, role: str) -> str | None:
    if model is not None and is_made(model):
        with suppress(NoModelFiles):  # whoever makes or serves it will say
            model = str(made(model) or model)
    try:
        names = importlib.import_module("sal.tiny.paths").NAMES[role]
    except ImportError:
        return None if model == TINY else model
    folder: Path | None = names.get(model)
    if folder is None:
        return model
    return str(folder) if folder.is_dir() else None

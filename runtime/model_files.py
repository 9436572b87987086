"""Finds a model's files: a folder, the Hub's cache, or the Hub."""

from __future__ import annotations

import urllib.error
import urllib.request
from functools import cache
from pathlib import Path

_HUB_LIMIT_S = 3.0


class NoModelFiles(ValueError):
    """A model's files cannot be had; the message says why and what would help, in one sentence."""


def is_url(model: str) -> bool:
    """Whether the user named an endpoint instead of a model."""
    return model.startswith(("http://", "https://"))


def canonical(model: str) -> str:
    """A folder as an absolute path; a Hub name as it is."""
    folder = Path(model).expanduser()
    return str(folder.resolve()) if folder.is_dir() else model


def local_folder(model: str) -> Path | None:
    """The folder that holds the model here, or None: a Hub name that was never downloaded."""
    folder = Path(model).expanduser()
    if folder.is_dir():
        return folder
    config = cached_file(model, "config.json")
    return config.parent if config else None


def local_files(model: str) -> Path | None:
    """`local_folder`, or the one file that a model is (a GGUF)."""
    file = Path(model).expanduser()
    return file if file.is_file() else local_folder(model)


def cached_file(model: str, name: str) -> Path | None:
    """A Hub model's file from the local cache, or None."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(model, name)
    except (HFValidationError, OSError):
        return None
    return Path(found) if isinstance(found, str) else None


def local_file(model: str, name: str) -> Path | None:
    """A file of the model in its folder or in the Hub's cache, or None."""
    folder = Path(model).expanduser()
    if folder.is_dir():
        return folder / name if (folder / name).is_file() else None
    return cached_file(model, name)


def on_the_hub(model: str) -> bool:
    """Whether `model` can be a Hub name; a folder of another machine is none."""
    return model.count("/") <= 1 and ":" not in model and not model.startswith((".", "/", "~"))


@cache
def _hub_answers() -> bool:
    """Whether the Hub can be reached: one short attempt, where a download makes five long ones."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    asked = urllib.request.Request(constants.ENDPOINT, method="HEAD")  # noqa: S310
    try:
        with urllib.request.urlopen(asked, timeout=_HUB_LIMIT_S):  # noqa: S310
            return True
    except urllib.error.HTTPError:
        return True
    except (OSError, ValueError):
        return False


def model_file(model: str, name: str) -> Path | None:
    """A file of the model, downloaded from the Hub if it must be; None if it cannot be had."""
    found = local_file(model, name)
    if found is not None or Path(model).expanduser().is_dir():
        return found
    if not on_the_hub(model) or not _hub_answers():
        return None
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(model, name))
    except Exception:  # offline, gated, absent, not a repository name: the caller does without
        return None

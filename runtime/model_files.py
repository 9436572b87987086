"""Finds a model's files: a folder, the Hub's cache, or the Hub."""

from __future__ import annotations

from pathlib import Path


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


def model_file(model: str, name: str) -> Path | None:
    """A file of the model, downloaded from the Hub if it must be; None if it cannot be had."""
    found = local_file(model, name)
    if found is not None or Path(model).expanduser().is_dir():
        return found
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(model, name))
    except Exception:  # offline, gated, absent, not a repository name: the caller does without
        return None

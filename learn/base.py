"""The model that a training begins with."""

from __future__ import annotations

from sal.learn.errors import TrainError
from sal.runs.endpoints import model_location
from sal.runtime.model_files import NoModelFiles, is_url


def base_model(said: str) -> str:
    """Its folder or Hub name; raises `TrainError` for an address, and for a file that is none."""
    if is_url(said):
        raise TrainError(f"--base {said}: an address; name a model's folder or Hub name")
    try:
        return str(model_location(said, "policy"))
    except NoModelFiles as error:
        raise TrainError(f"--base {said}: {error}") from error

"""A model of the Hub that cannot be had: why, and what to do, in one sentence, before any start.

SGLang says it after half a minute, in a traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sal.runtime.endpoint_errors import LaunchError
from sal.runtime.model_files import cached_file, is_url, on_the_hub
from sal.runtime.weight_files import weight_files

if TYPE_CHECKING:
    from huggingface_hub import HfApi

LIMIT_S = 10.0
_NAMES = 3
_LISTED = 100
_CONFIGS = ("config.json", "adapter_config.json")


class ModelUnavailable(LaunchError):
    """The message is one sentence with the remedy."""


def check_available(model: str) -> None:
    """Return when `model` is a folder, a file, a URL, in the cache whole, or on the Hub for us.

    Raises `ModelUnavailable`. What is whole in the cache is not asked about.
    """
    if is_url(model) or Path(model).expanduser().exists() or _whole(model):
        return
    from huggingface_hub import HfApi, constants, hf_hub_download

    if not on_the_hub(model):
        raise ModelUnavailable(f"there is no model folder {model}")
    if constants.HF_HUB_OFFLINE:
        raise ModelUnavailable(_offline(model, "HF_HUB_OFFLINE is set"))
    api = HfApi(endpoint=constants.ENDPOINT)
    with _explained(api, model):
        files = {file.rfilename for file in api.model_info(model, timeout=LIMIT_S).siblings or ()}
        name = next((name for name in _CONFIGS if name in files), None)
        if name is not None:  # a gated model shows its names to all, and its files to few
            hf_hub_download(model, name, etag_timeout=LIMIT_S, endpoint=constants.ENDPOINT)
    if name == "adapter_config.json":
        raise ModelUnavailable(f"{model} is a LoRA adapter: fetch it (hf download {model}) first")
    if name is None:
        has = (
            "GGUF files alone: give one of them"
            if any(name.endswith(".gguf") for name in files)
            else "no config.json: it is no model that SGLang can serve"
        )
        raise ModelUnavailable(f"{model} has {has}")


def _whole(model: str) -> bool:
    """Whether the Hub's cache holds config and weights."""
    config = cached_file(model, "config.json")
    try:
        return config is not None and bool(weight_files(config.parent))
    except (OSError, ValueError, KeyError, TypeError):
        return False


@contextmanager
def _explained(api: HfApi, model: str) -> Iterator[None]:
    """What `huggingface_hub` raises within, as `ModelUnavailable`."""
    import httpx
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        RepositoryNotFoundError,
    )

    try:
        yield
    except GatedRepoError:
        raise ModelUnavailable(_gated(api, model)) from None
    except RepositoryNotFoundError:
        raise ModelUnavailable(_missing(api, model)) from None
    except HFValidationError:
        raise ModelUnavailable(
            f"{model} is no folder here and no name on the Hub (OWNER/NAME)"
        ) from None
    except HfHubHTTPError as error:
        status = error.response.status_code
        if status in (401, 403):
            said = f"the Hub refuses {model} (HTTP {status}): log in anew with hf auth login"
        else:
            said = f"the Hub answers HTTP {status} for {model}: try again later, or give its folder"
        raise ModelUnavailable(said) from None
    except (httpx.HTTPError, OSError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ModelUnavailable(_offline(model, f"the Hub cannot be reached: {reason}")) from None


def _gated(api: HfApi, model: str) -> str:
    from huggingface_hub import get_token

    then = (
        "and wait until its owners let you in: the account of your token is not in yet"
        if get_token()
        else "then log in here (hf auth login, or HF_TOKEN)"
    )
    return f"{model} is gated: accept its licence at {api.endpoint}/{model}, {then}"


def _missing(api: HfApi, model: str) -> str:
    from huggingface_hub import get_token

    near = nearest(api, model)
    also = f"; near it: {', '.join(near)}" if near else ""
    private = "" if get_token() else ", or it is private and you are not logged in (hf auth login)"
    return f"there is no folder {model} here, and no such model on the Hub{private}{also}"


def nearest(api: HfApi, model: str) -> list[str]:
    """The names on the Hub that are most like `model`: of its name, else of its owner."""
    owner, _, name = model.rpartition("/")
    found: list[str] = []
    try:
        found = [info.id for info in api.list_models(search=name, limit=_LISTED)]
        if not found and owner:
            found = [info.id for info in api.list_models(author=owner, limit=_LISTED)]
    except Exception:  # a name that is only a help
        return []
    return difflib.get_close_matches(model, found, n=_NAMES, cutoff=0.5)


def _offline(model: str, why: str) -> str:
    from huggingface_hub import constants

    folder = Path(constants.HF_HUB_CACHE) / f"models--{model.replace('/', '--')}"
    return (
        f"{model} is not whole in this machine's cache, and {why}: where the Hub can be reached, "
        f"run hf download {model} and copy its folder there to {folder}, or give a folder"
    )

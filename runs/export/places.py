"""What an export leaves out: keys, and where things were on the machine of the run."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from sal.runs.recipe import Recipe

HIDDEN = "[hidden]"
ADDRESS = "[address]"
_SECRET = {"key", "keys", "token", "secret", "password", "passwd", "auth", "authorization"}
_URL = re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s'\"<>()]*[^\s'\"<>().,:;]")
_PATH = re.compile(r"(?<![\w/.~])~?/(?:[^\s/'\"<>():,;]+/)+([^\s/'\"<>():,;]+)")


def without_places(text: str) -> str:
    """A message without addresses, and with the names alone of files that it has paths of."""
    return _PATH.sub(r"\1", _URL.sub(ADDRESS, text))


def public_recipe(recipe: Recipe) -> Recipe:
    """What others need to run it again.

    A folder or file of this machine is its last name. An endpoint given as a URL is the model that
    it served. Arguments of servers whose names tell of a secret lose their values.
    """
    served = {
        role: {key: _name(value) for key, value in of.items()} for role, of in recipe.served.items()
    }
    models = {
        role: ADDRESS if "://" in model else _name(model)
        for role, model in (("policy", recipe.policy), ("prm", recipe.prm))
        if model is not None
    }
    for role, of in served.items():
        if models.get(role) == ADDRESS and of.get("model_path"):
            models[role] = of["model_path"]
    return replace(
        recipe,
        policy=models["policy"],
        prm=models.get("prm"),
        dataset=_name(recipe.dataset),
        policy_args=_arguments(recipe.policy_args),
        prm_args=_arguments(recipe.prm_args),
        served=served,
    )


def last_name(model: str) -> str:
    """`Llama-3.2-1B-Instruct` of `meta-llama/Llama-3.2-1B-Instruct`."""
    return model.rstrip("/").rpartition("/")[2] or model


def shown_name(text: str) -> str:
    """What was named on this machine: of a file or folder its last name, of an address nothing."""
    return last_name(text) if Path(text).expanduser().exists() else _name(text)


def _name(text: str) -> str:
    """Of a path of this machine its last name; a name on the Hub and any other word as it is."""
    if "://" in text:
        return ADDRESS
    return last_name(text) if text.startswith(("/", "~", "./", "../")) else text


def _arguments(arguments: Iterable[str]) -> tuple[str, ...]:
    """`--api-key=x` and `--api-key x` lose the x."""
    shown: list[str] = []
    secret = False
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if not argument.startswith("-"):
            shown.append(HIDDEN if secret else _name(argument))
            secret = False
            continue
        secret = bool(_SECRET & set(re.split(r"[-_]", name.lower())))
        shown.append(name + (equals and "=" + (HIDDEN if secret else _name(value))))
        secret = secret and not equals
    return tuple(shown)

"""Everything that determines a run's results, written to `recipe.yaml`."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import yaml

from sal import __version__
from sal.grading.names import MATH
from sal.runs.errors import FolderError

NOT_RESULTS = frozenset({"versions", "sampling", "aggregate", "cache", "preset"})
"""Recorded, but not compared: a run may be resumed after an upgrade."""

UNKNOWN_BEFORE = {
    "shard": None,
    "choices_field": None,
    "grader": MATH,
    "grader_digest": "",
    "prompt_template": None,
    "thinking": None,
}
"""Keys that recipes did not always have, and what they did without them."""

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's is several times as fast, which is felt where hundreds of runs are listed."""


class Readable(yaml.SafeDumper):
    """Texts of several lines as blocks, where YAML can write them so."""


def _style(text: str) -> str | None:
    if "\n" not in text:
        return None
    return "|" if text.strip() else '"'


Readable.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style=_style(text)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A fully resolved run. `params` are the strategy's own, defaults included.

    `preset` is the name under which the data set was asked for, where it was one; what it came to
    stands in `dataset`, `split`, the fields, `system_prompt` and `grader`. `grader` is "math",
    "exact" or a function of the user's, and `grader_digest` then of the file that it stands in.

    `problems_digest` is of the questions themselves, so that a changed file is another recipe.
    `aggregate` says which one `params` has, and why. `extract` is how answers are found: strict or
    flexible. `sampling` says whether seeds decide what the policy writes, as far as it is known at
    the start. `cache` says whether the servers' caches were empty then, "cold", or may not have
    been, "warm". `answers` says what a list of right answers means ("any" or "all"),
    `skip_bad_rows` whether rows that are no problems were passed over. `served` says, for an
    endpoint given as a URL, what it serves; its address is then recorded, but not compared: a
    server may come back at another port. `max_problem_tokens` and `max_problem_seconds` are the
    caps on each problem's search. `shard` is the part of the problems that is searched, as in
    "2/8"; None for all. `prompt_template` is what the user's turn is made of, `thinking` the switch
    of the policy's chat template; None where nobody said.
    """

    strategy: str
    params: Mapping[str, Any]
    policy: str
    prm: str | None
    prm_family: str | None
    dataset: str
    split: str
    limit: int | None
    question_field: str
    answer_field: str
    problems_digest: str
    system_prompt: str | None
    seed: int
    prompt_template: str | None = None
    thinking: bool | None = None
    max_problem_tokens: int | None = None
    max_problem_seconds: float | None = None
    policy_args: tuple[str, ...] = ()
    prm_args: tuple[str, ...] = ()
    deterministic: bool = False
    extract: str = "strict"
    answers: str | None = None
    skip_bad_rows: bool = False
    shard: str | None = None
    choices_field: str | None = None
    preset: str | None = None
    grader: str = MATH
    grader_digest: str = ""
    aggregate: str = ""
    sampling: str = ""
    cache: str = ""
    served: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)

    def flat(self) -> dict[str, Any]:
        """The keys that determine the results; those of `params` are named `params.width`.

        A parameter that is not set is left out, and so is what older recipes do not know, where it
        has the value that it had then. What a URL serves stands for it, as `policy.model_path`.
        """
        keys: dict[str, Any] = {}
        for name, value in asdict(self).items():
            if name == "params":
                keys.update(
                    {
                        f"params.{key}": listed(item)
                        for key, item in value.items()
                        if item is not None and listed(item) != []
                    }
                )
            elif name == "served":
                keys.update(
                    {f"{role}.{key}": v for role, of in value.items() for key, v in of.items()}
                )
            elif name in UNKNOWN_BEFORE and value == UNKNOWN_BEFORE[name]:
                continue
            elif name not in NOT_RESULTS and name not in self.served:
                keys[name] = listed(value)
        return keys

    @property
    def digest(self) -> str:
        """SHA-256 over the canonical JSON of `flat()`."""
        canonical = json.dumps(self.flat(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def dump(self) -> str:
        """YAML, with the digest."""
        content = asdict(self) | {"digest": self.digest}
        content["policy_args"] = list(self.policy_args)
        content["prm_args"] = list(self.prm_args)
        return yaml.dump(content, Dumper=Readable, sort_keys=False, allow_unicode=True)


def listed(value: Any) -> Any:
    """As JSON and YAML have it."""
    return list(value) if isinstance(value, tuple) else value


def read_recipe(path: Path) -> Recipe:
    """Read a `recipe.yaml`; raises `FolderError` when it is not one."""
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)  # noqa: S506
        known = {f.name for f in fields(Recipe)}
        values = {key: value for key, value in content.items() if key in known}
        for name in ("policy_args", "prm_args"):
            values[name] = tuple(values.get(name) or ())
        values["served"] = values.get("served") or {}
        return Recipe(**values)
    except (OSError, yaml.YAMLError, AttributeError, TypeError) as error:
        raise FolderError(f"{path}: not a recipe: {' '.join(str(error).split())}") from error


def differences(there: Recipe, ours: Recipe) -> list[str]:
    """The names of the result-determining keys whose values differ, in recipe order.

    Behind the name of what a URL serves stand both values. Where one of the two does not say what
    is served (an older version's, or a server that was not reached), addresses are compared.
    """
    told = there.served.keys() & ours.served.keys()
    a, b = (replace(r, served=_of_both(there, ours, r)).flat() for r in (there, ours))
    missing = object()
    names = [key for key in (a | b) if a.get(key, missing) != b.get(key, missing)]
    return [
        f"{name} ({a.get(name)} there, {b.get(name)} here)"
        if name.partition(".")[0] in told
        else name
        for name in names
    ]


def moved(there: Recipe, ours: Recipe) -> Recipe:
    """`there` with the addresses of `ours`, from which it does not differ."""
    return replace(there, policy=ours.policy, prm=ours.prm, served=ours.served or there.served)


def _of_both(there: Recipe, ours: Recipe, whose: Recipe) -> dict[str, dict[str, str]]:
    """What both say of what is served, as `whose` says it: a router says less than its servers."""
    return {
        role: {key: of[key] for key in there.served[role] if key in ours.served[role]}
        for role, of in whose.served.items()
        if role in there.served and role in ours.served
    }


def installed_versions() -> dict[str, str]:
    """What a result was made with."""
    found = {"sal": __version__, "python": platform.python_version()}
    for package in ("sglang", "torch", "transformers", "math-verify"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found

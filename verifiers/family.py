"""Which format a PRM speaks, and a verifier that speaks it.

A model says so itself by an entry in its config.json:

    "sal_prm": {"family": "step-token", "tag": "ки", "good": "+", "bad": "-", "aggregate": "last"}

(`family` is required, the rest has these defaults), or it is known by its name, or the user names
the family.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from sal.runtime.model_files import model_file
from sal.runtime.tokenizer import Tokenizer
from sal.verifiers.causal import CausalVerifier, PrmEndpoint
from sal.verifiers.chat_turn import ChatTurn
from sal.verifiers.rendering import Family
from sal.verifiers.step_token import StepToken

FamilyName = Literal["step-token", "chat-turn"]
FAMILIES: tuple[FamilyName, ...] = get_args(FamilyName)


@dataclass(frozen=True, slots=True)
class PrmSpec:
    """What must be known of a causal PRM to read its verdicts.

    `tag` matters to step-token alone. `aggregate` is how its authors reduce step scores.
    """

    family: FamilyName
    tag: str = "ки"
    good: str = "+"
    bad: str = "-"
    aggregate: str = "last"

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            raise ValueError(f"family must be one of {', '.join(FAMILIES)}, not {self.family!r}")
        for name in ("tag", "good", "bad", "aggregate"):
            if not isinstance(getattr(self, name), str) or not getattr(self, name):
                raise ValueError(f"{name} must be a text that is not empty")


KNOWN: tuple[tuple[str, PrmSpec], ...] = (
    (r"math[-_]shepherd.*prm", PrmSpec("step-token", aggregate="min")),
    (r"RLHFlow|Llama-?3\.1-8B-PRM", PrmSpec("chat-turn", aggregate="mean")),
)
"""Patterns of model names, with the aggregates of their papers (arXiv 2312.08935, section 4.1;
RLHFlow's own evaluation)."""


class UnknownFamily(ValueError):
    """Neither the model's config.json nor its name tells what format the PRM speaks."""


def choose(model: str, config: Mapping[str, Any], family: str | None = None) -> PrmSpec:
    """The spec of a model by its name and its config.json; `family` overrules both.

    Raises UnknownFamily, or ValueError when the model's `sal_prm` entry is malformed.
    """
    own = config.get("sal_prm")
    if own is not None:
        try:
            known = {field.name for field in fields(PrmSpec)}
            return PrmSpec(
                **{
                    k: v
                    for k, v in {**own, "family": family or own["family"]}.items()
                    if k in known
                }
            )
        except (TypeError, KeyError, ValueError) as wrong:
            raise ValueError(f"the sal_prm entry in {model}'s config.json: {wrong}") from wrong
    if family is not None:
        return PrmSpec(family)  # type: ignore[arg-type]  # checked by PrmSpec
    for pattern, spec in KNOWN:
        if re.search(pattern, model, re.IGNORECASE):
            return spec
    raise UnknownFamily(
        f"cannot tell what format the PRM {model} speaks; "
        f"say it with --prm-family ({' or '.join(FAMILIES)})"
    )


def load_verifier(
    engine: PrmEndpoint, model: str | None = None, family: str | None = None
) -> CausalVerifier:
    """A verifier on the PRM behind `engine`.

    `model` is a folder or a Hub name that holds its tokenizer and config.json; None asks the
    endpoint which model it serves. Raises UnknownFamily, ValueError when there is no tokenizer
    or it does not fit the family, EndpointError.
    """
    if model is None:
        info = engine.info()
        model = str(info.get("tokenizer_path") or info["model_path"])
    path = model_file(model, "config.json")
    config = json.loads(path.read_text("utf-8")) if path else {}
    spec = choose(model, config, family)
    tokenizer = Tokenizer.load(model)
    if tokenizer is None:
        raise ValueError(f"no tokenizer.json is to be had for the PRM {model}; name its folder")
    return CausalVerifier(engine, build_family(spec, tokenizer), spec.aggregate)


def build_family(spec: PrmSpec, tokenizer: Tokenizer) -> Family:
    """The renderer that a spec describes; ValueError when the tokenizer does not fit it."""
    if spec.family == "step-token":
        return StepToken(tokenizer, spec.tag, spec.good, spec.bad)
    return ChatTurn(tokenizer, spec.good, spec.bad)

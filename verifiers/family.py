"""Which format a PRM speaks, and a verifier that speaks it.

A model says so itself by an entry in its config.json:

    "sal_prm": {"family": "step-token", "tag": "ки", "good": "+", "bad": "-", "aggregate": "last"}

(`family` is required; `tag`, `good` and `bad` have these defaults, `aggregate` the family's), or it
is known by its name, or the user names the family.
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
from sal.verifiers.unserved import unserved_architecture, unserved_name

FamilyName = Literal["step-token", "chat-turn"]
FAMILIES: tuple[FamilyName, ...] = get_args(FamilyName)

AUTHORS: dict[FamilyName, tuple[str, str]] = {
    "step-token": ("Math-Shepherd", "min"),
    "chat-turn": ("RLHFlow", "mean"),
}
"""Whose format a family is, and how they reduce step scores (arXiv 2312.08935, section 4.1;
RLHFlow's own evaluation)."""


@dataclass(frozen=True, slots=True)
class PrmSpec:
    """What must be known of a causal PRM to read its verdicts.

    `tag` matters to step-token alone. `aggregate` is how its authors reduce step scores; None if
    they do as the family's.
    """

    family: FamilyName
    tag: str = "ки"
    good: str = "+"
    bad: str = "-"
    aggregate: str | None = None

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            raise ValueError(f"family must be one of {', '.join(FAMILIES)}, not {self.family!r}")
        said = (
            ("tag", "good", "bad")
            if self.aggregate is None
            else ("tag", "good", "bad", "aggregate")
        )
        for name in said:
            if not isinstance(getattr(self, name), str) or not getattr(self, name):
                raise ValueError(f"{name} must be a text that is not empty")

    @property
    def own_aggregate(self) -> tuple[str, str]:
        """How this PRM's step scores are reduced, and whose way that is."""
        authors, how = AUTHORS[self.family]
        return (how, authors) if self.aggregate is None else (self.aggregate, "the PRM")


KNOWN: tuple[tuple[str, FamilyName], ...] = (
    (r"math-shepherd-mistral-7b-prm", "step-token"),
    (r"Llama-?3\.1-8B-PRM-(Mistral|Deepseek)-Data", "chat-turn"),
)
"""Patterns of the names of models that are served, and of no others."""


class UnknownFamily(ValueError):
    """Neither the model's config.json nor its name tells what format the PRM speaks."""


class UnservedFamily(ValueError):
    """The PRM is of a family that is known, and not served yet."""


def choose(model: str, config: Mapping[str, Any], family: str | None = None) -> PrmSpec:
    """The spec of a model by its name and its config.json; `family` overrules both.

    What it cannot overrule is an architecture without a vocabulary to take verdicts from. Raises
    UnservedFamily, UnknownFamily, or ValueError when the model's `sal_prm` entry is malformed.
    """
    if (what := unserved_architecture(config)) is not None:
        raise _unserved(model, what)
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
    for pattern, known_family in KNOWN:
        if re.search(pattern, model, re.IGNORECASE):
            return PrmSpec(known_family)
    if (what := unserved_name(model)) is not None:
        raise _unserved(model, what)
    raise UnknownFamily(
        f"cannot tell what format the PRM {model} speaks; "
        f"say it with --prm-family ({' or '.join(FAMILIES)})"
    )


def _unserved(model: str, what: str) -> UnservedFamily:
    served = " and ".join(f"{name} ({authors})" for name, (authors, _) in AUTHORS.items())
    return UnservedFamily(
        f"{model} is {what}; sal does not serve this family yet (it serves {served})"
    )


def look_up(model: str, family: str | None = None) -> PrmSpec:
    """`choose` by the config.json in a folder, in the Hub's cache or, if it must be, on the Hub."""
    path = model_file(model, "config.json")
    config = json.loads(path.read_text("utf-8")) if path else {}
    return choose(model, config, family)


def served_model(info: Mapping[str, Any]) -> str:
    """The folder or name that holds a server's tokenizer and config.json; `info` is its reply."""
    return str(info.get("tokenizer_path") or info["model_path"])


def load_verifier(
    engine: PrmEndpoint, model: str | None = None, family: str | None = None
) -> CausalVerifier:
    """A verifier on the PRM behind `engine`.

    `model` is a folder or a Hub name that holds its tokenizer and config.json; None asks the
    endpoint which model it serves. Raises UnservedFamily, UnknownFamily, ValueError when there is
    no tokenizer or it does not fit the family, EndpointError.
    """
    if model is None:
        model = served_model(engine.info())
    spec = look_up(model, family)
    tokenizer = Tokenizer.load(model)
    if tokenizer is None:
        raise ValueError(
            f"the PRM's tokenizer ({model}) is neither here nor on the Hub, and its prompts are "
            "made here, in token ids: copy the model's tokenizer.json and config.json to that "
            "path (of a Hub model: hf download), or let sal serve it (--prm FOLDER)"
        )
    return CausalVerifier(engine, build_family(spec, tokenizer), spec.own_aggregate[0])


def build_family(spec: PrmSpec, tokenizer: Tokenizer) -> Family:
    """The renderer that a spec describes; ValueError when the tokenizer does not fit it."""
    if spec.family == "step-token":
        return StepToken(tokenizer, spec.tag, spec.good, spec.bad)
    return ChatTurn(tokenizer, spec.good, spec.bad)

"""What a family of PRMs is. `docs/adding-a-prm.md` adds one.

A family is one object: how its models are recognised, served, tried and read. Nothing else in the
house knows a family: whoever needs a PRM asks the registry for its `PrmSpec` and that one's family
for the rest.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cached_property
from typing import Any, ClassVar, Protocol

from sal.runtime.tokenizer import Tokenizer
from sal.verifiers.interface import Verifier

NOTHING_GENERATED = {"max_new_tokens": 0, "temperature": 0}


class UnknownFamily(ValueError):
    """Neither the model's config.json nor its name tells what format the PRM speaks."""


class UnservedFamily(ValueError):
    """The PRM is of a family that is known, and not served; or not of the one that was named."""


class PrmEndpoint(Protocol):
    """What a verifier needs of a client of the PRM's server."""

    def generate(self, payload: dict[str, Any]) -> dict[str, Any]:
        """The reply to a `/generate` request; raises EndpointError."""
        ...

    def info(self) -> dict[str, Any]:
        """The reply to `/model_info`; raises EndpointError."""
        ...


@dataclass(frozen=True)
class Prm:
    """A PRM as its family is given it.

    `model` is a folder or a Hub name (of an endpoint, the one that it serves), or what a family
    without a server understands. `engine` is None where there is no endpoint. `options` are the
    family's own. Without `make` only a plan is wanted: nothing large is fetched or written.
    """

    model: str
    config: Mapping[str, Any] = field(default_factory=dict)
    options: Any = None
    engine: Any = None
    aggregate: str = "last"
    make: bool = True

    @property
    def window(self) -> int | None:
        """How many tokens it reads; None where its config.json does not say."""
        told = self.config.get("max_position_embeddings")
        return told if isinstance(told, int) else None

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The model's; raises ValueError where there is none to be had."""
        found = Tokenizer.load(self.model)
        if found is None:
            raise ValueError(
                f"the PRM's tokenizer ({self.model}) is neither here nor on the Hub, and its "
                "prompts are made here, in token ids: copy the model's tokenizer.json and "
                "config.json to that path (of a Hub model: hf download), or let sal serve it "
                "(--prm FOLDER)"
            )
        return found


@dataclass(frozen=True, slots=True)
class Serving:
    """What a server is started with for a PRM: a folder or Hub name, flags of SGLang, and why.

    `model` is None for a PRM that needs no server.
    """

    model: str | None
    args: tuple[str, ...] = ()
    reason: str = ""


class Family(ABC):
    """One kind of PRM."""

    name: str
    """What `--prm-family` and the `sal_prm` entry of a config.json call it."""
    authors: str
    """Whose format it is, as a reader knows them."""
    aggregate: str
    """How they make one score of a solution's step scores: last, min, prod or mean."""
    aggregate_by: str = ""
    """Who says so, if not the authors."""
    pattern: str = ""
    """Of names of models that are of this family, and of no others; "" for none."""
    outcome: bool = False
    """Whether it scores whole solutions alone, so that no search can go by it step by step."""
    writes: bool = False
    """Whether it writes, so that nobody can tell beforehand how many tokens it takes."""
    endpoint: str = "an SGLang server"
    """What answers behind its URL, in messages."""
    Options: ClassVar[type[Any] | None] = None
    """A frozen dataclass of the family's own settings, all with defaults."""

    def recognises(self, model: str, config: Mapping[str, Any]) -> bool:  # noqa: ARG002
        """Whether a model is of this family, by its name or its config.json ({}: not known)."""
        return bool(self.pattern and re.search(self.pattern, model, re.IGNORECASE))

    def unfit(self, config: Mapping[str, Any]) -> str:  # noqa: ARG002
        """What a model is that cannot be of this family, whatever anyone says; "" for others."""
        return ""

    def options(self, said: Mapping[str, Any]) -> Any:
        """This family's settings, with what was said of them; raises ValueError."""
        if self.Options is None:
            return None
        return self.Options(**said)

    @property
    def option_names(self) -> frozenset[str]:
        """What `options` knows."""
        if self.Options is None or not is_dataclass(self.Options):
            return frozenset()
        return frozenset(f.name for f in fields(self.Options))

    def serve(self, prm: Prm) -> Serving:
        """How to serve it here. Raises ValueError, before anything starts, if it cannot be."""
        return Serving(prm.model)

    def describe(self, engine: Any, said: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """What an endpoint says of its model (`model_path`, ...); raises EndpointError.

        `said` are the settings that the user named with the family, not checked yet.
        """
        info: dict[str, Any] = engine.info()
        return info

    def probe(self, engine: Any) -> None:
        """Ask an endpoint once, cheaply, the kind of thing that a run asks; EndpointError."""
        engine.generate(
            {
                "input_ids": [1, 2, 3],
                "sampling_params": NOTHING_GENERATED,
                "return_logprob": True,
                "token_ids_logprob": [0, 1],
            }
        )

    @abstractmethod
    def build(self, prm: Prm) -> Verifier:
        """What reads it. Raises ValueError, with the reason, for a PRM that does not fit."""


@dataclass(frozen=True, slots=True)
class PrmSpec:
    """Which family reads a PRM, with what settings; `aggregate` where the PRM states its own."""

    family: Family
    options: Any = None
    aggregate: str | None = None

    @property
    def own_aggregate(self) -> tuple[str, str]:
        """How this PRM's step scores are reduced, and whose way that is."""
        if self.aggregate is None:
            family = self.family
            return family.aggregate, family.aggregate_by or family.authors
        return self.aggregate, "the PRM"

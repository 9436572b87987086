"""Which PRMs can be trained, and how a model becomes one.

Two kinds: a causal language model, whose verdict is one of two tokens of its vocabulary, and a
token classifier with a head of two classes. Of both a score is the sigmoid of a margin between two
logits, which is the softmax of the two.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sal.learn.errors import TrainError
from sal.learn.furnish import furnish
from sal.verifiers.causal import CausalFamily
from sal.verifiers.contract import Family, Prm
from sal.verifiers.family import choose, named_family, read_config
from sal.verifiers.head import options_said
from sal.verifiers.rendering import Format
from sal.verifiers.token_classifier import TokenClassifierFamily

DEFAULT = "step-token"
"""The family of a PRM to be made of a model that is none: any stock server serves it."""


@dataclass(frozen=True, slots=True)
class Taught:
    """A PRM to be made of the model `base` (a folder or a Hub name).

    `good` and `bad` are the two of the logits whose margin is the score: tokens or classes.
    """

    base: str
    config: Mapping[str, Any]
    family: Family
    options: Any
    format: Format
    good: int
    bad: int
    causal: bool

    @property
    def window(self) -> int | None:
        """How many tokens it reads, where that is known."""
        return Prm(self.base, self.config).window

    def load(self, dtype: str) -> Any:
        """The model, with a fresh head where it has none; raises OSError, ValueError."""
        import transformers

        config = transformers.AutoConfig.from_pretrained(self.base)
        config.use_cache = False
        if self.causal:
            kind = transformers.AutoModelForCausalLM
        else:
            config.num_labels = 2
            config.classifier_dropout = 0.0
            kind = transformers.AutoModelForTokenClassification
        return kind.from_pretrained(self.base, config=config, dtype=dtype)

    def furnish(self, saved: Path, folder: Path, about: Mapping[str, Any]) -> None:
        """Move a saved model to `folder`, which then is a PRM that `--prm` takes as it is.

        Its config.json names the family and its settings, and `about`.
        """
        entry = {"family": self.family.name, **options_said(self.options), **about}
        config = json.loads((saved / "config.json").read_text("utf-8"))
        furnish(self.base, saved, folder, config | {"use_cache": True, "sal_prm": entry})


def plan_prm(base: str, family: str | None = None) -> Taught:
    """The PRM of a family (`NAME` or `NAME:key=value,...`) to be made of `base`.

    By default of the family that the model says it is of, or of `DEFAULT`. Raises `TrainError` for
    a family that cannot be trained, and for a model or a tokenizer that does not fit it.
    """
    try:
        config = read_config(base)
        if not config:
            raise ValueError(f"{base} has no config.json, here or on the Hub")
        if family is None and "sal_prm" in config:
            spec = choose(base, config)
            chosen, options = spec.family, spec.options
        else:
            chosen, said = named_family(family or DEFAULT)
            said.pop("aggregate", None)
            options = chosen.options(said)
        prm = Prm(base, config, options)
        if isinstance(chosen, CausalFamily) and not chosen.outcome:
            if what := chosen.unfit(config):
                raise ValueError(f"{base} is {what}; the family {chosen.name} cannot read it")
            format = chosen.format(prm)
            return Taught(base, config, chosen, options, format, format.good, format.bad, True)
        if isinstance(chosen, TokenClassifierFamily):
            chosen.served_as(config)
            return Taught(base, config, chosen, options, chosen.format(prm), 1, 0, False)
    except (ValueError, TypeError, OSError) as error:
        raise TrainError(str(error)) from error
    raise TrainError(
        f"PRMs of the family {chosen.name} are not trained here: name a causal one, such as "
        f"{DEFAULT} or chat-turn, or token-classifier"
    )

"""Reward models that are known and not served: what each one is, so that a refusal says it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_OUTCOME = "an outcome reward model, with one score for a whole solution and none for its steps"

BY_NAME: tuple[tuple[str, str], ...] = (
    (r"pair-preference-model", "a preference model, which compares two answers"),
    (r"ArmoRM|RRM|InternLM2?-\d+b-reward|Skywork-Reward", _OUTCOME),
    (r"ReasonFlux-PRM-1\.5B", _OUTCOME),
)
"""Patterns of model names, and what these models are."""

_BY_ARCHITECTURE: tuple[tuple[str, str], ...] = (
    ("ForTokenClassification", "a token classifier"),
    ("ForSequenceClassification", "a sequence classifier"),
    ("ForProcessRewardModel", "a PRM that scores steps with a two-class head (Qwen's)"),
    ("ForPrmModel", "a PRM that scores steps with a value head (Skywork's)"),
    ("ForRewardModel", "a reward model with a head of its own"),
)


def headed(config: Mapping[str, Any]) -> str:
    """What a model is whose config.json has a head in place of a vocabulary, else "".

    Such a model has no tokens for verdicts, whatever it is called.
    """
    for architecture in config.get("architectures") or ():
        for part, what in _BY_ARCHITECTURE:
            if part in str(architecture):
                return f"{what} ({architecture}{_labels(config)})"
    return ""


def unserved(model: str, config: Mapping[str, Any]) -> str:
    """What a model is, by its config.json or its name, that is known and not served; else ""."""
    named = (what for name, what in BY_NAME if re.search(name, model, re.IGNORECASE))
    return headed(config) or next(named, "")


def _labels(config: Mapping[str, Any]) -> str:
    labels = config.get("id2label")
    if not isinstance(labels, Mapping) or not labels:
        return ""
    return f", labels {', '.join(map(str, labels.values()))}"

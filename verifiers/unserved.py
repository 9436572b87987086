"""Reward models that are known and not served yet: what each one is, so that a refusal says it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_SKYWORK = "a PRM that scores steps with a value head (Skywork's)"
_QWEN = "a PRM that scores steps with a two-class head (Qwen's)"
_OUTCOME = "an outcome reward model, with one score for a whole solution and none for its steps"
_TRL = "a token classifier made by TRL's PRMTrainer"

BY_NAME: tuple[tuple[str, str], ...] = (
    (r"pair-preference-model", "a preference model, which compares two answers"),
    (r"ArmoRM|RM-Mistral-7B|FsfairX|RRM|InternLM2?-\d+b-reward|Skywork-Reward", _OUTCOME),
    (r"Qwen2(\.5)?-Math-RM", _OUTCOME),
    (r"Qwen2\.5-Math-PRM|Qwen2\.5-Math-7B-PRM800K", _QWEN),
    (r"ReasonFlux-PRM", _QWEN),
    (r"Skywork-o1-Open-PRM", _SKYWORK),
    # Both spellings are in use: trl-lib/Qwen2-0.5B-Reward-Math-Sheperd.
    (r"Qwen2(\.5)?-[\d.]+B-(Reward-)?Math-Shepp?h?erd", _TRL),
    (r"(SHARP-(Math-)?PRM|SHARP-Math-Span-Classifier|PURE-PRM|Qwen2\.5-Math-\S+-PRM-0\.\d)", _TRL),
    (r"Universal-PRM", "a PRM with a head that is read once a step, at the end of the text"),
    (r"VersaPRM|Llama-PRM800K|Math-psa", "a causal PRM whose tag is a run of line breaks"),
)
"""Patterns of model names, and what these models are."""

_BY_ARCHITECTURE: tuple[tuple[str, str], ...] = (
    ("ForTokenClassification", "a token classifier"),
    ("ForSequenceClassification", "a sequence classifier"),
    ("ForProcessRewardModel", _QWEN),
    ("ForPrmModel", _SKYWORK),
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

"""The families of PRMs that a run can name; registering one is one line.

Another package adds one by an entry point of the group "sal.prm_families", whose value is a
`Family` (or a class of one, which is called without arguments). What is wrong with one is said when
it is named, and concerns nobody else. The names of this package's own families are taken.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module

from sal.runtime.plugins import Plugins
from sal.verifiers.contract import Family

GROUP = "sal.prm_families"
"""The entry points of other packages' families."""

OWN: dict[str, str] = {
    "step-token": "sal.verifiers.step_token:MATH_SHEPHERD",
    "er-prm": "sal.verifiers.step_token:ER_PRM",
    "versa-prm": "sal.verifiers.step_token:VERSA_PRM",
    "math-psa": "sal.verifiers.step_token:MATH_PSA",
    "chat-turn": "sal.verifiers.chat_turn:RLHFLOW",
    "outcome-chat": "sal.verifiers.outcome:RLHFLOW",
    "outcome-head": "sal.verifiers.outcome_head:OUTCOME_HEAD",
    "implicit": "sal.verifiers.implicit:IMPLICIT",
    "think-prm": "sal.verifiers.think_prm:THINK_PRM",
    "gen-prm": "sal.verifiers.gen_prm:GEN_PRM",
    "r-prm": "sal.verifiers.r_prm:R_PRM",
    "judge": "sal.verifiers.judge:JUDGE",
    "function": "sal.verifiers.function:FUNCTION",
    "reasonflux": "sal.verifiers.qwen_prm:REASONFLUX",
    "qwen-prm": "sal.verifiers.qwen_prm:QWEN_PRM",
    "skywork": "sal.verifiers.skywork:SKYWORK",
    "universal-prm": "sal.verifiers.universal_prm:UNIVERSAL_PRM",
    "llemma": "sal.verifiers.llemma:LLEMMA",
    "reasoneval": "sal.verifiers.reason_eval:REASONEVAL",
    "pure": "sal.verifiers.token_classifier:PURE",
    "token-classifier": "sal.verifiers.token_classifier:TRL",
}
"""Those of this package, in the order in which they look at a model: the first that knows it."""


_PLUGINS = Plugins(GROUP, "PRM family", OWN)


def family_names() -> tuple[str, ...]:
    """What `--prm-family` can say; nothing of another package is imported for it."""
    return (*OWN, *sorted(_PLUGINS.packages()))


def find_family(name: str) -> Family:
    """The family of that name, this package's or another's.

    Raises ValueError when there is none, when two packages have one, or when it cannot be loaded.
    """
    if name in OWN:
        return _own(name)
    loaded = _PLUGINS.load(name)
    if loaded is None:
        raise ValueError(f"{name!r} is not one of the PRM families {', '.join(family_names())}")
    point, found = loaded
    where = _PLUGINS.where(point)
    if isinstance(found, type):
        try:
            found = found()
        except Exception as error:  # whatever another package does
            reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
            raise ValueError(f"{where} cannot be loaded: {reason}") from error
    if not isinstance(found, Family):
        kind = type(found).__name__
        raise ValueError(f"{where}: {point.value} is a {kind}, not a sal.verifiers.contract.Family")
    return found


def families() -> tuple[tuple[Family, ...], tuple[str, ...]]:
    """All families that can be loaded, and what is wrong with the others."""
    found, wrong = [_own(name) for name in OWN], []
    for name in sorted(_PLUGINS.packages()):
        try:
            found.append(find_family(name))
        except ValueError as error:
            wrong.append(str(error))
    return tuple(found), tuple(wrong)


@cache
def _own(name: str) -> Family:
    module, _, attribute = OWN[name].partition(":")
    family: Family = getattr(import_module(module), attribute)
    return family

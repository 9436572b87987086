r"""Residues with their modulus: `5 \pmod 7`, `x \equiv 5 \pmod{7}`."""

from __future__ import annotations

import re
from dataclasses import dataclass

_MODULUS = re.compile(
    r"\s*,?\s*(?:\(\s*)?(?:\\text\{\s*)?\(?\s*(?:\\p?mod|\\bmod|(?<![a-zA-Z\\])mod)(?![a-zA-Z])\s*(?:\}\s*)?\{?\s*(\w+)\s*\}?\s*\)?\s*\}?\s*\)?$"
)


@dataclass(frozen=True, slots=True)
class Congruence:
    """`name` is what is congruent, "" where none is named."""

    name: str
    residue: str
    modulus: str


def read_congruence(text: str) -> Congruence | None:
    r"""`text` (normalised) as a congruence; `n \bmod 5` is an operation, and none."""
    if "mod" not in text:
        return None
    match = _MODULUS.search(text)
    if match is None:
        return None
    name, sign, residue = text[: match.start()].rpartition(r"\equiv")
    if not sign:
        name, sign, residue = text[: match.start()].rpartition("=")
    residue = residue.strip()
    if not residue or ("\\bmod" in match[0] and not sign and "(" not in match[0]):
        return None
    if not sign and not re.fullmatch(r"-?\d+", residue):
        return None
    return Congruence(name.strip(), residue, match[1])


def same_congruence(left: Congruence, right: Congruence) -> bool | None:
    """Whether two congruences agree; None where their residues are no integers."""
    if left.modulus != right.modulus or (left.name and right.name and left.name != right.name):
        return False
    try:
        gap = int(left.residue) - int(right.residue)
        return gap % int(left.modulus) == 0
    except (ValueError, ZeroDivisionError):
        return None

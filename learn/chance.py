"""A PRM that knows nothing: what the figures of a benchmark are by chance.

sal learn bench gsm8k --prm sal.learn.chance:uniform --out bench-chance
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence


def uniform(question: str, steps: Sequence[str]) -> list[float]:
    """Scores drawn evenly from [0, 1), each by the text up to its step: the same ones again."""
    drawn = hashlib.sha256(question.encode())
    scores = []
    for step in steps:
        drawn.update(b"\0" + step.encode())
        scores.append(int.from_bytes(drawn.digest()[:7], "big") / 2**56)
    return scores

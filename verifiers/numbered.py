"""Steps as some verifiers read them: `Step k: ...`, each number once and in order."""

from __future__ import annotations

import re
from collections.abc import Sequence

_HEADING = re.compile(r"(?:#+[ \t]*)?\bStep \d+:[ \t]*")


def numbered(steps: Sequence[str]) -> list[str]:
    """`steps` with headings of ours. Their own are taken out, wherever they stand: they would
    shift the count of a verifier that gives its verdicts in order."""
    return [f"Step {k}: {_HEADING.sub('', step).strip()}" for k, step in enumerate(steps, 1)]

r"""Answers as texts: what is left of one where only its words count."""

from __future__ import annotations

import re

from sal.grading.brackets import closing

_TEXT = re.compile(r"\\(?:text|textbf|textit|mathrm|mathbf|mbox)\s*\{")


def spelled(answer: str) -> str:
    r"""`answer` in lower case, with single spaces, and without a `\text{...}` around all of it."""
    text = answer.strip()
    opening = _TEXT.match(text)
    if opening is not None and closing(text, opening.end() - 1) == len(text):
        text = text[opening.end() : -1]
    return " ".join(text.split()).casefold()

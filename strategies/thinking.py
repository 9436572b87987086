"""The reasoning section of a solution: where it begins, whether it has ended, how it is ended."""

from __future__ import annotations

import re
from typing import NamedTuple


class Tags(NamedTuple):
    """What stands around the reasoning."""

    opens: str
    closes: str


TAGS = (
    Tags("<think>", "</think>"),
    Tags("<thinking>", "</thinking>"),
    Tags("<thought>", "</thought>"),
    Tags("<reasoning>", "</reasoning>"),
    Tags("<|begin_of_thought|>", "<|end_of_thought|>"),
    Tags("[THINK]", "[/THINK]"),
    Tags("◁think▷", "◁/think▷"),
)
"""In this order: DeepSeek-R1, Qwen3 and most others; prompted models; Sky-T1; Magistral; Kimi."""

WAIT = "Wait"
"""Stands in place of an early end, so that the model thinks on (s1, Muennighoff et al., arXiv
2501.19393, section 3.1)."""

_TAG = re.compile("|".join(re.escape(tag) for tags in TAGS for tag in tags))
_WORDS = ("think", "thought", "reasoning", "THINK")


def begun_reasoning(prompt: str, solution: str) -> Tags | None:
    """The tags of the reasoning that `solution` begins with; None where it begins with none.

    It is opened by the end of the prompt (DeepSeek-R1's template) or by the solution's first word
    (Qwen3's). It ends once, at the first closing tag.
    """
    head, begin = prompt.rstrip(), solution.lstrip()
    opened = (t for t in TAGS if head.endswith(t.opens) or begin.startswith(t.opens))
    return next(opened, None)


def open_reasoning(prompt: str, solution: str) -> Tags | None:
    """The tags of the reasoning that `solution` is still in; None where it is in none."""
    tags = begun_reasoning(prompt, solution)
    return None if tags is None or tags.closes in solution else tags


def ending(text: str, tags: Tags) -> str:
    """What ends the reasoning behind `text`: the closing tag, and a blank line to the answer.

    A tag of which the first characters are there is completed.
    """
    for begun in range(len(tags.closes) - 1, 1, -1):
        if text.endswith(tags.closes[:begun]):
            return tags.closes[begun:] + "\n\n"
    return ("" if text.endswith("\n") else "\n") + tags.closes + "\n\n"


def without_tags(text: str) -> str:
    """`text` without the tags themselves."""
    return _TAG.sub("", text) if any(word in text for word in _WORDS) else text

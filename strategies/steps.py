"""Splitting text into steps."""

from __future__ import annotations

from sal.strategies.thinking import without_tags


def split_steps(text: str, separator: str = "\n\n") -> tuple[str, ...]:
    """The steps of a solution: the pieces between separators, stripped of outer white space.

    A piece of white space alone is no step, so leading, doubled and trailing separators never
    make one. Nor is a tag around the reasoning (`<think>`): paragraphs of reasoning are steps like
    any other.
    """
    pieces = without_tags(text).split(separator)
    return tuple(step for piece in pieces if (step := piece.strip()))

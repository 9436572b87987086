"""Splitting text into steps."""

from __future__ import annotations


def split_steps(text: str, separator: str = "\n\n") -> tuple[str, ...]:
    """The steps of a solution: the pieces between separators, stripped of outer white space.

    A piece of white space alone is no step, so leading, doubled and trailing separators never
    make one.
    """
    return tuple(step for piece in text.split(separator) if (step := piece.strip()))

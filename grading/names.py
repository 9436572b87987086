"""The names of graders: this package's, or `module:function` for one of the user's own."""

from __future__ import annotations

MATH = "math"
EXACT = "exact"


class GraderError(Exception):
    """A grader that is not there, or is none; the message is one line."""


def check_name(name: str) -> None:
    """Raise `GraderError` where `name` names no grader; a function is not looked for."""
    module, _, function = name.partition(":")
    if name not in (MATH, EXACT) and not (module and function):
        raise GraderError(f"{name}: not {MATH}, {EXACT} or a module:function")

"""A server's flags as the user gave them, and what of them a plan must heed."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

Flags = dict[str, tuple[str, ...]]

CPU_THREADS = "--cpu-threads"
"""No flag of SGLang's, which takes torch's own variable."""

DETERMINISTIC = "--enable-deterministic-inference"
LORA_PATHS = "--lora-paths"

TENSOR_PARALLEL = ("--tp-size", "--tp", "--tensor-parallel-size")
REPLICAS = ("--dp-size", "--dp", "--data-parallel-size")
PIPELINE = ("--pp-size", "--pipeline-parallel-size")


class PlanError(ValueError):
    """The models cannot be served on this machine; the message says what would help."""


def parse_flags(args: Sequence[str]) -> Flags:
    """Read `["--flag value", "--other"]` into `{"--flag": ("value",), "--other": ()}`."""
    flags: Flags = {}
    name = ""
    for word in (word for arg in args for word in shlex.split(arg)):
        if word.startswith("--"):
            name, has_value, value = word.partition("=")
            flags[name] = (value,) if has_value else ()
        elif name:
            flags[name] += (word,)
        else:
            raise PlanError(f"{word!r} is not an SGLang flag: write it as '--flag value'")
    return flags


def words(flags: Flags) -> tuple[str, ...]:
    """As they stand in a command line."""
    return tuple(word for name, values in flags.items() for word in (name, *values))


def said(flags: Flags, *names: str) -> str | None:
    """The one value of the flag that goes by any of `names`; None where it is not given."""
    for name in names:
        if name in flags:
            return " ".join(flags[name])
    return None


def count(flags: Flags, names: Sequence[str]) -> int | None:
    """A flag's value as a number from 1; None where it is not given. Raises `PlanError`."""
    value = said(flags, *names)
    if value is None:
        return None
    if not re.fullmatch(r"[1-9]\d*", value):
        name = next(name for name in names if name in flags)
        raise PlanError(f"{name} takes a number from 1, not {value!r}")
    return int(value)

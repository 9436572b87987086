"""The pieces of a card: Markdown behind YAML."""

from __future__ import annotations

import re
from collections.abc import Mapping

import yaml

from sal.runtime.usage import Usage


def page(front: Mapping[str, object], *parts: str) -> str:
    """The YAML that the Hub reads, and the parts, a blank line between each two."""
    header = yaml.safe_dump(dict(front), sort_keys=False)
    return f"---\n{header}---\n\n" + "\n\n".join(parts) + "\n"


def table(rows: Mapping[str, str], head: str) -> str:
    """Names and values below one heading."""
    lines = [f"| {head} | |", "|---|---:|"]
    return "\n".join(lines + [f"| {plain(name)} | {value} |" for name, value in rows.items()])


def count(tokens: int | None) -> str:
    """With commas."""
    return "unknown" if tokens is None else f"{tokens:,}"


def usage_rows(name: str, usage: Usage) -> dict[str, str]:
    """What the endpoint `name` was asked, by what it is; nothing where that is nothing."""
    if not usage.requests:
        return {}
    return {
        f"{name} prompt tokens": count(usage.prompt_tokens),
        f"{name} cached tokens": count(usage.cached_tokens),
        f"{name} generated tokens": count(usage.completion_tokens),
        f"{name} requests": count(usage.requests),
    }


def plain(text: str) -> str:
    """On one line, with no character that Markdown or HTML would read."""
    return re.sub(r"([\\`*_{}\[\]<>#|~&])", r"\\\1", " ".join(text.split()))


def block(text: str, language: str) -> str:
    """Fenced by more backticks than it has in a row."""
    longest = max((len(ticks) for ticks in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"

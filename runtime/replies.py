"""Whether what an endpoint answered is a reply of SGLang's, or of an OpenAI-compatible server.

Each check returns what is wrong, "" for nothing.
"""

from __future__ import annotations

from typing import Any

import orjson

SHOWN = 80
"""Characters of a strange answer that a message shows."""


def generated(reply: dict[str, Any]) -> str:
    """A reply of /generate."""
    meta = reply.get("meta_info")
    if not isinstance(meta, dict):
        return "no meta_info"
    if not isinstance(reply.get("text"), str) and meta.get("completion_tokens") != 0:
        return "no text (a server with --skip-tokenizer-init sends none)"
    reason = meta.get("finish_reason")
    if not isinstance(reason, dict) or not isinstance(reason.get("type"), str):
        return f"finish_reason is {_shown(reason)}, not an object with a type"
    return ""


def classified(reply: dict[str, Any]) -> str:
    """A reply of /classify to one input."""
    meta, numbers = reply.get("meta_info"), reply.get("embedding")
    if not isinstance(meta, dict) or not isinstance(meta.get("finish_reason"), dict):
        return "no meta_info with a finish_reason"
    if not isinstance(numbers, list) or not all(isinstance(n, int | float) for n in numbers):
        return f"embedding is {_shown(numbers)}, not a list of numbers"
    return ""


def described(reply: dict[str, Any]) -> str:
    """A reply of /model_info."""
    return "" if isinstance(reply.get("model_path"), str) else "no model_path"


def an_object(_: dict[str, Any]) -> str:
    """Any JSON object."""
    return ""


def completed(reply: dict[str, Any]) -> str:
    """A reply of /v1/completions."""
    choice = _first_choice(reply)
    if choice is None:
        return "no choices"
    return "" if isinstance(choice.get("text"), str) else "no text in its choice"


def chatted(reply: dict[str, Any]) -> str:
    """A reply of /v1/chat/completions; one that was cut off while it thought has no content."""
    choice = _first_choice(reply)
    if choice is None:
        return "no choices"
    message = choice.get("message")
    if not isinstance(message, dict):
        return "no message in its choice"
    return "" if isinstance(message.get("content"), str | None) else "no text in its message"


def listed(reply: dict[str, Any]) -> str:
    """A reply of /v1/models."""
    models = reply.get("data")
    if not isinstance(models, list) or not models:
        return "no data"
    named = all(isinstance(model, dict) and isinstance(model.get("id"), str) for model in models)
    return "" if named else "a model without an id"


def excerpt(body: bytes) -> str:
    """The start of a body, in one line."""
    text = " ".join(body[: 4 * SHOWN].decode(errors="replace").split())
    return repr(text[:SHOWN] + ("…" if len(text) > SHOWN or len(body) > 4 * SHOWN else ""))


def message(body: bytes) -> str:
    """What a server says in a reply that is not 200."""
    try:
        error = orjson.loads(body)
        while isinstance(error, dict):
            error = error.get("error") or error.get("message") or error.get("detail") or str(error)
        return str(error)[:500]
    except orjson.JSONDecodeError:
        return excerpt(body)


def _first_choice(reply: dict[str, Any]) -> dict[str, Any] | None:
    choices = reply.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    return first if isinstance(first, dict) else None


def _shown(value: Any) -> str:
    return "absent" if value is None else repr(value)[:SHOWN]

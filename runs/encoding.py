"""JSON as a run's files hold it."""

from __future__ import annotations

import json
from typing import Any

import orjson


def json_value(content: bytes) -> Any:
    """What `json_bytes` wrote; raises ValueError for what is no JSON."""
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:  # perhaps half of a surrogate pair
        return json.loads(content)


def json_bytes(value: Any) -> bytes:
    """Compact JSON in UTF-8. Half of a surrogate pair, which UTF-8 cannot say, is escaped."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        return text.encode("utf-8", errors="backslashreplace")

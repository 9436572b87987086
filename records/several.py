"""Several answers in one value: a list, or a text that is one in JSON."""

from __future__ import annotations

import json
from typing import Any


def several(value: Any, *, written: bool) -> list[Any] | None:
    """The items of a list of several answers; with `written`, of one that is a text, too.

    Only texts are taken for answers there: `[1, 2]` is an interval.
    """
    if isinstance(value, list):
        return value if all(not isinstance(item, list | dict) for item in value) else None
    if not written or not isinstance(value, str) or not value.lstrip().startswith('["'):
        return None
    try:
        items = json.loads(value)
    except (ValueError, RecursionError):
        return None
    return items if len(items) > 1 and all(isinstance(item, str) for item in items) else None

"""Python's garbage collector during a search."""

from __future__ import annotations

import gc


def collect_rarely() -> None:
    """Spare the garbage collector what is loaded; a search makes many objects and few cycles."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)

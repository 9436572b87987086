"""Which display fits the terminal."""

from __future__ import annotations

import os
import sys

from sal.cli.display.interface import Display
from sal.cli.display.lines import LogDisplay, NoDisplay, PlainDisplay
from sal.cli.display.names import DisplayName


def choose_display(name: DisplayName) -> Display:
    """`auto`, and `rich` where it cannot be drawn, become plain lines without a terminal."""
    if name == "none":
        return NoDisplay()
    if name == "log":
        return LogDisplay()
    if name == "plain" or not sys.stderr.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        return PlainDisplay()
    from sal.cli.display.live import RichDisplay

    return RichDisplay()

"""The names of the displays."""

from typing import Literal

DisplayName = Literal["auto", "rich", "plain", "log", "none"]

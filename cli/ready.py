"""Models that must be made before anything is planned: done in view of whoever waits."""

from __future__ import annotations

from collections.abc import Sequence

from sal.cli.display.interface import Display
from sal.runs.errors import RunError
from sal.runtime.made_models import make_ready
from sal.runtime.model_files import NoModelFiles


def fetch_and_convert(
    policies: Sequence[str | None], prms: Sequence[str | None], display: Display
) -> None:
    """Fetch and convert what must be of these models. Raises `RunError` where it cannot be."""
    try:
        make_ready({"policy": policies, "prm": prms}, display.status)
    except NoModelFiles as error:
        raise RunError(str(error)) from error
    finally:
        display.close()

"""What a sweep leaves when it is done: `compare.md` and `compare.json` in its folder."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sal.cli.display.words import duration
from sal.reports.grid import as_json, page, sections
from sal.runs.folder import write_atomically
from sal.runs.recipe import installed_versions
from sal.runs.sweep.cells import Cell
from sal.runs.sweep.sweep import Sweep
from sal.runtime.hardware import Hardware, cpu_name


def write_report(
    folder: Path, cells: Sequence[Cell], sweep: Sweep, hardware: Hardware
) -> tuple[str, dict[str, Any]]:
    """Write both; returns them. Raises OSError when the folder cannot be written."""
    found = sections(cells, sweep.runs, sweep.summaries)
    seconds = sum(
        summary.seconds
        for run in sweep.runs
        if (summary := sweep.summaries.get(run.path)) is not None and sweep.source(run) == run
    )
    gpus = [gpu.name for gpu in hardware.gpus]
    machine = {"cpu": cpu_name(), "cores": os.cpu_count(), "gpus": gpus}
    where = ", ".join(gpus) or f"{machine['cores']} cores ({machine['cpu']})"
    text = page(cells, found, f"{duration(seconds)} of searching on {where}.")
    content = {
        **as_json(found),
        "machine": machine,
        "versions": installed_versions(),
        "seconds": round(seconds),
    }
    write_atomically(folder / "compare.md", text.encode())
    write_atomically(folder / "compare.json", f"{json.dumps(content, indent=1)}\n".encode())
    return text, content

"""The package that a page of docs/ shows, installed as the page says."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"


def block(page: str, language: str) -> str:
    """The only code in that language on a page."""
    text = (DOCS / page).read_text()
    (only,) = re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.M | re.S)
    return str(only)


@contextmanager
def installed_package(
    page: str, group: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """The name of its one entry point of `group`, while it is on the path."""
    project = tomllib.loads(block(page, "toml"))["project"]
    ((name, value),) = project["entry-points"][group].items()
    module = value.partition(":")[0]
    (folder / f"{module}.py").write_text(block(page, "python"))
    info = folder / f"{module}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: 1.0\n"
    )
    (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {value}\n")
    monkeypatch.syspath_prepend(folder)
    yield name
    sys.modules.pop(module, None)

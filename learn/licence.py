"""What cards say of licences: those of the models and the data that something was made of."""

from __future__ import annotations

import yaml

from sal.runtime.model_files import model_file

OF_DATA = """\
## Licence

None is given here. The questions are under the licence of their data set, and what models wrote is
under theirs."""


def licence_of(model: str) -> str | None:
    """What the card of a model (a folder or a Hub name) says, None where it says nothing."""
    path = model_file(model, "README.md")
    if path is None:
        return None
    before, _, rest = path.read_text("utf-8", errors="replace").partition("---\n")
    if before.strip():
        return None
    try:
        front = yaml.safe_load(rest.partition("\n---")[0])
    except yaml.YAMLError:
        return None
    said = front.get("license") if isinstance(front, dict) else None
    return said if isinstance(said, str) else None

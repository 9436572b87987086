"""The card of a model that was trained here: Markdown behind YAML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sal import __version__
from sal.learn.licence import licence_of
from sal.runs.export.markdown import block, page, plain, table
from sal.runs.export.places import shown_name
from sal.runs.folder import write_atomically
from sal.runtime.model_files import on_the_hub


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """What a card says: what the model is, of which model and what data, how it was trained, what
    came out, and the command that uses the folder `MODEL`."""

    title: str
    tags: Sequence[str]
    base: str
    sources: Sequence[str]
    data: Mapping[str, str]
    training: Mapping[str, Any]
    figures: Mapping[str, float | str]
    use: str

    def write(self, folder: Path) -> None:
        """README.md in the folder of the model. Raises OSError."""
        licence = licence_of(self.base)
        base = shown_name(self.base)
        front: dict[str, Any] = {"library_name": "transformers", "tags": [*self.tags, "sal"]}
        if on_the_hub(self.base) and not Path(self.base).exists():
            front["base_model"] = self.base
        if licence is not None:
            front["license"] = licence
        settings = {name: str(value) for name, value in self.training.items() if value is not None}
        shown = {
            name: value if isinstance(value, str) else f"{value:g}"
            for name, value in self.figures.items()
        }
        text = page(
            front,
            f"# {plain(self.title)}",
            plain(f"Of {base}, by {', '.join(map(shown_name, self.sources))}; sal {__version__}."),
            table(self.data, "data"),
            table(settings, "training"),
            table(shown, "figures"),
            "## Use it",
            block(self.use, "sh"),
            "## Licence",
            f"{licence}, as the model that it was made of." if licence else _UNKNOWN,
        )
        write_atomically(folder / "README.md", text.encode())


_UNKNOWN = (
    "That of the model that it was made of, whose card states none; what it learned from is under "
    "the licence of its data."
)

"""What is published of a folder that was learned into: labels, examples, a PRM or a policy."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sal.learn.checkpoints import RECORD
from sal.learn.distill.files import PARQUET as EXAMPLES
from sal.learn.files import PARQUET as LABELS
from sal.learn.furnish import ADAPTER, TOKENIZER
from sal.runs.errors import FolderError
from sal.runs.export.places import shown_name

CARD = "README.md"


@dataclass(frozen=True, slots=True)
class Learned:
    """The kind of its repository, and its files by their names there."""

    kind: Literal["dataset", "model"]
    files: dict[str, Path | bytes]


def learned_in(folder: Path) -> Learned | None:
    """What is in `folder`, None for nothing of the kind.

    Of a model neither the record of its training is published, which has names of this machine,
    nor what only that training needs. Raises `FolderError` without a card, and OSError.
    """
    for data in (LABELS, EXAMPLES):
        if (folder / data).is_file():
            return Learned("dataset", _with_card(folder, [folder / data]))
    if not (folder / "config.json").is_file() or not (folder / RECORD).is_file():
        return None
    names = ("config.json", "generation_config.json", "model.safetensors.index.json", *TOKENIZER)
    files = [*map(folder.joinpath, names), *sorted(folder.glob("*.safetensors"))]
    return Learned("model", _with_card(folder, files) | _adapter(folder / ADAPTER))


def _with_card(folder: Path, files: list[Path]) -> dict[str, Path | bytes]:
    if not (folder / CARD).is_file():
        raise FolderError(f"{folder}: has no {CARD}, the card that goes with it")
    return {path.name: path for path in [folder / CARD, *files] if path.is_file()}


def _adapter(folder: Path) -> dict[str, Path | bytes]:
    """Its settings name the model that it is for as the Hub knows it, or by its last name."""
    if not folder.is_dir():
        return {}
    settings = json.loads((folder / "adapter_config.json").read_text("utf-8"))
    settings["base_model_name_or_path"] = shown_name(settings["base_model_name_or_path"])
    files: dict[str, Path | bytes] = {
        f"{folder.name}/adapter_config.json": json.dumps(settings, indent=2).encode()
    }
    return files | {f"{folder.name}/{path.name}": path for path in folder.glob("*.safetensors")}

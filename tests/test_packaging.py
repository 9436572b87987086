"""The wheel holds every room and its data, and imports from a fresh environment."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = sorted(p.parent.name for p in ROOT.glob("src/sal/*/__init__.py"))


def run(*command: str | Path, cwd: Path | None = None) -> str:
    done = subprocess.run(
        [str(c) for c in command], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--outdir", out, ROOT)
    (built,) = out.glob("*.whl")
    return built


def test_the_wheel_holds_every_room_and_the_tiny_weights(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for room in ROOMS:
        assert f"sal/{room}/__init__.py" in names
    models = ("policy", "prm", "figure/small", "figure/medium", "figure/large", "figure/prm")
    for data in ("py.typed", *(f"tiny/{model}/model.safetensors" for model in models)):
        assert f"sal/{data}" in names
    page = {p.relative_to(ROOT).as_posix() for p in (ROOT / "reports/page").rglob("*.*")}
    assert {f"sal/{name}" for name in page} <= names
    assert any(n.startswith("sal/runtime/stand_in/sgl_kernel/") for n in names)


def test_every_module_imports_from_the_wheel_alone(wheel: Path, tmp_path: Path) -> None:
    env = tmp_path / "env"
    run(sys.executable, "-m", "venv", env)
    python = env / "bin" / "python"
    constraints = ROOT / "constraints.txt"
    run(
        sys.executable,
        "-m",
        "uv",
        "pip",
        "install",
        "--quiet",
        "--python",
        python,
        "-c",
        constraints,
        wheel,
    )
    script = (
        "import importlib, pkgutil, sal\n"
        "import pathlib, sys\n"
        "assert pathlib.Path(sal.__file__).is_relative_to(sys.prefix), sal.__file__\n"
        "mods = [m.name for m in pkgutil.walk_packages(sal.__path__, 'sal.')\n"
        "        if 'stand_in' not in m.name and not m.name.endswith('__main__')]\n"
        "for m in mods: importlib.import_module(m)\n"
        "print(len(mods))\n"
    )
    assert int(run(python, "-c", script, cwd=tmp_path)) > len(ROOMS)
    assert run(env / "bin" / "sal", "--version", cwd=tmp_path).startswith("sal ")

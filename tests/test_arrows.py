"""The arrows of the house: which room may import which (design: the house)."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

MAY_IMPORT: dict[str, set[str]] = {
    "strategies": set(),
    "grading": {"records"},
    "runtime": set(),
    "tiny": set(),
    "records": set(),
    "verifiers": {"runtime"},
    "programs": {"strategies", "verifiers", "runtime"},
    "runs": {"programs", "strategies", "grading", "verifiers", "runtime", "records", "tiny"},
    "reports": {"runs"},
    "learn": {"programs", "strategies", "verifiers", "runtime", "runs"},
    "serve": {"programs", "strategies", "grading", "runtime", "runs", "reports"},
    "cli": {
        *("programs", "strategies", "grading", "verifiers", "runtime", "runs", "reports", "tiny"),
        *("learn", "serve"),
    },
}

INTERFACES: dict[str, dict[str, set[str]]] = {
    "programs": {"verifiers": {"interface"}, "runtime": {"policy", "frontend"}}
}
"""Of some rooms a room may import certain modules alone: interfaces, not what is behind them."""

THIRD_PARTY_ONLY: dict[str, set[str]] = {
    "strategies": {"numpy"},
    "programs": {"sglang"},
}

ALSO_WHEN_NEEDED = {"strategies/ets.py": {"scipy"}}
"""Heavy libraries that one file may import, inside a function."""


def imported_modules(source: str) -> set[str]:
    """Every module that a file names in an import, at any depth."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found |= {node.module} | {f"{node.module}.{a.name}" for a in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level:
            found.add("relative")
    return found


def imported_at_once(source: str) -> set[str]:
    """Modules that a file imports outside of any function."""
    tree = ast.parse(source)
    top = [ast.unparse(n) for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom)]
    return imported_modules("\n".join(top))


def rooms_imported(source: str) -> set[str]:
    modules = imported_modules(source)
    return {m.split(".")[1] for m in modules if m.startswith("sal.")} & set(MAY_IMPORT)


def files(room: str) -> list[Path]:
    found = sorted((ROOT / room).rglob("*.py"))
    assert found, f"no code in {room}/"
    return found


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_the_rooms_it_may(room: str) -> None:
    allowed = MAY_IMPORT[room] | {room}
    wrong = {
        str(path.relative_to(ROOT)): sorted(rooms_imported(path.read_text()) - allowed)
        for path in files(room)
        if rooms_imported(path.read_text()) - allowed
    }
    assert wrong == {}


@pytest.mark.parametrize("room", INTERFACES)
def test_a_room_imports_interfaces_and_not_what_is_behind_them(room: str) -> None:
    for path in files(room):
        for module in imported_modules(path.read_text()):
            _, other, part, *_ = [*module.split("."), "", ""]
            if module.startswith("sal.") and other in INTERFACES[room] and part:
                assert part in INTERFACES[room][other], f"{path.name} imports {module}"


def test_sglangs_frontend_is_used_in_one_place_and_by_its_public_names_elsewhere() -> None:
    for room in MAY_IMPORT:
        for path in files(room):
            if path.is_relative_to(ROOT / "runtime" / "frontend"):
                continue
            private = {m for m in imported_modules(path.read_text()) if m.startswith("sglang.lang")}
            assert not private, f"{path.relative_to(ROOT)} imports {sorted(private)}"


@pytest.mark.parametrize("room", THIRD_PARTY_ONLY)
def test_a_pure_room_imports_no_other_library(room: str) -> None:
    import sys

    allowed = THIRD_PARTY_ONLY[room] | set(sys.stdlib_module_names) | {"sal"}
    for path in files(room):
        name = str(path.relative_to(ROOT))
        late = ALSO_WHEN_NEEDED.get(name, set())
        tops = {m.split(".")[0] for m in imported_modules(path.read_text())}
        assert tops <= allowed | late, f"{name} imports {sorted(tops - allowed - late)}"
        at_once = {m.split(".")[0] for m in imported_at_once(path.read_text())}
        assert at_once <= allowed, f"{name} imports {sorted(at_once - allowed)} at once"


def test_the_check_sees_a_wrong_arrow() -> None:
    assert rooms_imported("def f():\n    from sal.cli.main import main\n") == {"cli"}
    assert rooms_imported("import sal.runs.journal") == {"runs"}


def test_every_room_of_code_has_its_arrows_written_down() -> None:
    with_code = {p.parent.name for p in ROOT.glob("*/__init__.py")} - {"bench"}  # not packaged
    assert with_code == set(MAY_IMPORT)


def test_every_room_is_linked_into_the_package() -> None:
    for room in MAY_IMPORT:
        link = ROOT / "src" / "sal" / room
        assert link.is_symlink(), link
        assert link.resolve() == (ROOT / room).resolve()

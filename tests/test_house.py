"""docs/house.md lists every file of code, in the file's own words.

`python tests/test_house.py` prints the list as it should stand there.
"""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "house.md"
FOLDERS = (
    "programs",
    "strategies",
    "verifiers",
    "runtime",
    "grading",
    "records",
    "runs",
    "reports",
    "learn",
    "serve",
    "tiny",
    "cli",
    "bench",
    "examples",
)


def first_words(path: Path) -> str:
    """The first paragraph of a module's docstring, in one line."""
    words = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(words.partition("\n\n")[0].split())


def listing() -> str:
    """A section per folder, a line per file."""
    sections = []
    for folder in FOLDERS:
        files = sorted((ROOT / folder).rglob("*.py"), key=lambda p: (len(p.parts), p))
        package = ROOT / folder / "__init__.py"
        head = f"### {folder}\n\n" + (f"{first_words(package)}\n\n" if package.exists() else "")
        lines = [
            f"- `{path.relative_to(ROOT)}`: {first_words(path)}"
            for path in files
            if path != package and first_words(path)
        ]
        sections.append(head + "\n".join(lines))
    return "\n\n".join(sections) + "\n"


def test_every_file_is_listed_in_its_own_words() -> None:
    listed = PAGE.read_text(encoding="utf-8").partition("## Every file\n\n")[2]
    assert listed == listing()


def test_every_file_says_what_it_is() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*.py")
        if not first_words(path)
    ]
    assert silent == []


def test_every_folder_of_code_is_there() -> None:
    with_code = {path.parts[0] for path in (p.relative_to(ROOT) for p in ROOT.glob("*/*.py"))}
    assert with_code - {"tests"} == set(FOLDERS)


def test_the_walks_name_files_that_exist() -> None:
    import re

    walks = PAGE.read_text(encoding="utf-8").partition("## Every file")[0]
    for name in re.findall(r"`((?:\w+/)+\w+\.(?:py|md))`", walks):
        assert (ROOT / name).exists(), name


if __name__ == "__main__":
    print(listing(), end="")

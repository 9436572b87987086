"""Publishing results, and what was learned of them: what the commands share that push."""

from __future__ import annotations

import logging
import shlex
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from sal.runs.errors import PushError, RunError
from sal.runs.export.hub import Pushed, Repository, check_push
from sal.runs.export.publication import Publication, publish
from sal.runs.found import read_run


def push_runs(
    folders: Iterable[Path], repo: str, *, public: bool, traces: bool, dry_run: bool
) -> None:
    """One revision each; their addresses on stdout. A dry run says what would go, and asks nobody.

    Raises `RunError`.
    """
    check_push(repo, token=not dry_run)
    _quiet()
    repository = None if dry_run else Repository(repo, public=public)
    name = repo if repository is None else repository.name
    with tempfile.TemporaryDirectory() as work:
        publications = [
            publish(read_run(folder), name, Path(work), traces=traces) for folder in folders
        ]
        if repository is None:
            _show(publications, repo, public=public)
            return
        for publication in publications:
            _tell(repository.push(publication))


def push_learned(folder: Path, repo: str, *, public: bool, dry_run: bool) -> bool:
    """Labels, examples or a model, as they are; whether the folder holds such.

    The address is on stdout. A dry run says what would go, and asks nobody. Raises `RunError`.
    """
    from sal.learn.publication import learned_in

    learned = learned_in(folder)
    if learned is None:
        return False
    check_push(repo, token=not dry_run)
    _quiet()
    if dry_run:
        _head(learned.kind, repo, public=public)
        for name, content in learned.files.items():
            size = len(content) if isinstance(content, bytes) else content.stat().st_size
            print(_size(size, name))
        return True
    repository = Repository(repo, public=public, kind=learned.kind)
    _tell(repository.put(learned.files, "Published by sal"))
    return True


def push_after(folder: Path, repo: str) -> int:
    """Push what has just ended; the exit code. What is on disk stays as it is."""
    try:
        if not push_learned(folder, repo, public=False, dry_run=False):
            push_runs([folder], repo, public=False, traces=False, dry_run=False)
    except (RunError, OSError) as error:
        again = shlex.join(["sal", "export", str(folder), "--push-to-hub", repo])
        print(
            f"sal: not pushed: {error}; the results are in {folder}, push them with\n  {again}",
            file=sys.stderr,
        )
        return 1 if isinstance(error, PushError | OSError) else 2
    return 0


def sizes(path: Path, shown: Path) -> list[str]:
    """A line for a file, or for each in a folder: bytes, and the name with `path` as `shown`."""
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    return [_size(file.stat().st_size, shown / file.relative_to(path)) for file in files]


def _size(size: int, name: object) -> str:
    return f"{size:>12,}  {name}"


def _head(kind: str, repo: str, *, public: bool) -> None:
    seen = "public" if public else "private"
    print(f"# {kind} {repo}, {seen} if it is new (nothing was sent)")


def _show(publications: Iterable[Publication], repo: str, *, public: bool) -> None:
    _head("dataset", repo, public=public)
    for publication in publications:
        print(f"\n# revision {publication.revision}")
        print("\n".join(sizes(publication.folder, Path())))


def _tell(pushed: Pushed) -> None:
    print(pushed.url, flush=True)
    if not pushed.new:
        print("sal: nothing new in this revision", file=sys.stderr)


def _quiet() -> None:
    """The library's remarks and, outside of a terminal, its bars are not shown."""
    from huggingface_hub.utils import disable_progress_bars  # type: ignore[attr-defined]

    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    if not sys.stderr.isatty():
        disable_progress_bars()

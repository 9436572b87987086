"""Every command tells when its stdout cannot be written, by a sentence and an exit code."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from runs_terminal import SAL, environment

from sal.cli.stdout import StdoutLost, watched_stdout

REDIRECTIONS = {
    ">&-": "it is closed",
    "> /dev/full": "No space left on device",
    "| true": "Broken pipe",
}


def shell(line: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {line}"],
        cwd=folder,
        env=environment(folder / "state") | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("redirection", REDIRECTIONS)
@pytest.mark.parametrize("words", ["--version", "doctor --json", "run dvts --dry-run"])
def test_a_stdout_that_cannot_be_written_is_told(
    words: str, redirection: str, tmp_path: Path
) -> None:
    unbuffered = "1" if words == "--version" else ""
    line = f"{{ sleep 2; {SAL} {words}; }} {redirection}"  # the pipe's reader is gone by then
    done = shell(line, tmp_path, PYTHONUNBUFFERED=unbuffered)
    why = REDIRECTIONS[redirection]
    assert done.stderr == f"sal: cannot write to stdout: {why}; what is on disk is whole\n"
    assert done.returncode == 1


@pytest.mark.parametrize("redirection", REDIRECTIONS)
def test_a_command_that_prints_nothing_there_needs_none(redirection: str, tmp_path: Path) -> None:
    done = shell(f"{SAL} down {redirection}", tmp_path)
    assert (done.returncode, done.stderr) == (0, "Nothing is up.\n")


def test_no_file_takes_the_place_of_a_closed_stream(tmp_path: Path) -> None:
    """Else what a child prints would be written into the journal."""
    code = (
        "import os, sys; from sal.cli.stdout import watched_stdout\n"
        "with watched_stdout():\n"
        f"    file = open({str(tmp_path / 'journal')!r}, 'wb')\n"
        "    os.write(1, b'lost'); os.write(2, b'lost'); print('lost', file=sys.stderr)\n"
        "    sys.exit(0 if file.fileno() > 2 else 9)\n"
    )
    python = SAL.with_name("python")
    done = shell(f"{python} -c '{code.replace(chr(39), chr(34))}' <&- >&- 2>&-", tmp_path)
    assert done.returncode == 0
    assert (tmp_path / "journal").read_bytes() == b""


def test_what_was_lost_once_stays_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stream:
        monkeypatch.setattr("sys.stdout", stream)
        with watched_stdout():
            print("x")
            for _ in range(2):
                with pytest.raises(StdoutLost, match="Broken pipe"):
                    print("y", flush=True)

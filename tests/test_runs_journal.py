from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sal.runs.errors import FolderError
from sal.runs.journal import Journal

texts = st.text(max_size=30) | st.just("half an emoji: \ud83d")
records = st.lists(st.fixed_dictionaries({"type": st.just("problem"), "text": texts}), max_size=6)


def write(path: Path, items: list[dict[str, object]]) -> None:
    with Journal(path) as journal:
        for item in items:
            journal.append(item)


@given(items=records, data=st.data())
def test_cut_at_any_byte_it_keeps_the_whole_records_and_owes_the_torn_one(
    items: list[dict[str, object]], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "journal.jsonl")
        write(path, items)
        whole = path.read_bytes()
        cut = data.draw(st.integers(0, len(whole)))
        path.write_bytes(whole[:cut])
        kept = whole[:cut].count(b"\n")
        with Journal(path) as journal:
            assert list(journal.records) == items[:kept]
            journal.append({"type": "problem", "text": "after"})
        with Journal(path) as journal:
            assert list(journal.records) == [*items[:kept], {"type": "problem", "text": "after"}]


def test_a_block_that_the_disk_lost_costs_only_its_own_record(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b'{"type":"a"}\n\0\0\0\0\n[1]\n{"type":"b"}\n')
    with Journal(path) as journal:
        assert list(journal.records) == [{"type": "a"}, {"type": "b"}]


def test_a_second_writer_is_refused_while_the_first_lives(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path), pytest.raises(FolderError, match="another run is writing there"):
        Journal(path)
    Journal(path).close()


def test_a_record_is_on_disk_when_append_returns_and_a_killed_writer_leaves_no_lock(
    tmp_path: Path,
) -> None:
    path = tmp_path / "journal.jsonl"
    script = (
        "import sys, time; from pathlib import Path; from sal.runs.journal import Journal\n"
        "j = Journal(Path(sys.argv[1])); j.append({'type': 'x'}); print('ok', flush=True)\n"
        "time.sleep(600)"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ok\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    with Journal(path) as journal:
        assert list(journal.records) == [{"type": "x"}]


def test_a_write_that_fails_leaves_no_half_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        journal.append({"type": "first"})
        real = os.write

        def full(handle: int, data: bytes) -> int:
            if len(data) > 4:
                return real(handle, bytes(data[:4]))
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space"):
            journal.append({"a": 1})
        monkeypatch.undo()
        journal.append({"type": "second"})
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines == [{"type": "first"}, {"type": "second"}]

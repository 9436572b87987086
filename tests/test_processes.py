"""`just test` runs in two processes: what belongs together is of one (conftest.py)."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_a_file_is_of_one_process(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "pytest", "-n", "2", "--dist", "loadgroup", "-vv"]
    words += ["-p", "no:cacheprovider", "--basetemp", str(tmp_path / "of-pytest")]
    files = ["tests/test_records.py", "tests/test_learn_sets.py"]
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    done = subprocess.run(
        [*words, *files], cwd=ROOT, env=kept, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    ran = re.findall(r"\[(gw\d)\] .* PASSED (tests/\w+\.py)::.*@(\S+)", done.stdout)
    assert {file for _, file, _ in ran} == set(files)
    assert all(group == file for _, file, group in ran)
    assert len({(worker, file) for worker, file, _ in ran}) == len(files)

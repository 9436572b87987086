"""Data sets as people have them: every kind is read, or refused in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
from data_kinds import KINDS, Kind

from sal.runs.errors import DatasetError
from sal.runs.problems import load_problems


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_kind(kind: Kind, tmp_path: Path) -> None:
    dataset = kind.prepare(tmp_path)
    if kind.problems is not None:
        loaded = load_problems(dataset, **kind.options)
        found = [(q.id, q.text, " or ".join(q.answers)) for q in loaded.questions]
        assert found == kind.problems
        return
    with pytest.raises(DatasetError) as caught:
        load_problems(dataset, **kind.options)
    said = str(caught.value)
    assert kind.says in said
    assert "\n" not in said
    assert said.startswith(dataset) or "--split" in said
    assert len(said) < len(dataset) + 400


def test_there_are_many_kinds_and_no_two_of_one_name() -> None:
    names = [kind.name for kind in KINDS]
    assert len(set(names)) == len(names) >= 117

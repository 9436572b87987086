"""docs/verifiers.md names every family as it is, and what reading each input anew would cost."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TypeGuard

import pytest
from prm_conformance import distinct, judged
from prm_models import llama_tokenizer, pieces_tokenizer, qwen_tokenizer

from sal.verifiers.causal import CausalFamily
from sal.verifiers.contract import Family, Prm
from sal.verifiers.head import HeadFamily
from sal.verifiers.registry import OWN, find_family

PAGE = (Path(__file__).parent.parent / "docs" / "verifiers.md").read_text()
FAMILIES = PAGE.partition("## The families")[2].partition("\n## ")[0]
ROWS = [
    [cell.strip() for cell in row.split(" | ")]
    for row in re.findall(r"^\| (`.*)\|$", FAMILIES, re.M)
]
LLAMA = ("step-token", "er-prm", "versa-prm", "chat-turn", "reasoneval")
PIECES = ("llemma",)


def reads_steps(family: Family) -> TypeGuard[CausalFamily | HeadFamily]:
    """Whether it is read behind every step (the others: docs/generative-verifiers.md)."""
    return isinstance(family, CausalFamily | HeadFamily) and not family.outcome


def test_the_table_is_the_registry() -> None:
    said = {row[0].strip("`"): row for row in ROWS}
    positional = [n for n in OWN if reads_steps(find_family(n))]
    assert [name for name in said if name in positional] == sorted(positional, key=list(said).index)
    for name in positional:
        family, row = find_family(name), said[name]
        assert row[2] == ("as it is" if isinstance(family, CausalFamily) else "overlay")
        assert row[5].rstrip("*") == family.aggregate
        assert row[5].endswith("*") == (family.aggregate_by == "sal")
        settings = set(re.findall(r"`(\w+)`", row[6]))
        assert "as above" in row[6] or settings == family.option_names


def test_without_a_cache_everything_is_read_several_times(tmp_path: Path) -> None:
    low, high = map(float, re.findall(r"prefix cache \| ([\d.]+) to ([\d.]+)", PAGE)[0])
    llama_tokenizer(tmp_path / "llama")
    qwen_tokenizer(tmp_path / "qwen", bos="<|endoftext|>")
    pieces_tokenizer(tmp_path / "pieces")
    found = []
    for name in OWN:
        family = find_family(name)
        if reads_steps(family):
            folder = tmp_path / (
                "llama" if name in LLAMA else "pieces" if name in PIECES else "qwen"
            )
            format = family.format(Prm(str(folder), {}, family.options({})))
            inputs = judged(format)
            found.append(sum(map(len, inputs)) / distinct(inputs))
    assert (round(min(found), 1), round(max(found), 1)) == pytest.approx((low, high))

"""Exact attention on the CPU: how work is cut and grouped, and that it finds what SGLang finds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from servers_python import server_python
from test_runtime_cpu_attention import COMPARE

from sal.runtime.cpu_attention import MOST_KEYS
from sal.runtime.cpu_attention_exact import BLOCK, grouped, pieces

lengths = st.lists(
    st.tuples(st.integers(1, 300), st.integers(0, 3000)).map(lambda x: (x[0], x[0] + x[1])),
    max_size=40,
)


@given(lengths)
def test_every_new_token_is_in_one_piece_that_sees_one_block(pairs: list[tuple[int, int]]) -> None:
    new, total = [p[0] for p in pairs], [p[1] for p in pairs]
    cut = list(pieces(new, total))
    rows = [row for piece in cut for row in range(piece.row, piece.row + piece.tokens)]
    assert rows == list(range(sum(new)))
    positions = [at for piece in cut for at in range(piece.start, piece.start + piece.tokens)]
    assert positions == [at for n, t in pairs for at in range(t - n, t)]
    assert all(piece.start // BLOCK == (piece.start + piece.tokens - 1) // BLOCK for piece in cut)


@given(lengths)
def test_every_piece_is_in_one_group_of_its_like(pairs: list[tuple[int, int]]) -> None:
    cut = list(pieces([p[0] for p in pairs], [p[1] for p in pairs]))
    groups = list(grouped(cut))
    assert sorted(piece for group in groups for piece in group) == sorted(cut)
    for group in groups:
        (block,) = {piece.start // BLOCK for piece in group}
        assert max(p.tokens for p in group) < 2 * min(p.tokens for p in group)
        assert len(group) == 1 or len(group) * (block + 1) * BLOCK <= MOST_KEYS


@pytest.mark.parametrize("shape", ["4,4,32", "6,2,16"])
def test_it_finds_what_sglang_finds(shape: str) -> None:
    worst = server_python(COMPARE, shape, deterministic=True).split()
    assert len(worst) == 2
    assert all(float(difference) < 1e-5 for difference in worst)

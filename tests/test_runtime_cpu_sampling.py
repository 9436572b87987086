"""What is drawn with a seed, without a server."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sal.runtime.cpu_sampling import drawn, filtered

SHARES = np.array([0.5, 0.3, 0.15, 0.05, 0.0], np.float32)


@pytest.mark.parametrize("seeds_vary", [True, False])
def test_columns_come_as_often_as_they_weigh(seeds_vary: bool) -> None:
    rows = 200_000
    counted = np.arange(rows)
    seeds, positions = (counted, counted * 0 + 7) if seeds_vary else (counted * 0 + 7, counted)
    found = np.bincount(drawn(np.tile(SHARES, (rows, 1)), seeds, positions), minlength=5)
    error = np.sqrt(SHARES * (1 - SHARES) / rows)
    assert (np.abs(found / rows - SHARES) <= 4 * error).all()


def test_a_token_a_million_times_less_likely_is_not_drawn_by_rounding() -> None:
    rows, columns = 2_000, 50_000
    weights = np.full(columns, 1e-13, np.float32)
    weights[123] = 1
    assert (drawn(np.tile(weights, (rows, 1)), np.arange(rows), np.arange(rows)) == 123).all()


@given(st.integers(1, 60), st.integers(0, 60), st.integers(-(2**63), 2**63 - 1))
def test_a_row_does_not_depend_on_those_beside_it(rows: int, first: int, seed: int) -> None:
    random = np.random.default_rng(0)
    weights = random.dirichlet(np.ones(365), 120).astype(np.float32)
    seeds = np.full(120, seed)
    positions = np.arange(120)
    part = slice(first, first + rows)
    everything = drawn(weights, seeds, positions)
    assert (drawn(weights[part], seeds[part], positions[part]) == everything[part]).all()


def test_other_last_bits_of_the_weights_draw_the_same() -> None:
    random = np.random.default_rng(0)
    weights = random.dirichlet(np.full(365, 0.1), 20_000).astype(np.float32)
    other = weights * (1 + random.uniform(-1e-6, 1e-6, weights.shape)).astype(np.float32)
    seeds = np.arange(20_000)
    assert (drawn(weights, seeds, seeds) != drawn(other, seeds, seeds)).sum() <= 2


def test_filters_leave_what_sglang_leaves() -> None:
    import torch

    probs = torch.tensor([[0.2, 0.5, 0.1, 0.15, 0.05]] * 5)
    top_ks = torch.tensor([1 << 30, 2, 1 << 30, 1 << 30, 1])
    top_ps = torch.tensor([1.0, 1.0, 0.6, 1.0, 1.0])
    min_ps = torch.tensor([0.0, 0.0, 0.0, 0.25, 0.0])
    kept = filtered(probs, top_ks, top_ps, min_ps) > 0
    assert kept.tolist() == [
        [True, True, True, True, True],
        [True, True, False, False, False],
        [True, True, False, False, False],
        [True, True, False, True, False],
        [False, True, False, False, False],
    ]

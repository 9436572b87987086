"""Particle filtering's decisions: the numbers of the papers' equations, and what always holds."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sal.strategies.particles import (
    ANNEALINGS,
    Annealing,
    Resampling,
    annealed,
    effective_size,
    entropy,
    log_odds,
    offspring,
    resample,
    softmax,
)
from sal.strategies.seeds import generator

unit = st.floats(0, 1)
log_weight = st.one_of(st.floats(-40, 40), st.just(-math.inf))
resamplings = st.sampled_from(["systematic", "stratified", "multinomial"])


class TestWeights:
    """w = softmax(logit(r) / tau), arXiv 2502.01618."""

    def test_worked_by_hand(self) -> None:
        # Odds of 0.8, 0.5, 0.2 are 4, 1, 1/4: weights 16/21, 4/21, 1/21.
        weights = softmax([log_odds(r) for r in (0.8, 0.5, 0.2)])
        assert weights == pytest.approx([16 / 21, 4 / 21, 1 / 21])

    def test_tau_is_a_root_of_the_odds(self) -> None:
        # tau = 2: odds 2, 1, 1/2, so 4/7, 2/7, 1/7.
        weights = softmax([log_odds(r, tau=2) for r in (0.8, 0.5, 0.2)])
        assert weights == pytest.approx([4 / 7, 2 / 7, 1 / 7])

    def test_scores_of_0_and_1_are_finite(self) -> None:
        assert log_odds(1.0) == pytest.approx(math.log(1e7), rel=1e-6)
        assert log_odds(0.0) == pytest.approx(-log_odds(1.0))
        assert log_odds(-math.inf) == -math.inf

    @given(unit, unit)
    def test_a_better_score_never_weighs_less(self, one: float, other: float) -> None:
        assert (log_odds(one) >= log_odds(other)) >= (one >= other)

    def test_nothing_weighs_anything(self) -> None:
        assert list(softmax([-math.inf] * 3)) == [0, 0, 0]

    @given(st.lists(log_weight, min_size=1, max_size=64))
    def test_they_sum_to_one_or_none_is_left(self, logs: list[float]) -> None:
        total = softmax(logs).sum()
        assert total == (pytest.approx(1) if max(logs) > -math.inf else 0)


class TestEffectiveSize:
    def test_worked_by_hand(self) -> None:
        # 1 / (1/4 + 1/16 + 1/16) = 8/3
        assert effective_size(np.array([0.5, 0.25, 0.25])) == pytest.approx(8 / 3)
        assert effective_size(np.array([0.25] * 4)) == pytest.approx(4)
        assert effective_size(np.array([0.0, 1.0])) == pytest.approx(1)


class TestOffspring:
    def test_systematic_worked_by_hand(self) -> None:
        # u = 1/2 of N = 4: positions .125 .375 .625 .875 in pieces that end at .5, .625, .875, 1.
        weights = np.array([0.5, 0.125, 0.25, 0.125])
        assert offspring(weights, (0.5 + np.arange(4)) / 4) == [2, 0, 1, 1]
        # u = 0, positions 0 .25 .5 .75: an end belongs to the next piece.
        assert offspring(weights, np.arange(4) / 4) == [2, 1, 1, 0]

    @given(st.lists(unit, min_size=1, max_size=64), st.floats(0, 0.999))
    def test_systematic_is_within_one_of_its_share(self, raw: list[float], u: float) -> None:
        weights = np.array(raw) + 1e-3
        weights /= weights.sum()
        size = len(raw)
        for n, weight in zip(
            offspring(weights, (u + np.arange(size)) / size), weights, strict=True
        ):
            assert math.floor(size * weight - 1e-9) <= n <= math.ceil(size * weight + 1e-9)

    @given(st.lists(st.sampled_from([0.0, 0.1, 0.3]), min_size=1, max_size=9), unit)
    def test_no_weight_no_offspring(self, raw: list[float], u: float) -> None:
        weights = np.array([*raw, 0.7, 0.0])
        drawn = offspring(
            weights, np.array([0.0, u, np.nextafter(1, 0)]).clip(0, np.nextafter(1, 0))
        )
        assert sum(drawn) == 3
        assert all(n == 0 for n, weight in zip(drawn, weights, strict=True) if weight == 0)


class TestAnnealing:
    """Entropic annealing, arXiv 2510.05825; N = 4, weights (9, 1, 1, 1) / 12: ESS = 12 / 7."""

    WEIGHTS = np.array([9, 1, 1, 1]) / 12

    def test_ess_worked_by_hand(self) -> None:
        # N / ESS = 7/3: at a tenth of the way 0.9 * 7/3
        assert annealed("ess", self.WEIGHTS, 0.1) == pytest.approx(2.1)

    def test_entropy_worked_by_hand(self) -> None:
        # H = -(3/4 ln 3/4 + 1/4 ln 1/12) / ln 4 = 0.603759; 1 / (H + 0.1 (1 - H)) = 1.554275
        assert entropy(self.WEIGHTS) == pytest.approx(0.603759, abs=1e-6)
        assert annealed("entropy", self.WEIGHTS, 0.1) == pytest.approx(1.554275, abs=1e-5)

    def test_base_worked_by_hand(self) -> None:
        assert annealed("base", self.WEIGHTS, 0.1) == pytest.approx(1.9)

    @pytest.mark.parametrize("how", ANNEALINGS)
    def test_only_early_and_only_where_few_are_left(self, how: Annealing) -> None:
        assert annealed(how, self.WEIGHTS, 0.5) == 1
        assert annealed(how, np.array([0.5, 0.5, 0.0, 0.0]), 0.1) == 1
        assert annealed(how, np.array([1.0]), 0.1) == 1

    def test_it_flattens_what_is_drawn_from(self) -> None:
        # "base" at 1: temperature 2, so odds 9 : 1 : 1 : 1 become 3 : 1 : 1 : 1.
        logs = [math.log(9), 0, 0, 0]

        def first(annealing: Annealing) -> float:
            draws = [
                resample(logs, "multinomial", generator(0, "q", i), annealing=annealing)[0][0]
                for i in range(2000)
            ]
            return float(np.mean(draws))

        assert first("none") == pytest.approx(4 * 9 / 12, abs=0.1)
        assert first("base") == pytest.approx(4 * 3 / 6, abs=0.1)


class TestResample:
    @pytest.mark.parametrize(
        ("how", "positions"),
        [
            ("systematic", lambda u: (u[0] + np.arange(5)) / 5),
            ("stratified", lambda u: (u + np.arange(5)) / 5),
            ("multinomial", lambda u: u),
        ],
    )
    def test_the_same_uniforms_the_same_ancestors(self, how: Resampling, positions: Any) -> None:
        """Against the textbook's inverse of the cumulated weights, from the same draws."""
        logs = [math.log(w) for w in (0.6, 0.1, 0.2, 0.05, 0.05)]
        ends = np.cumsum(np.exp(logs))
        for seed in range(200):
            counts, _ = resample(logs, how, generator(seed, "q", 1), below=1)
            uniforms = generator(seed, "q", 1).random(1 if how == "systematic" else 5)
            ancestors = [int(np.argmax(p < ends)) for p in positions(uniforms)]
            assert counts == [ancestors.count(i) for i in range(5)]

    @pytest.mark.parametrize("how", ["systematic", "stratified", "multinomial"])
    def test_offspring_are_in_proportion(self, how: Resampling) -> None:
        """Unbiased: E[n_i] = N w_i, whatever the order of the weights."""
        weights = np.array([0.05, 0.42, 0.13, 0.4])
        draws = [
            resample(list(np.log(weights)), how, generator(0, "q", i), below=1)[0]
            for i in range(4000)
        ]
        assert np.mean(draws, axis=0) == pytest.approx(4 * weights, abs=0.05)

    def test_the_share_that_resampling_waits_for(self) -> None:
        # weights (3, 1, 1, 1) / 6: an effective size of 3 of 4
        logs = [math.log(3), 0, 0, 0]
        for how in ("systematic", "stratified"):
            kept = resample(logs, how, generator(0, "q", 1), below=0.74)
            drawn = resample(logs, how, generator(0, "q", 1), below=0.76)
            assert (kept[1], drawn[1]) == (logs, [0.0] * 4)

    @given(st.lists(log_weight, min_size=1, max_size=64), resamplings, st.integers(0, 99))
    def test_the_population_keeps_its_size(self, logs: list[float], how: str, seed: int) -> None:
        counts, carried = resample(logs, how, generator(seed, "q", 1))  # type: ignore[arg-type]
        assert sum(counts) == len(counts) == len(carried) == len(logs)
        again, _ = resample(logs, how, generator(seed, "q", 1))  # type: ignore[arg-type]
        assert counts == again
        if max(logs) > -math.inf and carried != logs:
            assert all(n == 0 for n, log in zip(counts, logs, strict=True) if log == -math.inf)

    @given(log_weight, st.integers(1, 64), st.integers(0, 99))
    def test_equal_weights_are_the_unguided_method(self, log: float, n: int, seed: int) -> None:
        counts, carried = resample([log] * n, "systematic", generator(seed, "q", 1))
        assert (counts, carried) == ([1] * n, [log] * n)

    def test_systematic_waits_for_half_the_effective_size(self) -> None:
        random = generator(0, "q", 1)
        # weights (3, 1, 1, 1) / 6: 36 / 12 = 3 of 4; (9, 1, 1, 1) / 12: 144 / 84 < 2 of 4
        few, many = [math.log(3), 0, 0, 0], [math.log(9), 0, 0, 0]
        assert resample(few, "systematic", random) == ([1, 1, 1, 1], few)
        counts, carried = resample(many, "systematic", random)
        assert (counts[0], carried) == (3, [0.0] * 4)

    def test_multinomial_draws_always(self) -> None:
        draws = [resample([0.0] * 4, "multinomial", generator(0, "q", i))[0] for i in range(2000)]
        assert np.mean(draws, axis=0) == pytest.approx([1] * 4, abs=0.1)
        # N draws of 1/N each: variance N * 1/N * (1 - 1/N)
        assert np.var(draws, axis=0) == pytest.approx([3 / 4] * 4, abs=0.1)

"""Is the answer settled? Three rules for when to stop sampling.

Each looks at draws: samples that know nothing of each other, in the order of their place in the
tree. A draw holds the (key, score) of its completions that have a vote: one or none for a sample
of Best-of-N, up to M for a subtree of DVTS, whose siblings are no independent evidence. Inside a
draw they are in the order of their places too: it decides between equal scores.

- "agreement": the last `agree` draws have one answer (Early-Stopping Self-Consistency, arXiv
  2401.10480; Dynasor's certainty window over probed answers, arXiv 2412.20993).
- "posterior": the leading answer is truly ahead of the second (Adaptive-Consistency, arXiv
  2305.11860).
- "margin": what is left of the budget is not likely to overturn the PRM-weighted vote (stochastic
  curtailment: Lan, Simon and Halperin, 1982).
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Literal, get_args

from sal.strategies.voting import naive

Stop = Literal["agreement", "posterior", "margin"]
STOPS: tuple[Stop, ...] = get_args(Stop)

Draw = Sequence[tuple[str, float]]
"""(key, score) of the completions of one draw that have a vote."""


def is_settled(
    stop: Stop, draws: Sequence[Draw], left: int, *, agree: int, confidence: float, worth: int = 1
) -> bool:
    """Whether rule `stop` says that `left` more draws are not needed.

    `agree` is the window of "agreement", `confidence` the probability that the other two ask for,
    `worth` the most completions that a draw may yield.
    """
    if stop == "agreement":
        return agreement([answer_of(draw) for draw in draws], agree)
    if stop == "posterior":
        return lead_posterior([answer_of(draw) for draw in draws]) >= confidence
    votes = [vote for draw in draws for vote in draw]
    return overturn_bound(votes, left, worth) <= 1 - confidence


def answer_of(draw: Draw) -> str:
    """The one answer for which a draw stands: that of its best completion; "" without one."""
    best = naive([key for key, _ in draw], [score for _, score in draw])
    return "" if best is None else draw[best][0]


def agreement(answers: Sequence[str], window: int) -> bool:
    """Whether the last `window` answers are there and are the same."""
    last = answers[-window:]
    return len(last) == window and "" not in last and len(set(last)) == 1


def lead_posterior(answers: Sequence[str]) -> float:
    """The probability that the leading answer is likelier than the second.

    With counts a >= b of the two and a uniform prior on the share p of the first among them,
    P(p > 1/2) = 1 - I_1/2(a+1, b+1) = sum_{k<=a} C(a+b+1, k) / 2^(a+b+1) (arXiv 2305.11860,
    section 3, Beta). No answer counts as 0 to 0: one half.
    """
    counts = sorted(Counter(answer for answer in answers if answer).values(), reverse=True)
    a, b = [*counts, 0, 0][:2]
    n = a + b + 1
    return sum(math.comb(n, k) for k in range(a + 1)) / (1 << n)


def overturn_bound(votes: Draw, left: int, worth: int = 1) -> float:
    """A bound on the probability that the second answer still overtakes in the weighted vote.

    L is the leader's lead in summed scores. A draw moves it by X in [-worth, worth], as scores lie
    in [0, 1]. If L > left * worth nothing can overturn it: 0. Else suppose that from here on a
    draw favours neither, E[X] = 0: Hoeffding's inequality gives
    P(X_1 + ... + X_left <= -L) <= exp(-L^2 / (2 * left * worth^2)). Without any answer: 1.
    """
    sums: dict[str, list[float]] = defaultdict(list)
    for key, score in votes:
        if key:
            sums[key].append(max(score, 0.0))  # a text without a step scores minus infinity
    if not sums:
        return 1.0
    first, second = [*sorted(map(math.fsum, sums.values()), reverse=True), 0.0][:2]
    lead = first - second
    if lead > left * worth:
        return 0.0
    return math.exp(-(lead**2) / (2 * left * worth**2)) if left else 1.0

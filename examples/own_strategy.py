"""A strategy of one's own: sample until the PRM likes a solution.

    python examples/own_strategy.py POLICY_URL PRM_URL

docs/adding-a-strategy.md makes `sal run first-good` of the same lines.
"""

import sys
from dataclasses import dataclass

from sal import (
    BestOfNParams,
    Candidate,
    Engine,
    PooledBackend,
    Search,
    SearchResult,
    Vote,
    by_score,
    join,
    load_verifier,
    strategy,
)


@dataclass(frozen=True, slots=True)
class FirstGoodParams(BestOfNParams):
    """`batch` solutions at a time, N at most, until one's score is at least `bar`."""

    bar: float = 0.9
    batch: int = 4


@strategy(FirstGoodParams)
def first_good(search: Search, params: FirstGoodParams) -> Vote:
    """Fork the root, join, look; the best score decides."""
    found: list[Candidate] = []
    left = params.budget
    while left and not any(c.value(params.aggregate) >= params.bar for c in found):
        width = min(params.batch, left)
        found += join(search.start(search.root, width, whole=True))
        left -= width
    search.leave_unspent(left)
    return by_score(found, params.aggregate, rule="naive")


def main(policy_url: str, prm_url: str) -> SearchResult:
    """The result, which is printed too."""
    with Engine(policy_url) as policy, Engine(prm_url) as prm:
        result: SearchResult = first_good.run(
            "Let p=12, q=p+4, r=q+p. Find r.",
            params=FirstGoodParams(budget=16),
            verifier=load_verifier(prm),
            backend=PooledBackend(policy),
        )["result"]
    answer = result.best.key if result.best else "no answer"
    print(f"{answer} after {len(result.completions)} solutions")
    return result


if __name__ == "__main__":
    main(*sys.argv[1:])

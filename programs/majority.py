"""Self-consistency: sample N solutions, take the answer that most of them give (arXiv 2203.11171).

No PRM is asked for anything, so every rule of choice comes to the majority's.
"""

from __future__ import annotations

from dataclasses import dataclass

from sal.programs.params import SamplingParams
from sal.programs.search import Search
from sal.programs.strategy import strategy
from sal.programs.vote import Vote, by_number


@dataclass(frozen=True, slots=True)
class MajorityParams(SamplingParams):
    """`budget` is N, the number of samples.

    Temperature 0.8 is that of the other searches here, so that they differ in the choice alone;
    the paper (section 3.1) has 0.5 or 0.7 by model, cut to the 40 likeliest tokens.
    """


@strategy(MajorityParams, prm="never asked", independent=True)
def majority(search: Search, params: MajorityParams) -> Vote:
    """N solutions without scores, and the answer that most of them give."""
    search.trace.phase = "sampling"
    return by_number(search.expand([search.root], [params.budget], whole=True))

"""sal: search and learn on SGLang. What apps import stands here; all else may change.

    from sal import DvtsParams, Engine, PooledBackend, dvts, load_verifier

A name is imported when it is first used. The rooms are `sal.programs`, `sal.strategies`, and so on.
"""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sal.grading.grader import Grader as Grader
    from sal.grading.verdict import Verdict as Verdict
    from sal.programs.ab_mcts import AbMctsParams as AbMctsParams
    from sal.programs.ab_mcts import ab_mcts as ab_mcts
    from sal.programs.adaptive_best_of_n import (
        AdaptiveBestOfNParams as AdaptiveBestOfNParams,
    )
    from sal.programs.adaptive_best_of_n import (
        adaptive_best_of_n as adaptive_best_of_n,
    )
    from sal.programs.adaptive_dvts import (
        AdaptiveDvtsParams as AdaptiveDvtsParams,
    )
    from sal.programs.adaptive_dvts import (
        adaptive_dvts as adaptive_dvts,
    )
    from sal.programs.auto import AutoParams as AutoParams
    from sal.programs.auto import auto as auto
    from sal.programs.beam import BeamParams as BeamParams
    from sal.programs.beam import beam as beam
    from sal.programs.best_of_n import BestOfNParams as BestOfNParams
    from sal.programs.best_of_n import best_of_n as best_of_n
    from sal.programs.candidate import Candidate as Candidate
    from sal.programs.caps import Caps as Caps
    from sal.programs.deepconf import DeepConfParams as DeepConfParams
    from sal.programs.deepconf import deepconf as deepconf
    from sal.programs.dvts import DvtsParams as DvtsParams
    from sal.programs.dvts import dvts as dvts
    from sal.programs.ets import EtsParams as EtsParams
    from sal.programs.ets import ets as ets
    from sal.programs.greedy import GreedyParams as GreedyParams
    from sal.programs.greedy import greedy as greedy
    from sal.programs.lookahead import LookaheadParams as LookaheadParams
    from sal.programs.lookahead import lookahead as lookahead
    from sal.programs.majority import MajorityParams as MajorityParams
    from sal.programs.majority import majority as majority
    from sal.programs.mcts import MctsParams as MctsParams
    from sal.programs.mcts import mcts as mcts
    from sal.programs.params import (
        SamplingParams as SamplingParams,
    )
    from sal.programs.params import (
        StepwiseParams as StepwiseParams,
    )
    from sal.programs.particle import ParticleParams as ParticleParams
    from sal.programs.particle import particle as particle
    from sal.programs.problem import Problem as Problem
    from sal.programs.rebase import RebaseParams as RebaseParams
    from sal.programs.rebase import rebase as rebase
    from sal.programs.revise import ReviseParams as ReviseParams
    from sal.programs.revise import revise as revise
    from sal.programs.search import Search as Search
    from sal.programs.search import join as join
    from sal.programs.strategy import Program as Program
    from sal.programs.strategy import strategy as strategy
    from sal.programs.trace import (
        Completion as Completion,
    )
    from sal.programs.trace import (
        Node as Node,
    )
    from sal.programs.trace import (
        SearchResult as SearchResult,
    )
    from sal.programs.trace import (
        Trace as Trace,
    )
    from sal.programs.vote import Vote as Vote
    from sal.programs.vote import by_number as by_number
    from sal.programs.vote import by_score as by_score
    from sal.runtime.access import Access as Access
    from sal.runtime.backend import PooledBackend as PooledBackend
    from sal.runtime.client import Engine as Engine
    from sal.runtime.endpoint_errors import EndpointError as EndpointError
    from sal.runtime.frontend.backend import Policy as Policy
    from sal.runtime.openai_backend import OpenAIBackend as OpenAIBackend
    from sal.runtime.policy import (
        IncompleteReply as IncompleteReply,
    )
    from sal.runtime.policy import (
        PolicyFault as PolicyFault,
    )
    from sal.runtime.policy import (
        Reply as Reply,
    )
    from sal.runtime.policy import (
        Request as Request,
    )
    from sal.runtime.usage import Usage as Usage
    from sal.verifiers.family import load_verifier as load_verifier
    from sal.verifiers.interface import Scored as Scored
    from sal.verifiers.interface import Verifier as Verifier

try:
    __version__ = version("sal-sglang")
except PackageNotFoundError:  # a checkout on the path that was never installed
    __version__ = "0.0.0"

_HOMES = {
    "sal.grading.grader": ("Grader",),
    "sal.grading.verdict": ("Verdict",),
    "sal.programs.ab_mcts": ("AbMctsParams", "ab_mcts"),
    "sal.programs.adaptive_best_of_n": ("AdaptiveBestOfNParams", "adaptive_best_of_n"),
    "sal.programs.adaptive_dvts": ("AdaptiveDvtsParams", "adaptive_dvts"),
    "sal.programs.auto": ("AutoParams", "auto"),
    "sal.programs.beam": ("BeamParams", "beam"),
    "sal.programs.best_of_n": ("BestOfNParams", "best_of_n"),
    "sal.programs.candidate": ("Candidate",),
    "sal.programs.caps": ("Caps",),
    "sal.programs.deepconf": ("DeepConfParams", "deepconf"),
    "sal.programs.dvts": ("DvtsParams", "dvts"),
    "sal.programs.ets": ("EtsParams", "ets"),
    "sal.programs.greedy": ("GreedyParams", "greedy"),
    "sal.programs.lookahead": ("LookaheadParams", "lookahead"),
    "sal.programs.majority": ("MajorityParams", "majority"),
    "sal.programs.mcts": ("MctsParams", "mcts"),
    "sal.programs.params": ("SamplingParams", "StepwiseParams"),
    "sal.programs.particle": ("ParticleParams", "particle"),
    "sal.programs.problem": ("Problem",),
    "sal.programs.rebase": ("RebaseParams", "rebase"),
    "sal.programs.revise": ("ReviseParams", "revise"),
    "sal.programs.search": ("Search", "join"),
    "sal.programs.strategy": ("Program", "strategy"),
    "sal.programs.trace": ("Completion", "Node", "SearchResult", "Trace"),
    "sal.programs.vote": ("Vote", "by_number", "by_score"),
    "sal.runtime.access": ("Access",),
    "sal.runtime.backend": ("PooledBackend",),
    "sal.runtime.client": ("Engine",),
    "sal.runtime.endpoint_errors": ("EndpointError",),
    "sal.runtime.frontend.backend": ("Policy",),
    "sal.runtime.openai_backend": ("OpenAIBackend",),
    "sal.runtime.policy": ("IncompleteReply", "PolicyFault", "Reply", "Request"),
    "sal.runtime.usage": ("Usage",),
    "sal.verifiers.family": ("load_verifier",),
    "sal.verifiers.interface": ("Scored", "Verifier"),
}
"""The public names, by the module that each is in."""

_MODULE_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = ["__version__", *_MODULE_OF]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'sal' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_MODULE_OF[name]), name)
    return value


def __dir__() -> list[str]:
    return __all__

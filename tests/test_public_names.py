"""What apps import: `from sal import ...`. A change here is a change for them."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import sal

SOURCE = Path(__file__).parent.parent / "src" / "sal" / "__init__.py"

PUBLIC = [
    "AbMctsParams",
    "Access",
    "AdaptiveBestOfNParams",
    "AdaptiveDvtsParams",
    "AutoParams",
    "BeamParams",
    "BestOfNParams",
    "Candidate",
    "Caps",
    "Completion",
    "DeepConfParams",
    "DvtsParams",
    "EndpointError",
    "Engine",
    "EtsParams",
    "Grader",
    "GreedyParams",
    "IncompleteReply",
    "LookaheadParams",
    "MajorityParams",
    "MctsParams",
    "Node",
    "OpenAIBackend",
    "ParticleParams",
    "Policy",
    "PolicyFault",
    "PooledBackend",
    "Problem",
    "Program",
    "RebaseParams",
    "Reply",
    "Request",
    "ReviseParams",
    "SamplingParams",
    "Scored",
    "Search",
    "SearchResult",
    "StepwiseParams",
    "Trace",
    "Usage",
    "Verdict",
    "Verifier",
    "Vote",
    "__version__",
    "ab_mcts",
    "adaptive_best_of_n",
    "adaptive_dvts",
    "auto",
    "beam",
    "best_of_n",
    "by_number",
    "by_score",
    "deepconf",
    "dvts",
    "ets",
    "greedy",
    "join",
    "load_verifier",
    "lookahead",
    "majority",
    "mcts",
    "particle",
    "rebase",
    "revise",
    "strategy",
]


def test_these_names_and_no_others() -> None:
    assert sorted(sal.__all__) == sorted(PUBLIC)
    assert dir(sal) == sorted(PUBLIC)


def test_each_is_there_and_has_a_docstring() -> None:
    for name in PUBLIC:
        value = getattr(sal, name)
        assert name == "__version__" or value.__doc__, name


def test_a_type_checker_sees_the_same() -> None:
    tree = ast.parse(SOURCE.read_text())
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = [alias.asname for node in block.body for alias in node.names]  # type: ignore[attr-defined]
    assert sorted(seen) == sorted(set(PUBLIC) - {"__version__"})


def test_what_is_not_public_is_not_there() -> None:
    assert not hasattr(sal, "Extension")


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = "import sal, sys; print(sorted({'sglang', 'torch', 'numpy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"

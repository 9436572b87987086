"""A program that finds its solutions at once, and the endpoints that it never asks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sal.programs.problem import Problem
from sal.programs.recall import Asked, Outcome
from sal.programs.trace import Completion, Node, SearchResult, Trace
from sal.runtime.frontend.growth import Growth
from sal.runtime.model_cost import ModelCost
from sal.runtime.usage import Usage
from sal.strategies.seeds import derive
from sal.strategies.voting import elect

STEPS = ("We add the two numbers, one after the other, as they stand.", "So it is")
COST = Usage(
    prompt_tokens=120, cached_tokens=80, completion_tokens=60, requests=1, attended_tokens=9000
)


class ScriptedProgram:
    """Best-of-4, of which a third is wrong, as a program records it: nodes, completions, costs."""

    name = "best_of_n"
    labels = False
    independent = True

    def run(self, problem: Problem, *, seed: int, trace: Trace, recall: Any, **_: Any) -> Any:
        """See `sal.programs.strategy.Program.run`."""
        text = problem.question
        right = int(text.rpartition(" + 1?")[0].rpartition(" ")[2]) + 1
        found = []
        recall.keep_prompt(COST)
        for i in range(4):
            luck = derive(seed, text, (i,))
            answer = right if luck % 3 else right + 1
            steps = (STEPS[0], f"{STEPS[1]} \\boxed{{{answer}}}")
            scores = ((luck >> 8) % 1000 / 1000, (luck >> 20) % 1000 / 1000)
            whole = "\n\n".join(steps)
            node = Node((i,), whole, 60, "eot", scores)
            recall.keep(Outcome(Asked((i,), None, 0.8), node, Growth(whole), policy=COST, prm=COST))
            trace.add(node, COST, COST)
            found.append(Completion(whole, steps, scores, 60, "eot", str(answer), (i,), scores[-1]))
        chosen = elect([c.key for c in found], [c.weight for c in found])
        return {"result": SearchResult(tuple(found), chosen, "weighted", trace)}


class _Scripted:
    program = ScriptedProgram()


SCRIPTED: Any = _Scripted()


class ScriptedEndpoints:
    """Ready to be used, and never asked."""

    backend = verifier = None
    models: Mapping[str, ModelCost | None] = {}
    capacity = 32

    def problem(self, question: Any) -> Problem:
        return Problem(question.text, question.text)

    def check(self) -> None: ...

    def abort(self) -> None: ...

"""The two servers as a run uses them: a backend, a verifier, prompts, and how they end."""

from __future__ import annotations

from typing import Any

from sal.programs.problem import Problem
from sal.runs.errors import RunError, ServersLost
from sal.runs.parameters import count_parameters
from sal.runs.problems import TINY, Question
from sal.runs.recipe import Recipe
from sal.runtime.backend import PooledBackend
from sal.runtime.errors import EndpointError
from sal.runtime.model_files import local_folder
from sal.runtime.plan import Role
from sal.runtime.session import Servers
from sal.verifiers.family import load_verifier


def model_location(name: str | None, role: Role) -> str | None:
    """`tiny` as the folder of the embedded model; any other name or URL as it is."""
    if name != TINY:
        return name
    from sal.tiny.paths import POLICY, PRM

    return str(POLICY if role == "policy" else PRM)


class RunEndpoints:
    """`servers`, entered, under `recipe`.

    Raises `RunError` when the PRM's family or tokenizer cannot be had, `EndpointError` when an
    endpoint does not answer.
    """

    def __init__(self, servers: Servers, recipe: Recipe) -> None:
        self._servers = servers
        self._engines = [e for e in (servers.policy, servers.prm) if e is not None]
        self._system_prompt = recipe.system_prompt
        self.backend = PooledBackend(servers.policy)
        self.verifier: Any = None
        self.parameters: dict[str, int | None] = {
            "policy": _parameters(self.backend.get_model_name())
        }
        if servers.prm is not None:
            self.parameters["prm"] = _parameters(str(servers.prm.info().get("model_path", "")))
            try:
                self.verifier = load_verifier(servers.prm, family=recipe.prm_family)
            except (ValueError, OSError) as error:
                raise RunError(" ".join(str(error).split())) from error

    def problem(self, question: Question) -> Problem:
        """With the policy's chat template where it has one; else the bare question."""
        tokenizer = self.backend.tokenizer
        prompt = tokenizer.chat(question.text, self._system_prompt) if tokenizer else None
        problem = Problem.of(Problem(question.text, question.id, prompt or ""))
        if tokenizer is None:
            return problem
        ids = tuple(tokenizer.encode(problem.prompt, special=True))
        return Problem(problem.question, problem.id, problem.prompt, ids)

    def check(self) -> None:
        """A server of ours was restarted once before this; one of the user's is asked now."""
        if self._servers.failed:
            raise ServersLost(self._servers.failed)
        for engine in self._engines:
            try:
                engine.info()
            except EndpointError as error:
                raise ServersLost(f"{engine.url} no longer answers: {error}") from error

    def abort(self) -> None:
        for engine in self._engines:
            engine.close()


def _parameters(model: str) -> int | None:
    return count_parameters(local_folder(model)) if model else None

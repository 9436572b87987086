"""What each technique is worth: `just bench without` runs searches with each one switched off.

A run has no option to do without them; here they are taken out of the process or of the server.
`python -m bench.without NAME run ...` is `sal run ...` without the client's technique NAME.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sal.runtime.cpu_attention import SWITCH
from sal.runtime.plan import Role, ServerSpec


def _scored_again() -> None:
    from sal.programs import expand

    def plain(verifier: Any) -> Any:
        return verifier

    expand.Scores = plain  # type: ignore[misc, assignment]


def _prompt_read_by_each() -> None:
    from sal.programs.expand import Search

    Search._read_prompt = lambda _: None  # type: ignore[method-assign]


def _thread_each() -> None:
    from sal.programs import expand

    expand.fork = lambda state, width: list(state.fork(width))


def _collector() -> None:
    from sal.cli import search

    search._collect_rarely = lambda: None


def _text_on_the_wire() -> None:
    from sal.runtime import backend

    backend.find_tokenizer = lambda _: None  # type: ignore[assignment]


def _one_problem_at_a_time() -> None:
    from sal.runs import execute

    execute.problems_in_flight = lambda *_, **__: 1


CLIENT: dict[str, tuple[str, Callable[[], None]]] = {
    "scores": ("a step is scored once per problem, whoever asks", _scored_again),
    "prompt": ("the prompt is read once before its first steps", _prompt_read_by_each),
    "forks": ("forks without an OS thread each", _thread_each),
    "collector": ("a garbage collector that rarely runs", _collector),
    "ids": ("token ids on the wire, not text", _text_on_the_wire),
    "problems": ("problems side by side", _one_problem_at_a_time),
}
"""What the client does, and how to take it away before `sal` starts."""


@dataclass(frozen=True, slots=True)
class Without:
    """A server that lacks something: environment variables and flags that it goes without, and
    flags that it gets."""

    what: str
    role: Role
    variables: tuple[str, ...] = ()
    less: tuple[str, ...] = ()
    more: tuple[str, ...] = ()

    def of(self, spec: ServerSpec) -> ServerSpec:
        """The plan's server without it."""
        argv = tuple(word for word in spec.argv if word not in self.less) + self.more
        env = {name: value for name, value in spec.env.items() if name not in self.variables}
        return replace(spec, argv=argv, env=env)


SERVER = (
    Without("like requests attend in one call (CPU)", "policy", variables=(SWITCH,)),
    Without(
        "the engine keeps freed memory (CPU)",
        "policy",
        variables=("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"),
    ),
    Without("no overlap schedule (CPU)", "policy", less=("--disable-overlap-schedule",)),
    Without("the PRM's radix cache", "prm", more=("--disable-radix-cache",)),
)
"""What the servers do. The policy is where the time goes, so it shows there."""


def command(name: str) -> list[str]:
    """How `sal` is started without a technique of the client's."""
    return [sys.executable, "-m", "bench.without", name]


def main(arguments: Sequence[str]) -> int:
    """`sal` in this process, without its first argument."""
    from sal.runtime.frontend_light import use_light_frontend

    use_light_frontend()
    name, *words = arguments
    CLIENT[name][1]()
    from sal.cli.main import main as sal

    sys.argv = [str(Path(sys.argv[0]).with_name("sal")), *words]
    sal()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

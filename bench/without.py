"""What each technique is worth: `just bench without` runs searches with each one switched off.

A run has no option to do without them; here they are taken out of the process or of the server.
`python -m bench.without NAME run ...` is `sal run ...` without the client's technique NAME.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import reduce
from importlib import import_module
from pathlib import Path
from typing import Any

from sal.runs.admission import Admission
from sal.runtime.cpu_attention import SWITCH
from sal.runtime.plan import Role, ServerSpec


@dataclass(frozen=True, slots=True)
class Lacking:
    """A technique of the client's: the name that it has in a module, and what stands in for it."""

    what: str
    module: str
    name: str
    instead: Any

    def apply(self) -> None:
        """Take it away, before `sal` starts."""
        owner: Any = import_module(self.module)
        *path, last = self.name.split(".")
        setattr(reduce(getattr, path, owner), last, self.instead)


class OneProblem(Admission):
    """The next problem begins when the last has ended."""

    @property
    def problems(self) -> int:
        return 1


CLIENT = {
    "scores": Lacking(
        "a step is scored once per problem, whoever asks",
        "sal.programs.search",
        "Scores",
        lambda verifier: verifier,
    ),
    "turns": Lacking(
        "the PRM reads once what several requests begin with",
        "sal.programs.scores",
        "Scores._behind",
        lambda _, __: nullcontext(),
    ),
    "prompt": Lacking(
        "the prompt is read once before its first steps",
        "sal.programs.search",
        "Search._read_prompt",
        lambda _: None,
    ),
    "forks": Lacking(
        "forks without an OS thread each",
        "sal.programs.search",
        "fork",
        lambda state, width: list(state.fork(width)),
    ),
    "collector": Lacking(
        "a garbage collector that rarely runs",
        "sal.runs.experiment",
        "collect_rarely",
        lambda: None,
    ),
    "ids": Lacking(
        "token ids on the wire, not text", "sal.runtime.backend", "find_tokenizer", lambda _: None
    ),
    "problems": Lacking(
        "problems side by side",
        "sal.runs.execute",
        "Admission",
        OneProblem,
    ),
    "core": Lacking(
        "the client leaves one core to the policy (CPU)",
        "sal.runs.experiment",
        "beside",
        lambda _: nullcontext(),
    ),
}
"""What the client does."""


@dataclass(frozen=True, slots=True)
class Without:
    """A server that lacks something: environment variables and flags that it goes without, flags
    that it gets, and whether it runs `anywhere`."""

    what: str
    role: Role
    variables: tuple[str, ...] = ()
    less: tuple[str, ...] = ()
    more: tuple[str, ...] = ()
    anywhere: bool = False

    def of(self, spec: ServerSpec) -> ServerSpec:
        """The plan's server without it."""
        argv = tuple(word for word in spec.argv if word not in self.less) + self.more
        env = {name: value for name, value in spec.env.items() if name not in self.variables}
        return replace(spec, argv=argv, env=env, cores=() if self.anywhere else spec.cores)


SERVER = (
    Without("like requests attend in one call (CPU)", "policy", variables=(SWITCH,)),
    Without(
        "the engine keeps freed memory (CPU)",
        "policy",
        variables=("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"),
    ),
    Without("SGLang's server in Rust (CPU)", "policy", variables=("SGLANG_RUST_SERVER",)),
    Without("no overlap schedule (CPU)", "policy", less=("--disable-overlap-schedule",)),
    Without(
        "prefill waits for two decode steps (CPU)",
        "policy",
        more=("--prefill-decode-interval", "0"),
    ),
    Without("the PRM's server leaves one core to the policy (CPU)", "prm", anywhere=True),
    Without("the PRM's radix cache", "prm", more=("--disable-radix-cache",)),
)
"""What the servers do. The policy is where the time goes, so it shows there."""


def command(name: str) -> list[str]:
    """How `sal` is started without a technique of the client's."""
    return [sys.executable, "-m", "bench.without", name]


def main(arguments: Sequence[str]) -> int:
    """`sal` in this process, without its first argument."""
    from sal.runtime.frontend.light import use_light_frontend

    use_light_frontend()
    name, *words = arguments
    CLIENT[name].apply()
    from sal.cli.main import main as sal

    sys.argv = [str(Path(sys.argv[0]).with_name("sal")), *words]
    sal()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

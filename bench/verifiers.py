"""`just bench-verifiers`: the PRM families that are read at a position, on real servers.

Of each family: the largest difference of a score to a reference with transformers, written here
after the authors' code (the odd steps of `tests/prm_conformance.py`), tokens prefilled of each
distinct one in a beam search, and scores a second in subtrees of DVTS, eight problems side by side,
from a cold cache. The weights are tiny: the rate is what client and server take without a model to
speak of.

Then ratios, alternating in one run, of a causal PRM and of one with a head: what it is worth that a
problem's first request goes alone, and siblings in one call to `/v1/score`. With families' names
only those are measured, and the figures of the others stay.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import ours, siblings
from bench.parts import Part, run, spread
from sal.runs.recipe import installed_versions
from sal.runtime.client import Engine
from sal.runtime.launch import Server, start_all, stop_all
from sal.runtime.plan import ServerSpec
from sal.verifiers.interface import Verifier

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import prm_causal
import prm_heads
from conftest import tiny_plan
from prm_conformance import CASES, Reference, check_case, check_whole, growth, prefilled
from prm_servers import Pool

RESULTS = Path(__file__).with_name("verifiers.json")
ROUNDS = 5
CAUSAL, HEAD = "chat-turn", "qwen-prm"
"""Those of which ratios are measured."""


class Families:
    """`figures[family]`, and `ratios[what][family]` with a value a round."""

    def __init__(self, base: Path, console: Console) -> None:
        self.console = console
        self.figures: dict[str, dict[str, float | None]] = {}
        self.ratios: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        self._base = base
        self._pool = Pool(base)
        self._stack = ExitStack()
        self._tiny: tuple[Engine, prm_causal.Causal] | None = None
        self._threads = ThreadPoolExecutor(siblings.PROBLEMS * siblings.WIDTH)

    def parts(self) -> list[Part]:
        causal = (*prm_causal.NAMES, prm_causal.OUTCOME)
        heads = (*prm_heads.FAMILIES, *prm_heads.OUTCOMES)
        return [
            *(Part(name, "causal", partial(self.causal, name)) for name in causal),
            *(Part(name, "head", partial(self.head, name)) for name in heads),
        ]

    def causal(self, name: str) -> None:
        """A causal family, on the tiny PRM's server; items of `/v1/score` on one in Python."""
        spec = tiny_plan().servers["prm"]
        if self._tiny is None:
            engine = self._stack.enter_context(served(spec, self._base))
            self._tiny = engine, prm_causal.Causal(engine, self._base / "tokenizers")
        engine, causal = self._tiny
        if name == prm_causal.OUTCOME:
            self._measure(name, engine, *causal.outcome(engine), check_whole)
            return
        verifier, told = causal.judged(name, engine)
        self._measure(name, engine, verifier, told, check_case, growth(verifier, engine))
        if name == CAUSAL:
            self._alone(name, verifier, engine)
            env = {name: value for name, value in spec.env.items() if name != "SGLANG_RUST_SERVER"}
            with served(replace(spec, env=env), self._base) as other:
                self._together(name, causal.judged(name, other)[0], other)

    def head(self, name: str) -> None:
        """A family with a head, on its checkpoint's server."""
        self._stack.close()
        self._tiny = None
        kind, *_ = (prm_heads.FAMILIES | prm_heads.OUTCOMES)[name]
        with Engine(self._pool.url(kind)) as engine:
            verifier, told = self._pool.judged(name, engine)
            if name in prm_heads.OUTCOMES:
                self._measure(name, engine, verifier, told, check_whole)
                return
            self._measure(name, engine, verifier, told, check_case, growth(verifier, engine))
            if name == HEAD:
                self._alone(name, verifier, engine)
                self._together(name, verifier, engine)

    def close(self) -> None:
        self._stack.close()
        self._pool.stop()

    def _measure(
        self,
        name: str,
        engine: Engine,
        verifier: Any,
        told: Reference,
        check: Callable[..., float],
        factor: float | None = None,
    ) -> None:
        way = siblings.as_sal(verifier, self._threads)
        rates = []
        for _ in range(ROUNDS):
            scores, seconds = siblings.search(way, engine)
            rates.append(len(scores) / seconds)
        self.figures[name] = {
            "difference": max(check(case, verifier, told, engine) for case in CASES),
            "prefill factor": factor,
            "scores a second": statistics.median(rates),
        }
        self.console.print(f"  {name:18} {self.figures[name]}", highlight=False)

    def _alone(self, name: str, verifier: Verifier, engine: Engine) -> None:
        """As a search asks, against all at once from the first request on."""
        at_once = partial(siblings.apart, verifier, self._threads)
        for _, read, seconds in self._rounds(verifier, engine, at_once):
            self._keep("all at once: tokens prefilled / first alone", name, read)
            self._keep("all at once: scores/s / first alone", name, seconds)

    def _together(self, name: str, verifier: Verifier, engine: Engine) -> None:
        """A request each, as a search asks, against one call to `/v1/score`."""
        together = partial(siblings.together, verifier, engine)
        for differ, read, seconds in self._rounds(verifier, engine, together):
            self._keep("/v1/score: largest difference", name, differ)
            self._keep("/v1/score: tokens prefilled / a request each", name, read)
            self._keep("/v1/score: scores/s / a request each", name, seconds)

    def _rounds(
        self, verifier: Verifier, engine: Engine, other: siblings.Way
    ) -> Iterator[tuple[float, float, float]]:
        """As a search asks and the `other` way, in turn: the largest difference, and the ratios of
        what was prefilled and of the scores a second."""
        ways = {"sal": siblings.as_sal(verifier, self._threads), "other": other}
        for number in range(ROUNDS):
            told, seconds, read = {}, {}, {}
            for way in sorted(ways, reverse=number % 2 == 1):
                with prefilled(engine) as spent:
                    told[way], seconds[way] = siblings.search(ways[way], engine)
                read[way] = spent[0]
            differ = max(abs(a - b) for a, b in zip(told["sal"], told["other"], strict=True))
            yield differ, read["other"] / read["sal"], seconds["sal"] / seconds["other"]

    def _keep(self, what: str, name: str, value: float) -> None:
        self.ratios[what][name].append(value)
        self.console.print(f"  {name:10} {what:45} {value:.3g}", highlight=False)


@contextmanager
def served(spec: ServerSpec, base: Path) -> Iterator[Engine]:
    """A client of a server that is up within."""
    server = Server(spec, Path(tempfile.mkdtemp(dir=base)))
    start_all([server])
    try:
        with Engine(server.url) as engine:
            yield engine
    finally:
        stop_all([server])


def tables(results: dict[str, Any]) -> list[Table]:
    """The families, and the medians of the ratios with the least and the most."""
    families = Table("family", "largest difference", "prefill factor", "scores/s")
    for name, told in results["families"].items():
        factor = told["prefill factor"]
        families.add_row(
            name,
            f"{told['difference']:.1e}",
            "" if factor is None else f"{factor:.2f}",
            f"{told['scores a second']:.0f}",
        )
    ratios = Table("ratio", CAUSAL, HEAD)
    for what, rounds in results["ratios"].items():
        ratios.add_row(what, spread(rounds.get(CAUSAL, ())), spread(rounds.get(HEAD, ())))
    return [families, ratios]


def main(names: Sequence[str]) -> int:
    """Measure the families that are named, or all; what the others came to before is kept."""
    console = Console(stderr=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, closing(Families(Path(folder), console)) as bench:
        os.environ["SAL_STATE"] = f"{folder}/state"
        parts = [part for part in bench.parts() if not names or part.name in names]
        if unknown := set(names) - {part.name for part in parts}:
            known = ", ".join(part.name for part in bench.parts())
            console.print(f"no family {', '.join(sorted(unknown))}: there are {known}")
            return 2
        before: dict[str, Any] = {"families": {}, "ratios": {}}
        if names and RESULTS.exists():
            before = json.loads(RESULTS.read_text())

        def save(_: Part) -> None:
            about = {
                "machine": ours.machine(),
                "versions": installed_versions(),
                "seconds": round(time.monotonic() - began),
            }
            families = before["families"] | bench.figures
            ratios = {
                what: before["ratios"].get(what, {}) | rounds
                for what, rounds in (before["ratios"] | bench.ratios).items()
            }
            RESULTS.write_text(
                json.dumps(about | {"families": families, "ratios": ratios}, indent=1) + "\n"
            )

        run(parts, console, save)
    for table in tables(json.loads(RESULTS.read_text())):
        Console(width=110).print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

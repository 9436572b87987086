"""Search trees of a given size, and a page with one: for the page's benchmark and its tests."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from sal.reports.html_page import explorer, json_in_html, part
from sal.reports.trace_data import trace_data
from sal.runs.results import CompletionRow, ResultRow
from sal.runtime.usage import Usage

_WORDS = ("so", "then", "we", "add", "twice", "the", "square", "of", "x", "and", "find", "that")


def beam_trace(nodes: int, beams: int = 256, width: int = 4, seed: int = 0) -> dict[str, Any]:
    """Beam search: at each step `beams` candidates, `width` below each one that was kept."""
    draw = random.Random(seed)
    level: list[tuple[int, ...]] = [(i,) for i in range(beams)]
    made: list[dict[str, Any]] = []
    while len(made) < nodes:
        level = level[: nodes - len(made)]
        last = len(made) + len(level) >= nodes
        made += [_node(path, draw, "eot" if last else "separator") for path in level]
        kept = sorted(draw.sample(level, max(1, len(level) // width)))
        level = [(*path, i) for path in kept for i in range(width)]
    return _trace(made)


def samples_trace(samples: int, steps: int, seed: int = 0) -> dict[str, Any]:
    """Best-of-N: each node is a whole solution."""
    draw = random.Random(seed)
    return _trace([_node((i,), draw, "eot", steps) for i in range(samples)])


def chain_trace(depth: int, seed: int = 0) -> dict[str, Any]:
    """One path, as deep as asked for."""
    draw = random.Random(seed)
    paths = [(0,) * d for d in range(1, depth + 1)]
    ends = ["separator"] * (depth - 1) + ["eot"]
    return _trace([_node(p, draw, end) for p, end in zip(paths, ends, strict=True)])


def with_result(trace: Mapping[str, Any]) -> dict[str, Any]:
    """The explorer's object for a trace, whose first finished path was chosen."""
    by_id = {tuple(n["id"]): n for n in trace["nodes"]}
    end = min(path for path, n in by_id.items() if n["finish"] == "eot")
    steps = [by_id[end[:depth]]["text"] for depth in range(1, len(end) + 1)]
    text = "\n\n".join(steps)
    chosen = CompletionRow(text, tuple(steps), (), None, "eot", "42", "match")
    rules = ("naive", "weighted", "majority")
    row = ResultRow(
        id=trace["id"],
        question="Find the sum of all x.",
        answer="42",
        completions=(chosen,),
        rule="weighted",
        chosen=dict.fromkeys(rules, 0),
        correct=dict.fromkeys((*rules, "pass"), True),
        policy=Usage(),
        prm=Usage(),
        seconds=1.0,
    )
    return trace_data(trace, row)


def tree_page(data: Mapping[str, Any], style: str = "") -> str:
    """A page with nothing but the explorer; `tree` is what `salTree.mount` returned."""
    scripts = "\n".join(map(part, explorer(".js")))
    css = "\n".join(map(part, explorer(".css")))
    return f"""<!doctype html>
<meta charset="utf-8"><meta name="viewport" content="width=device-width">
<style>:root {{ color-scheme: light dark }} body {{ margin: 8px }} {css} {style}</style>
<main id="tree"></main>
<script>{scripts}</script>
<script>
const paths = [];
const data = {json_in_html(data)};
const began = performance.now();
const tree = salTree.mount(document.getElementById("tree"), data, {{
  link: (path) => `#node=${{path}}`, onpath: (path) => paths.push(path),
  path: location.hash.startsWith("#node=") ? location.hash.slice(6) : undefined,
}});
const mounted = performance.now() - began;
</script>
"""


def _node(
    path: tuple[int, ...], draw: random.Random, finish: str, steps: int = 1
) -> dict[str, Any]:
    texts = [
        " ".join(draw.choices(_WORDS, k=20)) + f" {draw.randrange(10**6)}" for _ in range(steps)
    ]
    return {
        "id": list(path),
        "text": "\n\n".join(texts),
        "tokens": 25 * steps,
        "finish": finish,
        "scores": [draw.random() for _ in range(steps)],
        "begun": 0,
    }


def _trace(nodes: list[dict[str, Any]]) -> dict[str, Any]:
    usage = {"prompt_tokens": 9, "cached_tokens": 4, "completion_tokens": 7, "requests": 2}
    return {"id": "made", "policy": usage, "prm": usage, "nodes": nodes}

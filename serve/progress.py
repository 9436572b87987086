"""What a search says of itself while it goes on, and of what it chose: the reasoning of a reply."""

from __future__ import annotations

from dataclasses import dataclass

from sal.programs.trace import ROLLOUT, Completion, Node, SearchResult, Trace

_EXCERPT = 100


@dataclass(slots=True)
class Progress:
    """Tells what is new in a trace each time that it is looked at."""

    _seen: int = 0
    _depth: int = 0
    _ended: int = 0
    _best: float | None = None

    def look(self, trace: Trace) -> str:
        """Lines of text; "" for nothing new. A step is told of once the next has begun."""
        new = trace.nodes[self._seen :]
        self._seen += len(new)
        lines = []
        ended = self._ended
        for node in new:
            if node.error or node.id[-1:] == (ROLLOUT,):
                continue
            if len(node.id) > self._depth:
                if self._depth:
                    lines.append(_step(self._depth, trace.nodes[: self._seen]))
                self._depth = len(node.id)
            if node.finish == "eot":
                self._ended += 1
                if node.scores and (self._best is None or node.scores[-1] > self._best):
                    self._best = node.scores[-1]
        if self._ended > ended:
            best = "" if self._best is None else f", the best ends at {self._best:.2f}"
            lines.append(f"{self._ended} solution{'s' * (self._ended > 1)} so far{best}\n")
        return "".join(lines)


def _step(depth: int, nodes: list[Node]) -> str:
    there = [n for n in nodes if len(n.id) == depth and n.id[-1] != ROLLOUT and not n.error]
    scored = [n for n in there if n.scores]
    words = f"Step {depth}: {len(there)} candidate{'s' * (len(there) > 1)}"
    if not scored:
        return words + "\n"
    best = max(scored, key=lambda n: n.scores[-1])
    text = " ".join(best.text.split())
    excerpt = text if len(text) <= _EXCERPT else text[:_EXCERPT] + "…"
    return f"{words}, the best scores {best.scores[-1]:.2f}: {excerpt}\n"


def chosen_path(result: SearchResult, chosen: Completion) -> str:
    """The steps of what was chosen, each with its score."""
    same = sum(c.votes and bool(c.key) and c.key == chosen.key for c in result.completions)
    total = len(result.completions)
    agree = f", {same} with its answer" if same else ""
    lines = [f"Chosen of {total} solution{'s' * (total > 1)}{agree} ({result.rule}):\n\n"]
    scored = len(chosen.scores) == len(chosen.steps)
    for i, step in enumerate(chosen.steps):
        score = f"[{chosen.scores[i]:.2f}] " if scored else ""
        lines.append(f"{score}{step.strip()}\n\n")
    return "".join(lines)

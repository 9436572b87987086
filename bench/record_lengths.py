"""`python -m bench.record_lengths FOLDER`: lengths.json, from recorded solutions of MATH problems.

Of `math100x8_samples_rm.jsonl` (QwenLM/Qwen2.5-Math, 100 problems x 8 sampled solutions) come the
steps, of `math500.jsonl` the questions. A token is a piece of Llama 3's own pre-tokeniser, the
expression of its tokenizer.json: its BPE splits long words further, so counts are a lower bound.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

import regex

from bench.lengths import RECORDED
from sal.strategies.steps import split_steps

PIECES = regex.compile(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SOLUTIONS, QUESTIONS = "math100x8_samples_rm.jsonl", "math500.jsonl"


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print("usage: python -m bench.record_lengths FOLDER", file=sys.stderr)
        return 2
    folder = Path(arguments[0])
    step_tokens: Counter[int] = Counter()
    steps: Counter[int] = Counter()
    for row in _rows(folder / SOLUTIONS):
        for solution in row["code"]:
            written = split_steps(solution)
            if written:
                steps[len(written)] += 1
                step_tokens.update(tokens(step) + 1 for step in written)  # and its separator
    questions = Counter(tokens(row["problem"]) for row in _rows(folder / QUESTIONS))
    table = {
        "source": f"{SOLUTIONS} (QwenLM/Qwen2.5-Math, MIT) and {QUESTIONS} (MATH-500, MIT)",
        "token": "a piece of Llama 3's pre-tokeniser; a step counts one more for its separator",
        "step_tokens": _sorted(step_tokens),
        "steps": _sorted(steps),
        "question_tokens": _sorted(questions),
    }
    RECORDED.write_text(json.dumps(table) + "\n")
    return 0


def tokens(text: str) -> int:
    """How many tokens `text` has, at the least."""
    return len(PIECES.findall(text))


def _rows(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def _sorted(counts: Counter[int]) -> dict[int, int]:
    return dict(sorted(counts.items()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""From what a search found to a graded row."""

from __future__ import annotations

from collections.abc import Sequence

from sal.grading.grader import Grader
from sal.programs.trace import SearchResult
from sal.runs.problems import Question
from sal.runs.results import CompletionRow, ResultRow, Rule
from sal.runtime.usage import Usage
from sal.strategies.aggregate import Aggregate
from sal.strategies.voting import elect


def judge(
    question: Question,
    result: SearchResult,
    cost: tuple[Usage, Usage],
    seconds: float,
    *,
    grader: Grader,
    how: Aggregate,
) -> ResultRow:
    """Grade every completion, let equal answers vote together, and choose by each rule.

    `cost` is (policy, PRM). A truncated completion neither votes nor passes, whatever it holds;
    one that the search filtered out does not vote.
    """
    found = result.completions
    texts = list(dict.fromkeys(c.text for c in found))
    graded = grader.grade_many((text, question.answer) for text in texts)
    verdicts = dict(zip(texts, graded, strict=True))
    answers = [verdicts[c.text].answer or "" for c in found]
    keys = grader.cluster(answers)
    ended = [c.finish == "eot" for c in found]
    chosen = elect(
        keys,
        [c.value(how) for c in found],
        [c.votes for c in found],
        [c.chain for c in found],
    )
    right = [verdicts[c.text].correct for c in found]
    correct: dict[Rule, bool] = {
        "naive": _right(right, chosen["naive"]),
        "weighted": _right(right, chosen["weighted"]),
        "majority": _right(right, chosen["majority"]),
        "pass": any(r and end for r, end in zip(right, ended, strict=True)),
    }
    return ResultRow(
        id=question.id,
        question=question.text,
        answer=question.answer,
        completions=tuple(
            CompletionRow(
                c.text,
                c.steps,
                c.scores,
                c.tokens,
                c.finish,
                key,
                verdicts[c.text].reason,
                c.weight,
                c.filtered,
            )
            for c, key in zip(found, keys, strict=True)
        ),
        chosen=chosen,
        correct=correct,
        policy=cost[0],
        prm=cost[1],
        seconds=seconds,
        errors=result.errors,
        unspent=result.unspent,
        capped=result.capped,
    )


def _right(right: Sequence[bool], index: int | None) -> bool:
    return index is not None and right[index]

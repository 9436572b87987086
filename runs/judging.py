"""From what a search found to a graded row."""

from __future__ import annotations

from collections.abc import Sequence

from sal.grading.grader import Grader
from sal.programs.trace import SearchResult
from sal.programs.vote import AnswerKeys
from sal.runs.problems import Question
from sal.runs.results import CompletionRow, ResultRow
from sal.runtime.usage import Usage


def answer_keys(grader: Grader) -> AnswerKeys:
    """The grader's canonical answers, for the votes and the stopping rules of a search."""

    def keys(texts: Sequence[str]) -> list[str]:
        answers = {text: grader.answer(text) for text in dict.fromkeys(texts)}
        return grader.cluster([answers[text] for text in texts])

    return keys


def judge(
    question: Question,
    result: SearchResult,
    cost: tuple[Usage, Usage],
    seconds: float,
    *,
    grader: Grader,
) -> ResultRow:
    """Grade every completion. What the search chose, by its own rule and by others, it chose.

    `cost` is (policy, PRM). A truncated completion does not pass, whatever it holds.
    """
    found = result.completions
    texts = list(dict.fromkeys(c.text for c in found))
    graded = grader.grade_many((text, question.answer) for text in texts)
    verdicts = dict(zip(texts, graded, strict=True))
    right = [verdicts[c.text].correct for c in found]
    correct = {rule: i is not None and right[i] for rule, i in result.chosen.items()}
    correct["pass"] = any(r and c.finish == "eot" for r, c in zip(right, found, strict=True))
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
                c.key,
                verdicts[c.text].reason,
                c.weight,
            )
            for c in found
        ),
        rule=result.rule,
        chosen=result.chosen,
        correct=correct,
        policy=cost[0],
        prm=cost[1],
        seconds=seconds,
        errors=result.errors,
        unspent=result.unspent,
        capped=result.capped,
    )

"""From what a search found to a graded row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sal.grading.graders import AnyGrader, Judge
from sal.grading.verdict import first_correct
from sal.programs.kv_held import kv_peak
from sal.programs.trace import SearchResult
from sal.runs.problems import Question
from sal.runs.results import CompletionRow, ResultRow
from sal.runtime.usage import Usage


def judge_of(question: Question, grader: AnyGrader) -> Judge:
    """Who says which answers to `question` are equal, for votes and stopping rules, and right."""
    return grader.among(question.choices) if question.choices else grader


def judge(
    question: Question,
    result: SearchResult,
    cost: tuple[Usage, Usage],
    seconds: float,
    *,
    grader: AnyGrader,
) -> ResultRow:
    """Grade every completion. What the search chose, by its own rule and by others, it chose.

    `cost` is (policy, PRM). A truncated completion does not pass, whatever it holds.
    """
    found = result.completions
    texts = list(dict.fromkeys(c.text for c in found))
    answers = question.answers
    pairs = ((text, answer) for text in texts for answer in answers)
    graded = judge_of(question, grader).grade_many(pairs)
    verdicts = {text: first_correct(graded, len(answers)) for text in texts}
    right = [verdicts[c.text].correct for c in found]
    correct = {rule: i is not None and right[i] for rule, i in result.chosen.items()}
    correct["pass"] = any(r and c.finish == "eot" for r, c in zip(right, found, strict=True))
    return result_row(
        question.id,
        question.text,
        " or ".join(answers),
        result,
        [verdicts[c.text].reason for c in found],
        correct,
        cost,
        seconds,
    )


def result_row(
    id: str,
    question: str,
    answer: str,
    result: SearchResult,
    verdicts: Sequence[str],
    correct: Mapping[str, bool],
    cost: tuple[Usage, Usage],
    seconds: float,
) -> ResultRow:
    """The row of a search that ended: a verdict on each of its completions, `correct` by rule."""
    return ResultRow(
        id=id,
        question=question,
        answer=answer,
        completions=tuple(
            CompletionRow(c.text, c.steps, c.scores, c.tokens, c.finish, c.key, verdict, c.weight)
            for c, verdict in zip(result.completions, verdicts, strict=True)
        ),
        rule=result.rule,
        chosen=result.chosen,
        correct=dict(correct),
        policy=cost[0],
        prm=cost[1],
        seconds=seconds,
        errors=result.errors,
        unspent=result.unspent,
        capped=result.capped,
        kv_peak=kv_peak(result.trace.nodes),
    )

"""Step labels that are there already, in the formats of their sets, which their columns tell.

PRM800K (Lightman et al., arXiv 2305.20050), Math-Shepherd (arXiv 2312.08935), ProcessBench
(arXiv 2412.06559), MR-GSM8K (arXiv 2312.17080), PRMBench (arXiv 2501.03124), TRL's stepwise
supervision, and our own. Labels stay what they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sal.learn.errors import LabelError
from sal.learn.labelled import Labelled
from sal.learn.rows import Label, StepLabels
from sal.runs.dataset_rows import read_dataset

BAD_PROBLEM, NO_STEPS = "problems that the labeller calls broken", "solutions without a step"
STEP_TAG = "ки"
"""Ends a step in Math-Shepherd's `input`; in its `label` one character, + or -, stands there."""

PRMBENCH_ONCE, PRMBENCH_CORRECT = "redundency", "correct"
"""The kind of PRMBench beside which a solution without an error is read, and what that one is."""

Content = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Format:
    """A set's format: its columns, and what a row, with its id, says of solutions; maybe none."""

    name: str
    columns: tuple[str, ...]
    solutions: Callable[[str, Content], Iterable[dict[str, Any]]]

    def fits(self, content: Content) -> bool:
        return all(column in content for column in self.columns)


def labels_in(dataset: str, split: str | None = None, limit: int | None = None) -> Labelled:
    """The rows of a file, a folder or a set on the Hub; `limit` counts its own rows.

    Raises `LabelError` for columns of no known format, and for a row that is not of it, and
    `DatasetError` for what cannot be read.
    """
    names = tuple(dict.fromkeys(column for form in FORMATS for column in form.columns))
    read = read_dataset(dataset, split, limit, names).rows[:limit]
    labelled = Labelled()
    form: Format | None = None
    for row in read:
        if row.content is None:
            raise LabelError(f"{row.place(dataset)}: {row.fault}")
        if form is None:
            form = _format_of(dataset, row.content)
        try:
            told = list(form.solutions(str(row.content.get("id", row.number)), row.content))
            for solution in told:
                labelled.add(_solution(solution, form.name))
            labelled.dropped[BAD_PROBLEM] += not told
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise LabelError(f"{row.place(dataset)}: no row of {form.name}: {error!r}") from error
        except LabelError as error:
            raise LabelError(f"{row.place(dataset)}: {error}") from error
    if not read:
        raise LabelError(f"{dataset}: holds no rows")
    labelled.dropped = +labelled.dropped
    return labelled


def _format_of(dataset: str, content: Content) -> Format:
    for form in FORMATS:
        if form.fits(content):
            return form
    known = "; ".join(f"{form.name}: {', '.join(form.columns)}" for form in FORMATS)
    there = ", ".join(content)
    raise LabelError(f"{dataset}: no labels in the columns {there} (known are {known})")


def _solution(told: dict[str, Any], source: str) -> Labelled:
    """Its steps stripped; empty ones are none, and their labels go with them."""
    steps = told["steps"]
    if not isinstance(told["question"], str):
        raise LabelError("the question is not a text")
    if not isinstance(steps, list | tuple) or not all(isinstance(step, str) for step in steps):
        raise LabelError("the steps are not a list of texts")
    kept = [i for i, step in enumerate(steps) if step.strip()]
    if not kept:
        return Labelled(dropped=Counter({NO_STEPS: 1}))
    for name in ("labels", "right", "rollouts", "judged"):
        items = told.get(name) or ()
        if items and len(items) != len(steps):
            raise LabelError(f"{len(items)} {name} for {len(steps)} steps")
        told[name] = tuple(items[i] for i in kept) if items else ()
    for label in told["labels"]:
        _check_label(label)
    told["first_error"] = _first_error(told.get("first_error"), kept, len(steps))
    told["steps"] = tuple(steps[i].strip() for i in kept)
    return Labelled([StepLabels(**{"source": source} | told)])


def _first_error(said: Any, kept: list[int], steps: int) -> int | None:
    """Its place among the steps that are kept."""
    if said is None:
        return None
    if isinstance(said, bool) or not isinstance(said, int) or not -1 <= said < steps:
        raise LabelError(f"the first wrong step is {said!r} of {steps}")
    if said == -1:
        return -1
    if said not in kept:
        raise LabelError(f"the first wrong step, {said}, is empty")
    return kept.index(said)


def _check_label(label: Label | None) -> None:
    if label is not None and not isinstance(label, bool | int | float):
        raise LabelError(f"the label {label!r} is neither true or false nor a number")


def _prm800k(id: str, content: Content) -> Iterator[dict[str, Any]]:
    """The labelled path, and at each of its steps a row for every alternative to it.

    A step that the labeller wrote has no label.
    """
    question, label = content["question"], content["label"]
    if label["finish_reason"] == "bad_problem":
        return
    common = {
        "question": question["problem"],
        "answer": str(question.get("ground_truth_answer") or ""),
    }
    texts: list[str] = []
    labels: list[Label | None] = []
    for number, step in enumerate(label["steps"]):
        chosen = step["chosen_completion"]
        for i, other in enumerate(step["completions"] or ()):
            if i != chosen:
                yield common | {
                    "id": f"{id}/{number}.{i}",
                    "steps": [*texts, other["text"]],
                    "labels": [*labels, other["rating"]],
                }
        if chosen is not None:
            texts.append(step["completions"][chosen]["text"])
            labels.append(step["completions"][chosen]["rating"])
        elif (written := step["human_completion"]) is not None:
            texts.append(written if isinstance(written, str) else written["text"])
            labels.append(None)
        else:  # none of the alternatives was gone on with: they hold the path as it is
            return
    solved = True if label["finish_reason"] == "solution" else None
    yield common | {"id": id, "steps": texts, "labels": labels, "correct": solved}


def _math_shepherd(id: str, content: Content) -> Iterator[dict[str, Any]]:
    """`label` is `input` with one character in place of each tag: + or -."""
    *pieces, _ = content["input"].split(STEP_TAG)
    labels = []
    at = 0
    for piece in pieces:
        at += len(piece)
        mark = content["label"][at : at + 1]
        if mark not in ("+", "-"):
            raise ValueError(f"its label has {mark!r} where + or - should stand")
        labels.append(mark == "+")
        at += 1
    question, begins, first = pieces[0].rpartition("Step 1:")
    if not begins:
        raise ValueError("its input has no Step 1:")
    yield {
        "id": id,
        "question": question.strip(),
        "steps": [begins + first, *pieces[1:]],
        "labels": labels,
    }


def _processbench(id: str, content: Content) -> Iterator[dict[str, Any]]:
    yield {
        "id": id,
        "question": content["problem"],
        "steps": content["steps"],
        "first_error": content["label"],
        "correct": content.get("final_answer_correct"),
    }


def _mr_gsm8k(id: str, content: Content) -> Iterator[dict[str, Any]]:  # noqa: ARG001 - has its own
    """Its first wrong step is counted from 1, of a solution that people hold wrong."""
    judged = content["model_output_solution_correctness"]
    if judged not in ("correct", "wrong"):
        raise ValueError(f"its solution is {judged!r}, neither correct nor wrong")
    first = 0 if judged == "correct" else int(content["model_output_solution_first_error_step"])
    if judged == "wrong" and first < 1:
        raise ValueError(f"its first wrong step is step {first}")
    yield {
        "id": content["uuid"],
        "question": content["question"],
        "steps": content["model_output_steps"],
        "first_error": first - 1,
        "correct": content["model_output_answer_correctness"] == "correct",
        "answer": str(content.get("ground_truth_answer") or ""),
    }


def _prmbench(id: str, content: Content) -> Iterator[dict[str, Any]]:  # noqa: ARG001 - has its own
    """A solution into which one kind of error was put; with one of the kinds, also as it was."""
    kind = content["classification"]
    number = content["idx"].removeprefix(f"{kind}_")  # its files have it in either way
    wrong, steps = content["error_steps"], content["modified_process"]
    yield {
        "id": f"{kind}/{number}",
        "question": content["modified_question"],
        "steps": steps,
        "labels": [k not in wrong for k in range(1, len(steps) + 1)],
        "source": f"PRMBench {kind}",
    }
    if kind == PRMBENCH_ONCE:
        yield {
            "id": f"{PRMBENCH_CORRECT}/{number}",
            "question": content["original_question"],
            "steps": content["original_process"],
            "labels": [True] * len(content["original_process"]),
            "source": f"PRMBench {PRMBENCH_CORRECT}",
        }


def _stepwise(id: str, content: Content) -> Iterator[dict[str, Any]]:
    if not isinstance(content["prompt"], str):
        raise LabelError("its prompt is not a text")
    labels = content["labels"]
    if len(labels) != len(content["completions"]):
        raise LabelError(f"{len(labels)} labels for {len(content['completions'])} completions")
    yield {
        "id": id,
        "question": content["prompt"].strip(),
        "steps": content["completions"],
        "labels": labels,
    }


def _own(id: str, content: Content) -> Iterator[dict[str, Any]]:
    yield StepLabels.from_json({**content, "id": id}).as_json()


FORMATS = (
    Format("PRM800K", ("labeler", "question", "label"), _prm800k),
    Format("Math-Shepherd", ("input", "label"), _math_shepherd),
    Format("ProcessBench", ("problem", "steps", "label"), _processbench),
    Format(
        "MR-GSM8K",
        (
            *("uuid", "question", "model_output_steps", "model_output_answer_correctness"),
            *("model_output_solution_correctness", "model_output_solution_first_error_step"),
        ),
        _mr_gsm8k,
    ),
    Format(
        "PRMBench",
        ("original_process", "modified_process", "error_steps", "classification"),
        _prmbench,
    ),
    Format("TRL's stepwise supervision", ("prompt", "completions", "labels"), _stepwise),
    Format("step labels", ("question", "steps", "rollouts"), _own),
)

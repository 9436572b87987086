"""What a preset adds to what a user said, and the problems that come of both."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sal.runs.errors import NotHad
from sal.runs.presets import Found, find_preset, remedy
from sal.runs.problems import ProblemSet, load_problems

if TYPE_CHECKING:
    from sal.runs.settings import Settings


TOLD_BY_PRESETS = (
    "split",
    "question_field",
    "answer_field",
    "choices_field",
    "system_prompt",
    "grader",
)
"""Settings that a preset says."""


def filled_in(settings: Settings, dataset: str) -> tuple[Settings, Found | None]:
    """`settings` with a data set, `dataset` by default, and what its preset says where they do not.

    The other is the preset, None where the data set was not named by one.
    """
    named = settings.dataset or dataset
    found = find_preset(named, settings.split)
    if found is None:
        return replace(settings, dataset=named), None
    told: dict[str, Any] = {
        name: getattr(found.preset, name)
        for name in TOLD_BY_PRESETS
        if getattr(settings, name) is None
    }
    told["split"] = found.split
    return replace(settings, dataset=found.dataset, **told), found


def read_problems(settings: Settings, preset: Found | None) -> ProblemSet:
    """The problems of `settings`, filled in; raises `DatasetError`, with a remedy for a preset."""
    try:
        return load_problems(
            str(settings.dataset),
            split=settings.split,
            limit=settings.limit,
            question_field=settings.question_field,
            answer_field=settings.answer_field,
            choices_field=settings.choices_field,
            answers=settings.answers,
            skip_bad_rows=settings.skip_bad_rows,
        )
    except NotHad as error:
        if preset is None:
            raise
        raise NotHad(f"{preset.name}: {error}; {remedy(preset)}") from error

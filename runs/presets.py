"""Data sets by a short name, `--dataset gsm8k`: where each lies, and how it is read.

A file or folder of that name comes first. Else a copy in the folder SAL_DATA is taken, and else the
Hub's.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from sal.records.read import CSV, JSON, TABLES

DATA = "SAL_DATA"
"""Names the folder of local copies."""

CHOICE_PROMPT = """\
Answer the following multiple choice question. Use this step-by-step format:

## Step 1: [Concise description]
[Brief explanation and calculations]

## Step 2: [Concise description]
[Brief explanation and calculations]

...

Always conclude with:

Therefore, the final answer is: $\\boxed{letter}$. I hope it is correct.

Where [letter] is the letter of the one right choice."""
"""In the form of the prompt for mathematics (`runs/settings.py`), so that steps end alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """What a data set of the Hub is asked for where nobody says otherwise.

    A field may be several with `+` between them (`sal.runs.dataset_fields`). `system_prompt` None
    is a run's own default. `gated` ones are given to those who accepted their terms.
    """

    repository: str
    config: str | None = None
    split: str = "test"
    question_field: str = "problem"
    answer_field: str = "answer"
    choices_field: str | None = None
    system_prompt: str | None = None
    grader: str = "math"
    gated: bool = False


PRESETS: dict[str, Preset] = {
    "gsm8k": Preset(repository="openai/gsm8k", config="main", question_field="question"),
    "math500": Preset(repository="HuggingFaceH4/MATH-500"),
    "aime24": Preset(repository="HuggingFaceH4/aime_2024", split="train"),
    "aime25": Preset(repository="math-ai/aime25"),
    "amc23": Preset(repository="math-ai/amc23", question_field="question"),
    "olympiadbench": Preset(
        repository="Hothan/OlympiadBench",
        config="OE_TO_maths_en_COMP",
        split="train",
        question_field="question",
        answer_field="final_answer",
    ),
    "minerva": Preset(repository="math-ai/minervamath", question_field="question"),
    "gpqa": Preset(
        repository="Idavidrein/gpqa",
        config="gpqa_diamond",
        split="train",
        question_field="Question",
        answer_field="Correct Answer",
        choices_field="Correct Answer+Incorrect Answer 1+Incorrect Answer 2+Incorrect Answer 3",
        system_prompt=CHOICE_PROMPT,
        gated=True,
    ),
    "svamp": Preset(
        repository="ChilleD/SVAMP", question_field="Body+Question", answer_field="Answer"
    ),
}


@dataclass(frozen=True, slots=True)
class Found:
    """A preset, and the place of its data: `dataset` as `--dataset` takes it, and its split."""

    name: str
    preset: Preset
    dataset: str
    split: str | None


def find_preset(dataset: str, split: str | None = None) -> Found | None:
    """The preset that `dataset` names: `gsm8k`, or `gsm8k:socratic` with another configuration.

    `split` is another one than its own. None for any other name, and where a file or folder is
    called so.
    """
    name, colon, said = dataset.partition(":")
    preset = PRESETS.get(name)
    if preset is None or (colon and not said):
        return None
    wanted = split or preset.split
    copy = _local_copy(name, wanted)
    for path in map(Path, (dataset, name)):
        if path.exists() and not (copy and copy.exists() and path.samefile(copy)):
            return None
    config = said or preset.config
    behind = f":{config}" if config else ""
    if copy is None:
        return Found(name, preset, f"{preset.repository}{behind}", wanted)
    if (copy / "README.md").is_file():  # the whole repository, with its configurations
        return Found(name, preset, f"{copy}{behind}", wanted)
    by_split = copy.name.startswith(f"{name}_{wanted}.")
    return Found(name, preset, str(copy), None if by_split else split)


def _local_copy(name: str, split: str) -> Path | None:
    folder = os.environ.get(DATA)
    if not folder:
        return None
    suffixes = ("", *JSON, *CSV, *TABLES)
    there = (Path(folder) / f"{n}{s}" for s in suffixes for n in (name, f"{name}_{split}"))
    return next((path for path in there if path.exists()), None)


def remedy(found: Found) -> str:
    """What to do where a preset's data cannot be had, for the end of a message."""
    repository = found.preset.repository
    terms = ""
    if found.preset.gated:
        terms = (
            f"accept its terms at https://huggingface.co/datasets/{repository} and set HF_TOKEN; "
        )
    return (
        f"{terms}with a network, `hf download {repository} --repo-type dataset --local-dir "
        f"DIR/{found.name}`, then {DATA}=DIR here; or give the path of a copy to --dataset"
    )

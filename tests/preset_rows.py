"""The data sets of the presets in small: repositories of the true layout, with rows of their fields.

Field names and kinds of values are those of the Hub; the problems are not.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

GSM8K = [
    {
        "question": "Tom has 3 boxes of 6 pens. How many pens?",
        "answer": "3 * 6 = <<3*6=18>>18\n#### 18",
    }
]
MATH_500 = [
    {
        "problem": "What is $\\frac12+\\frac14$?",
        "solution": "$\\boxed{\\frac34}$",
        "answer": "\\frac34",
        "subject": "Prealgebra",
        "level": 1,
        "unique_id": "test/prealgebra/1.json",
    }
]
AIME_24 = [
    {
        "id": 60,
        "problem": "Find $m+n$.",
        "solution": "...",
        "answer": "025",
        "url": "https://x",
        "year": 2024,
    }
]
AIME_25 = [{"problem": "Find the sum of all bases.", "answer": "70", "id": "0"}]
AMC_23 = [{"id": 0, "question": "How far is it?", "answer": "27.0", "url": "https://x"}]
OLYMPIAD = [
    {"id": 1606, "question": "Find $x$.", "solution": ["..."], "final_answer": ["$\\frac{1}{2 n+2}$"], "context": None, "image_1": None, "modality": "Text-only", "difficulty": "Competition", "is_multiple_answer": False, "unit": None, "answer_type": "Expression", "error": None, "question_type": "OE", "subfield": "Algebra", "subject": "Math", "language": "English"},
    {"id": 1607, "question": "Find all $x$.", "solution": ["..."], "final_answer": ["1", "-1"], "context": None, "image_1": None, "modality": "Text-only", "difficulty": "Competition", "is_multiple_answer": True, "unit": None, "answer_type": "Numerical", "error": None, "question_type": "OE", "subfield": "Algebra", "subject": "Math", "language": "English"},
]  # fmt: skip
MINERVA = [{"question": "What is the mass in grams?", "answer": "4.5e33"}]
GPQA = [
    {
        "Record ID": f"rec{i}",
        "Question": f"Which is number {i}?\n",
        "Correct Answer": f"right {i}\n",
        "Incorrect Answer 1": f"wrong {i}, one",
        "Incorrect Answer 2": f"wrong {i}, two",
        "Incorrect Answer 3": f"wrong {i}, three",
        "Subdomain": "Physics (general)",
    }
    for i in range(8)
]
SVAMP = [
    {
        "ID": "chal-1",
        "Body": "Each pack costs 76 dollars, with 25 off on each pack",
        "Question": "What is a pack?",
        "Equation": "( 76.0 - 25.0 )",
        "Answer": "51.0",
        "Type": "Subtraction",
        "question_concat": "...",
    }
]


def lines(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def parquet(rows: list[dict[str, Any]]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), sink)
    return sink.getvalue()


def csv(rows: list[dict[str, Any]]) -> bytes:
    import csv as csv_

    sink = io.StringIO()
    writer = csv_.DictWriter(sink, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    return sink.getvalue().encode()


def card(**configs: dict[str, str]) -> bytes:
    """A README that says which files are of which configuration and split."""
    said = "".join(
        f"- config_name: {name}\n  data_files:\n"
        + "".join(f"  - split: {split}\n    path: {path}\n" for split, path in files.items())
        for name, files in configs.items()
    )
    return f"---\nconfigs:\n{said}---\n".encode()


def repositories() -> dict[str, dict[str, bytes]]:
    """The files of each repository, by the names of both."""
    other = parquet(GSM8K * 2)
    comp = "OlympiadBench/OE_TO_maths_en_COMP/OE_TO_maths_en_COMP.parquet"
    return {
        "openai/gsm8k": {
            "README.md": card(
                main={"train": "main/train-*", "test": "main/test-*"},
                socratic={"train": "socratic/train-*", "test": "socratic/test-*"},
            ),
            "main/train-00000-of-00001.parquet": other,
            "main/test-00000-of-00001.parquet": parquet(GSM8K),
            "socratic/train-00000-of-00001.parquet": other,
            "socratic/test-00000-of-00001.parquet": other,
        },
        "HuggingFaceH4/MATH-500": {"test.jsonl": lines(MATH_500)},
        "HuggingFaceH4/aime_2024": {
            "README.md": card(default={"train": "data/train-*"}),
            "data/train-00000-of-00001.parquet": parquet(AIME_24),
        },
        "math-ai/aime25": {"test.jsonl": lines(AIME_25)},
        "math-ai/amc23": {
            "README.md": card(default={"test": "data/test-*"}),
            "data/test-00000-of-00001.parquet": parquet(AMC_23),
        },
        "Hothan/OlympiadBench": {
            "README.md": card(
                OE_TO_maths_en_COMP={"train": comp},
                TP_TO_maths_en_COMP={"train": comp.replace("OE_TO", "TP_TO")},
            ),
            comp: parquet(OLYMPIAD),
            comp.replace("OE_TO", "TP_TO"): other,
        },
        "math-ai/minervamath": {"test.jsonl": lines(MINERVA)},
        "Idavidrein/gpqa": {
            "README.md": card(
                gpqa_main={"train": "gpqa_main.csv"}, gpqa_diamond={"train": "gpqa_diamond.csv"}
            ),
            "gpqa_main.csv": csv(GPQA[:1]),
            "gpqa_diamond.csv": csv(GPQA),
        },
        "ChilleD/SVAMP": {
            "README.md": card(default={"train": "data/train-*", "test": "data/test-*"}),
            "data/train-00000-of-00001.parquet": parquet(SVAMP * 2),
            "data/test-00000-of-00001.parquet": parquet(SVAMP),
        },
    }


Rows = list[tuple[str, str, str]]


def _gpqa(of: Callable[[int], str]) -> Rows:
    return [(f"rec{i}", f"Which is number {i}?", of(i)) for i in range(len(GPQA))]


PROBLEMS: dict[str, Rows] = {
    "gsm8k": [("0", "Tom has 3 boxes of 6 pens. How many pens?", "18")],
    "math500": [("test/prealgebra/1.json", "What is $\\frac12+\\frac14$?", "\\frac34")],
    "aime24": [("60", "Find $m+n$.", "025")],
    "aime25": [("0", "Find the sum of all bases.", "70")],
    "amc23": [("0", "How far is it?", "27.0")],
    "olympiadbench": [
        ("1606", "Find $x$.", "$\\frac{1}{2 n+2}$"),
        ("1607", "Find all $x$.", "1, -1"),
    ],
    "minerva": [("0", "What is the mass in grams?", "4.5e33")],
    "svamp": [
        ("0", "Each pack costs 76 dollars, with 25 off on each pack What is a pack?", "51.0")
    ],
}
"""(id, question, answer) of each preset but gpqa, whose choices are in an order of their own."""

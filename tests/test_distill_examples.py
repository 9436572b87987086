"""Examples for a policy: out of runs, out of sets in TRL's formats, and as files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasets
import pytest
from chat_templates import LLAMA_3, QWEN_3, write_chat_model
from distill_examples import problem, solution, sums
from runs_examples import recipe, row, written_run

from sal.learn.distill import found, sets
from sal.learn.distill.examples import Example, Method
from sal.learn.distill.files import PARQUET, write_examples
from sal.learn.distill.settings import DistillSettings, read_recipe
from sal.learn.distill.siblings import siblings
from sal.learn.distill.sources import gather
from sal.learn.errors import LabelError, TrainError
from sal.learn.run_labels import CUT, EQUAL, FAILED
from sal.runs.problems import load_problems
from sal.runs.recipe_yaml import RecipeError
from sal.runs.turns import Turn

ROOT = Path(__file__).resolve().parent.parent

Steps = tuple[str, ...]


@pytest.mark.parametrize(
    ("right", "wrong", "pairs"),
    [
        ([("a", "R")], [("a", "W")], [(0, 0)]),
        # behind a, x is wrong and b leads to both: there R is right and W wrong
        ([("a", "b", "R")], [("a", "b", "W"), ("a", "x", "W")], [(0, 1), (0, 0)]),
        # one bad step is rejected once, however many went on from it
        ([("a", "R")], [("x", "V"), ("x", "W")], [(0, 0)]),
        # good siblings are chosen in turn
        ([("a", "R"), ("b", "R")], [("x", "W"), ("y", "W"), ("z", "W")], [(0, 0), (1, 1), (0, 2)]),
        # to end behind a is right, to go on is wrong, and the other way about
        ([("a",)], [("a", "W")], [(0, 0)]),
        ([("a", "R")], [("a",)], [(0, 0)]),
        ([], [("a",)], []),
        ([("a",)], [], []),
    ],
)
def test_pairs_part_where_one_way_is_wrong(
    right: list[Steps], wrong: list[Steps], pairs: list[tuple[int, int]]
) -> None:
    assert list(siblings(right, wrong)) == pairs


def mixed(path: Path, **changes: Any) -> Path:
    """Two right solutions (one twice), three wrong, one cut, one not judged; and other problems."""
    good, bad = solution("a", "R"), solution("a", "W", right=False)
    none = solution("a", "so what", right=False, key="", verdict="no_answer")
    rows = [
        problem(
            "q", "Why?", good, bad, none, good,
            solution("b", "R"),
            solution("a", right=False, finish="length", key=""),
            solution("x", "?", right=False, verdict="timeout"),
        ),
        problem("right", "Who?", good),
        problem("wrong", "When?", bad),
        row("lost", error="lost"),
    ]  # fmt: skip
    return written_run(path, recipe(**changes), rows)


def examples(path: Path, method: Method) -> list[Example]:
    return gather([str(path)], method).rows


def test_right_solutions_are_for_sft_each_once(tmp_path: Path) -> None:
    gathered = gather([str(mixed(tmp_path / "run"))], "sft")
    assert [(e.id, e.prompt, e.reply) for e in gathered.rows] == [
        ("q/0", "Why?\n\n", "a\n\nR"),
        ("q/1", "Why?\n\n", "b\n\nR"),
        ("right/0", "Who?\n\n", "a\n\nR"),
    ]
    assert +gathered.dropped == {
        EQUAL: 1, CUT: 1, FAILED: 1, found.UNJUDGED: 1, found.UNSOLVED: 1
    }  # fmt: skip


def test_right_and_wrong_ones_are_for_kto(tmp_path: Path) -> None:
    rows = examples(mixed(tmp_path / "run"), "kto")
    assert [(e.id, e.reply.split("\n\n")[1], e.right) for e in rows] == [
        ("q/0", "R", True),
        ("q/1", "W", False),
        ("q/2", "so what", False),
        ("q/3", "R", True),
        ("right/0", "R", True),
        ("wrong/0", "W", False),
    ]


@pytest.mark.parametrize("method", ["dpo", "orpo"])
def test_pairs_are_of_one_problem_and_begin_alike(tmp_path: Path, method: Method) -> None:
    gathered = gather([str(mixed(tmp_path / "run"))], method)
    assert [(e.prompt, e.reply, e.rejected) for e in gathered.rows] == [
        ("Why?\n\n", "a\n\nR", "a\n\nW"),
        ("Why?\n\n", "a\n\nR", "a\n\nso what"),
    ]
    assert gathered.dropped[found.UNPAIRED] == 2


def test_what_two_runs_found_stands_once(tmp_path: Path) -> None:
    sums(tmp_path / "sweep" / "one", 3)
    sums(tmp_path / "sweep" / "two", 4, seed=1)
    gathered = gather([str(tmp_path / "sweep")], "sft")
    assert len(gathered.rows) == 4
    assert gathered.dropped["examples that stand twice"] == 3


def test_prompts_of_a_chat_policy_are_the_turns_that_it_was_sent(tmp_path: Path) -> None:
    """The system prompt of the recipe, the template around the question, every turn of it."""
    write_chat_model(tmp_path, QWEN_3)
    turns = [
        {"role": "user", "content": "Hello."},
        {"role": "assistant", "content": "Hi."},
        {"role": "user", "content": "2 + 2?"},
    ]
    lines = [{"question": turns, "answer": "4"}, {"question": "1 + 1?", "answer": "2"}]
    data = tmp_path / "chats.jsonl"
    data.write_text("".join(json.dumps(line) + "\n" for line in lines))
    problems = load_problems(str(data))
    told: dict[str, Any] = {
        "policy": str(tmp_path), "dataset": str(data), "split": "train", "thinking": False,
        "system_prompt": "Be brief.", "prompt_template": "Solve: {question}",
        "problems_digest": problems.digest,
    }  # fmt: skip
    rows = [problem(q.id, q.text, solution("4")) for q in problems.questions]
    run = written_run(tmp_path / "run", recipe(strategy="majority", prm=None, **told), rows)
    first, second = examples(run, "sft")
    system = Turn("system", "Be brief.")
    assert first.prompt == (system, *(Turn(t["role"], t["content"]) for t in turns))  # type: ignore[arg-type]
    assert second.prompt == (system, Turn("user", "Solve: 1 + 1?"))
    assert second.row("sft") == {
        "id": "1/0",
        "prompt": [system.message(), {"role": "user", "content": "Solve: 1 + 1?"}],
        "completion": [{"role": "assistant", "content": "4"}],
        "chat_template_kwargs": {"enable_thinking": False},
    }
    data.write_text(data.read_text().replace("1 + 1", "1 + 0"))
    with pytest.raises(LabelError, match="holds other problems than it did then"):
        gather([str(run)], "sft")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"strategy": "revise"}, "a revision follows other attempts"),
        ({"policy": "http://127.0.0.1:1"}, "name the model that is to learn, --base"),
        ({"policy": "nobody/nowhere"}, "name the model that is to learn, --base"),
    ],
)
def test_runs_whose_prompts_cannot_be_told(
    tmp_path: Path, changes: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    run = mixed(tmp_path / "run", **changes)
    with pytest.raises(LabelError, match=said):
        gather([str(run)], "sft")


def test_the_policy_behind_an_address_is_the_model_that_it_served(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    write_chat_model(tmp_path / "model", LLAMA_3)
    served = {"policy": {"model_path": str(tmp_path / "model")}}
    run = mixed(tmp_path / "run", policy="http://127.0.0.1:1", served=served, dataset="gone.jsonl")
    with pytest.raises(Exception, match=r"gone\.jsonl"):  # a chat model: its questions are read
        gather([str(run)], "sft")
    assert gather([str(run)], "sft", "tiny").rows[0].prompt == "Why?\n\n"


@pytest.mark.parametrize(
    ("method", "completions", "said"),
    [
        (
            "sft",
            [solution("W", right=False)],
            "sft: not one right solution was found, 1 problems w",
        ),
        ("dpo", [solution("R")], "dpo: not one pair was found, 1 problems without a right and a"),
        ("kto", [solution("R"), solution("S")], "kto: all 2 examples are right, and it needs both"),
        ("kto", [], "kto: not one solution was found"),
    ],
)
def test_runs_without_what_a_method_needs(
    tmp_path: Path, method: Method, completions: Sequence[Any], said: str
) -> None:
    run = written_run(tmp_path / "run", recipe(), [problem("q", "Why?", *completions)])
    with pytest.raises(LabelError, match=said):
        gather([str(run)], method)


USER, REPLY = {"role": "user", "content": "2 + 2?"}, {"role": "assistant", "content": "4"}
AGAIN, WRONG = {"role": "user", "content": "Sure?"}, {"role": "assistant", "content": "5"}
TURNS = (Turn("user", "2 + 2?"), Turn("assistant", "4"), Turn("user", "Sure?"))


def told(tmp_path: Path, method: Method, *rows: dict[str, Any]) -> list[Example]:
    file = tmp_path / "set.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return gather([str(file)], method).rows


def test_every_turn_of_the_assistants_is_a_reply(tmp_path: Path) -> None:
    [first, second] = told(tmp_path, "sft", {"messages": [USER, REPLY, AGAIN, REPLY]})
    assert (first.prompt, first.reply) == (TURNS[:1], "4")
    assert (second.prompt, second.reply) == (TURNS, "4")
    shared = [{"from": "human", "value": "2 + 2?"}, {"from": "gpt", "value": "4"}]
    [again] = told(tmp_path, "sft", {"conversations": shared})
    assert (again.prompt, again.reply) == (first.prompt, first.reply)


@pytest.mark.parametrize("beside", [{}, {"prompt": "2 + 2?"}])
def test_pairs_of_conversations_share_all_turns_but_the_last(
    tmp_path: Path, beside: dict[str, str]
) -> None:
    """As those of the 7k pairs of Capybara are, which repeat the first question beside them."""
    chosen, rejected = [USER, REPLY, AGAIN, REPLY], [USER, REPLY, AGAIN, WRONG]
    [pair] = told(tmp_path, "orpo", beside | {"chosen": chosen, "rejected": rejected})
    assert (pair.prompt, pair.reply, pair.rejected) == (TURNS, "4", "5")
    with pytest.raises(LabelError, match=f"not one pair was found, 1 {sets.PARTED_EARLY}"):
        told(tmp_path, "orpo", {"chosen": [USER, REPLY], "rejected": [AGAIN, WRONG]})
    [apart] = told(tmp_path, "dpo", {"prompt": [USER], "chosen": [REPLY], "rejected": [WRONG]})
    assert (apart.prompt, apart.reply, apart.rejected) == (TURNS[:1], "4", "5")


@pytest.mark.parametrize(
    ("method", "content", "said"),
    [
        ("dpo", {"messages": [USER, REPLY]}, r"dpo cannot learn from the columns messages \(it wa"),
        (
            "sft",
            {"question": "?", "answer": "!"},
            "wants messages; or conversations; or prompt, com",
        ),
        (
            "sft",
            {"messages": [{"role": "tool", "content": "4"}]},
            r"set\.jsonl:1: field 'messages' has a turn of",
        ),
        ("sft", {"messages": [USER]}, f"not one right solution was found, 1 {sets.NO_REPLY}"),
        ("sft", {"prompt": "?", "completion": "!", "label": False}, f"1 {sets.LABELLED_WRONG}"),
        ("sft", {"prompt": [USER], "completion": "4"}, "neither two texts nor lists of turns"),
        ("sft", {"prompt": [REPLY], "completion": [USER]}, "does not end with a turn of the assis"),
        ("sft", {"prompt": "?", "completion": " "}, "field 'completion' is empty"),
        (
            "kto",
            {"prompt": "?", "completion": "!", "label": 1},
            "its label is 1, not true or false",
        ),
        ("dpo", {"chosen": [REPLY], "rejected": [WRONG]}, "its replies have no prompt"),
    ],
)
def test_sets_that_teach_nothing_by_a_method(
    tmp_path: Path, method: Method, content: dict[str, Any], said: str
) -> None:
    with pytest.raises(LabelError, match=said):
        told(tmp_path, method, content)


def test_texts_and_conversations_are_not_taught_together(tmp_path: Path) -> None:
    plain = {"prompt": "?", "completion": "!"}
    (tmp_path / "chats.jsonl").write_text(json.dumps({"messages": [USER, REPLY]}))
    (tmp_path / "texts.jsonl").write_text(json.dumps(plain))
    with pytest.raises(LabelError, match="take one kind"):
        gather([str(tmp_path / "chats.jsonl"), str(tmp_path / "texts.jsonl")], "sft")


@pytest.mark.parametrize("method", ["sft", "kto", "dpo", "orpo"])
@pytest.mark.parametrize("chat", [False, True])
def test_examples_come_back_from_their_files(tmp_path: Path, method: Method, chat: bool) -> None:
    pair = method in ("dpo", "orpo")
    prompt: Any = TURNS if chat else "2 + 2?\n\n"
    told: dict[str, Any] = {"rejected": "5"} if pair else {}
    rows = [
        Example(
            id=f"{n}/0",
            prompt=prompt,
            reply=f"{n}",
            right=n > 0 if method == "kto" else None,
            thinking=False if chat else None,
            **told,
        )
        for n in range(2)
    ]
    write_examples(rows, method, tmp_path / "out")
    assert gather([str(tmp_path / "out")], method).rows == rows
    loaded = datasets.load_from_disk(str(tmp_path / "out" / "dataset"))
    assert loaded[0]["prompt"] == ([turn.message() for turn in TURNS] if chat else prompt)
    write_examples(rows, method, tmp_path / "again")
    assert (tmp_path / "again" / PARQUET).read_bytes() == (tmp_path / "out" / PARQUET).read_bytes()


def test_the_recipes_of_the_repository_are_read() -> None:
    files = sorted((ROOT / "recipes" / "learn").glob("*.yaml"))
    assert files
    for file in files:
        DistillSettings(**{"sources": ("run",), **read_recipe(file)})
        assert file.read_text("utf-8").startswith("# "), "its source is missing"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sources: [a]\nmethods: sft\n", r":2: unknown key 'methods' \(did you mean method\?\)"),
        ("method: grpo\n", ":1: method: must be one of sft, kto, dpo, orpo"),
        ("set: beta\n", ":1: set: must be a mapping"),
        ("epochs: many\n", ":1: epochs: must be a number"),
    ],
)
def test_a_recipe_that_says_something_else(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "r.yaml").write_text(text)
    with pytest.raises(RecipeError, match=said):
        read_recipe(tmp_path / "r.yaml")


def test_settings_that_are_none() -> None:
    with pytest.raises(TrainError, match="name a run"):
        DistillSettings()
    with pytest.raises(TrainError, match="above 0"):
        DistillSettings(sources=("run",), batch_size=0)

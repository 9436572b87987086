"""The committed models and their tokenizer, and the streams that they were trained on."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, AutoTokenizer

from sal.runs.endpoints import model_location
from sal.runtime.default_models import default_models
from sal.tiny import paths
from sal.tiny.evaluate import Bench, auc, vote
from sal.tiny.oracle import step_labels
from sal.tiny.own_samples import judged_samples
from sal.tiny.sample import Judge, Sampler
from sal.tiny.stages import STAGES
from sal.tiny.stream import (
    Examples,
    batches,
    policy_examples,
    prm_examples,
    revision_examples,
    right_examples,
)
from sal.tiny.tokenizer import TAG, build_tokenizer, judged_text

TOKENIZER = build_tokenizer()
FOLDERS = [paths.POLICY, paths.PRM, paths.FAMILY_PRM, *paths.FAMILY.values()]
OWN_SAMPLES = judged_samples(paths.FAMILY["small"], whole=True)
QUESTION = "Let a=7, b=a-3+2, c=b*2+a. Find c."
RIGHT = ["b=7-3+2=4+2=6", "c=6*2+7=12+7=19", "\\boxed{19}"]
WRONG = ["b=7-3+2=7-5=2", "c=2*2+7=4+7=11", "\\boxed{11}"]


@given(st.text())
def test_any_text_round_trips(text: str) -> None:
    ids = TOKENIZER(text)["input_ids"]
    assert TOKENIZER.decode(ids, clean_up_tokenization_spaces=False) == text


def test_tokens_of_the_task() -> None:
    tokens = TOKENIZER.tokenize("b=12-(-7)=19\n\n")
    assert tokens == ["b", "=", "12", "-", "(", "-", "7", ")", "=", "19", "ĊĊ"]
    assert TOKENIZER.tokenize(f"19 {TAG}\n") == ["19", "Ġ", TAG, "Ċ"]
    for mark in ("+", "-", TAG):
        assert len(TOKENIZER(mark)["input_ids"]) == 1


def test_what_the_prm_reads_is_tokenised_alike_in_pieces_and_as_a_whole() -> None:
    pieces = [f"{QUESTION} ", *(f"{step} {TAG}\n" for step in RIGHT)]
    whole = TOKENIZER(judged_text(QUESTION, RIGHT))["input_ids"]
    assert [i for piece in pieces for i in TOKENIZER(piece)["input_ids"]] == whole


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_folders_load_and_speak_this_tokenizer(folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    assert tokenizer.get_vocab() == TOKENIZER.get_vocab()
    assert model.config.vocab_size == len(TOKENIZER)
    assert model.config.eos_token_id == tokenizer.eos_token_id
    assert model.dtype == torch.float32


def test_all_committed_weights_stay_small() -> None:
    sizes = {f: f.stat().st_size for f in paths.HERE.rglob("*.safetensors")}
    assert {f.parent for f in sizes} == set(FOLDERS)
    assert sum(sizes.values()) < 15_000_000


def test_the_family_grows_tenfold_from_the_same_demonstrations() -> None:
    models = [AutoModelForCausalLM.from_pretrained(folder) for folder in paths.FAMILY.values()]
    sizes = [model.num_parameters() for model in models]
    assert sizes == sorted(sizes)
    assert sizes[-1] >= 10 * sizes[0]
    stages = [STAGES[size] for size in paths.FAMILY]
    assert len({(stage.examples, stage.steps, stage.peak) for stage in stages}) == 1


def test_a_larger_one_of_the_family_is_right_more_often_at_its_first_try() -> None:
    rows = [json.loads(line) for line in paths.PROBLEMS["test"].read_text().splitlines()[:100]]
    judge, right = Judge(paths.PRM), []
    for folder in paths.FAMILY.values():
        sampler = Sampler(folder, temperature=0.01, seed=0)
        bench = Bench([r["question"] for r in rows], [r["answer"] for r in rows], sampler, judge)
        tries = bench.samples(1)
        right.append(sum(t[0].answer == r["answer"] for t, r in zip(tries, rows, strict=True)))
    assert right[0] + 10 < right[1] < right[2] - 10
    assert right[2] < right[3]


def test_only_its_own_prm_tells_when_the_small_one_errs() -> None:
    rows = [json.loads(line) for line in paths.PROBLEMS["test"].read_text().splitlines()[:50]]
    questions, answers = [r["question"] for r in rows], [r["answer"] for r in rows]
    areas = []
    for prm in (paths.PRM, paths.FAMILY_PRM):
        sampler = Sampler(paths.FAMILY["small"], temperature=0.8, seed=0)
        samples = Bench(questions, answers, sampler, Judge(prm)).samples(8)
        solved = [(q, s) for q, group in zip(questions, samples, strict=True) for s in group]
        scores = torch.tensor([s.score for _, s in solved]).numpy()
        labels = torch.tensor([step_labels(q, s.steps)[-1] for q, s in solved]).numpy()
        areas.append(auc(scores, labels))
    assert areas[0] < 0.8
    assert areas[1] > 0.95


def test_the_family_goes_by_names() -> None:
    for size, folder in paths.FAMILY.items():
        assert default_models(f"tiny-{size}", "tiny") == (str(folder), str(paths.PRM))
        assert model_location(f"tiny-{size}", "policy") == str(folder)
    assert model_location("tiny-small-prm", "prm") == str(paths.FAMILY_PRM)
    assert model_location("tiny-small", "prm") == "tiny-small"  # a policy is no PRM


def test_the_family_learns_right_solutions_alone() -> None:
    for example in right_examples(random.Random(0), 50, TOKENIZER):
        question, *steps = TOKENIZER.decode(example.ids).split("\n\n")
        assert all(step_labels(question, steps))


def test_the_prm_folder_says_how_to_ask() -> None:
    hint = json.loads((paths.PRM / "config.json").read_text())["sal_prm"]
    assert hint == {
        "family": "step-token",
        "tag": TAG,
        "good": "+",
        "bad": "-",
        "aggregate": "last",
        "label": "prefix-correct",
    }


def test_the_prm_tells_a_right_solution_from_a_habit() -> None:
    right, wrong = Judge(paths.PRM).scores([(QUESTION, RIGHT), (QUESTION, WRONG)])
    assert min(right) > 0.5
    assert max(wrong) < 0.5


def test_the_policy_is_sometimes_right_and_the_prm_knows_when() -> None:
    bench = Bench([QUESTION], ["19"], Sampler(paths.POLICY, 0.8, seed=0), Judge(paths.PRM))
    (samples,) = bench.samples(32)
    right = [s.answer == "19" for s in samples]
    assert 0 < sum(right) < 32
    assert vote(samples, weighted=True) == "19"
    labels = torch.tensor([step_labels(QUESTION, s.steps)[-1] for s in samples]).numpy()
    assert auc(torch.tensor([s.score for s in samples]).numpy(), labels) > 0.9


def test_the_policy_mends_a_wrong_attempt_and_keeps_a_right_one() -> None:
    def solved_after(attempt: list[str]) -> int:
        asked = "\n\n".join([QUESTION, *attempt, QUESTION])
        bench = Bench([asked], ["19"], Sampler(paths.POLICY, 0.8, seed=0), Judge(paths.PRM))
        solutions = bench.start(64)
        for _ in range(3):
            solutions = bench.extend(solutions)
        return sum(s.answer == "19" for s in solutions)

    assert solved_after(WRONG) > 32
    assert solved_after(RIGHT) > 54


@pytest.mark.parametrize(
    "examples", [policy_examples, prm_examples, revision_examples, right_examples, OWN_SAMPLES]
)
def test_a_stream_goes_on_where_it_stopped(examples: Examples) -> None:
    whole = batches(examples, TOKENIZER, 0)
    for _ in range(17):
        next(whole)
    assert torch.equal(next(whole).ids, next(batches(examples, TOKENIZER, 17)).ids)


def test_a_revision_stands_behind_the_question_and_is_all_that_is_learned() -> None:
    end = TOKENIZER.eos_token_id
    for example in revision_examples(random.Random(0), 50, TOKENIZER):
        text = TOKENIZER.decode(example.ids)
        question = text.partition("\n\n")[0]
        attempts = text.removeprefix(f"{question}\n\n").split(f"\n\n{question}\n\n")
        learned = TOKENIZER.decode([i for i in example.following if i >= 0])
        assert learned == "<eos>".join(attempts) + "<eos>"
        assert example.following.count(end) == len(attempts) <= 5


@pytest.mark.parametrize("examples", [prm_examples, OWN_SAMPLES])
def test_the_prm_learns_the_oracles_labels_at_the_tags(examples: Examples) -> None:
    tag, good, bad = TOKENIZER.convert_tokens_to_ids([TAG, "+", "-"])
    seen = set()
    for example in examples(random.Random(0), 200, TOKENIZER):
        question, _, steps = TOKENIZER.decode(example.ids).partition(". Find ")
        target, _, steps = steps.partition(". ")
        steps = steps.removesuffix(f" {TAG}\n").split(f" {TAG}\n")
        labels = step_labels(f"{question}. Find {target}.", steps)
        pairs = zip(example.ids, example.following, strict=True)
        marks = [following for i, following in pairs if i == tag]
        assert marks == [good if label else bad for label in labels]
        seen.update(labels)
    assert seen == {True, False}

"""What a PRM is trained on is what scoring sends, id for id, for every family that is trained.

The traps of PRM trainers, each by its name: pieces joined apart, separators that differ between
training and scoring, a backslash and an n in place of a line break, placeholders by a wrong id.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from prm_conformance import CASES, verifier_of
from prm_models import SIZES, llama_tokenizer, qwen_tokenizer

from sal.learn.batch import IGNORED, Collate, features
from sal.learn.errors import TrainError
from sal.learn.examples import example, make_examples
from sal.learn.rows import StepLabels
from sal.learn.targets import Targets
from sal.learn.taught import Taught, plan_prm
from sal.verifiers.contract import Prm
from sal.verifiers.registry import OWN

TRAINED = (
    *("step-token", "er-prm", "versa-prm", "math-psa", "chat-turn"),
    *("pure", "token-classifier"),
)


class Sent:
    """An endpoint that keeps what it is asked, and finds everything good."""

    url = "http://prm"

    def __init__(self) -> None:
        self.ids: list[list[int]] = []

    def generate(self, payload: dict[str, Any]) -> dict[str, Any]:
        self.ids.append(payload["input_ids"])
        good, bad = payload["token_ids_logprob"]
        pair = [[-0.1, good, None], [-2.0, bad, None]]
        return {"meta_info": {"output_token_ids_logprobs": [pair]}}

    def classify(self, payload: dict[str, Any]) -> dict[str, Any]:
        self.ids.append(payload["input_ids"])
        return {"embedding": [0.0, 2.0], "meta_info": {}}


@pytest.fixture(scope="module", params=["llama", "qwen2"])
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model's config and tokenizer: all that is needed to know what will be trained on."""
    folder: Path = tmp_path_factory.mktemp(request.param)
    (llama_tokenizer if request.param == "llama" else qwen_tokenizer)(folder)
    name = {"llama": "LlamaForCausalLM", "qwen2": "Qwen2ForCausalLM"}[request.param]
    config = {"model_type": request.param, "architectures": [name], **SIZES}
    (folder / "config.json").write_text(json.dumps(config))
    return str(folder)


def trained_ids(taught: Taught, question: str, steps: list[str]) -> list[list[int]]:
    """For each step, the ids of the batch up to the place where it is learned.

    The solution is in a batch with a longer one and is padded.
    """
    targets = [float(k % 2) for k in range(len(steps))]
    made = example(taught.format, question, steps, targets)
    longer = example(taught.format, question, [*steps, "and " * 9], [None] * len(steps) + [1.0])
    batch = Collate(taught.causal)(features([made, longer]))
    labels = batch["labels"][0].tolist()
    columns = batch["logits_to_keep"].tolist() if taught.causal else list(range(len(labels)))
    places = [c for c, label in zip(columns, labels, strict=True) if label != IGNORED]
    assert [label for label in labels if label != IGNORED] == targets
    ids = batch["input_ids"][0].tolist()
    assert batch["attention_mask"][0].tolist() == [1] * len(made.ids) + [0] * (
        len(ids) - len(made.ids)
    )
    return [ids[: place + 1] for place in places]


def sent_ids(taught: Taught, question: str, steps: list[str]) -> list[list[int]]:
    """For each step, what the family's verifier sends when it is the newest one."""
    sent = Sent()
    prm = Prm(taught.base, taught.config, taught.options, sent)
    verifier = verifier_of(taught.family, prm)
    for k, step in enumerate(steps):
        verifier.score(question, steps[:k], [step])
    return sent.ids


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("family", TRAINED)
def test_the_ids_that_are_trained_on_are_those_that_scoring_sends(
    base: str, family: str, case: str
) -> None:
    taught = plan_prm(base, family)
    question, steps = CASES[case]
    assert trained_ids(taught, question, steps) == sent_ids(taught, question, steps)


def test_no_other_family_is_trained(base: str) -> None:
    """A family that becomes trainable has to stand in the table above."""
    accepted = []
    for name in OWN:
        try:
            plan_prm(base, name)
        except TrainError:
            continue
        accepted.append(name)
    assert sorted(accepted) == sorted(TRAINED)


def test_joined_apart_would_be_other_ids(base: str) -> None:
    """The trap: a question, a step and its mark encoded each by itself and put together."""
    taught = plan_prm(base, "step-token")
    tokenizer = Prm(base).tokenizer
    question, step = "How many?", "+ 1"
    apart = [i for text in (question + " ", step, " ки") for i in tokenizer.encode(text)]
    made = example(taught.format, question, [step], [1.0])
    assert list(made.ids) != apart


@pytest.mark.parametrize("said", [r"separator=\n\n", 'separator="\\n\\n"', "separator=\n\n"])
def test_a_backslash_and_an_n_are_a_line_break(base: str, said: str) -> None:
    """The trap: a shell hands over four characters, and the model is trained on those."""
    plain = plan_prm(base, "token-classifier")
    assert plan_prm(base, f"token-classifier:{said}").options == plain.options


def test_the_verdict_is_the_token_that_the_family_reads_and_no_piece_of_it(base: str) -> None:
    """The trap: the placeholder's id is that of another spelling, such as one without the space."""
    tokenizer = Prm(base).tokenizer
    plain, spaced = plan_prm(base, "step-token"), plan_prm(base, "er-prm")
    assert plain.good == tokenizer.encode("+")[-1]
    assert spaced.good == tokenizer.encode(" +")[-1] != plain.good
    made = example(spaced.format, "1+1?", ["2"], [1.0])
    assert made.ids[made.places[0]] == tokenizer.encode(" ки")[-1] != tokenizer.encode("ки")[-1]


def test_a_tokenizer_without_the_step_token_is_refused(base: str) -> None:
    with pytest.raises(TrainError, match="the step tag '<step>' is not one token"):
        plan_prm(base, "step-token:tag=<step>")


def test_a_model_that_sglang_serves_no_classifier_of_is_refused(base: str, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for file in Path(base).iterdir():
        (other / file.name).write_bytes(file.read_bytes())
    config = json.loads((other / "config.json").read_text()) | {"model_type": "gemma2"}
    (other / "config.json").write_text(json.dumps(config))
    with pytest.raises(TrainError, match="SGLang serves no classifier on a gemma2 model"):
        plan_prm(str(other), "token-classifier")


@pytest.mark.parametrize("family", ["outcome-chat", "gen-prm", "skywork", "function"])
def test_a_family_that_is_not_trained_is_named_with_those_that_are(base: str, family: str) -> None:
    with pytest.raises(TrainError, match=f"PRMs of the family {family} are not trained here: name"):
        plan_prm(base, family)


ROW = StepLabels(
    id="a", question="1+1?", steps=("one", "two", "three"), right=(4, 2, 0), rollouts=(4, 4, 4)
)


def made(base: str, rows: list[StepLabels], longest: int, *, cut: bool = True) -> Any:
    return make_examples(rows, plan_prm(base, "step-token").format, Targets(), longest, cut=cut)


def test_a_long_solution_loses_whole_steps_or_is_left_out(base: str) -> None:
    whole = made(base, [ROW], 512).rows[0]
    assert len(whole.targets) == 3
    short = made(base, [ROW], len(whole.ids) - 1)
    assert short.rows[0].ids == whole.ids[: whole.places[1] + 1]
    assert short.rows[0].targets == whole.targets[:2]
    assert short.dropped == {"cut": 1}
    other = StepLabels(id="b", question="1?", steps=("a",), labels=(True,))
    uncut = made(base, [ROW, other], len(whole.ids) - 1, cut=False)
    assert (len(uncut.rows), uncut.dropped) == (1, {"too long": 1})


def test_nothing_behind_the_last_target_is_computed(base: str) -> None:
    row = StepLabels(id="a", question="1+1?", steps=ROW.steps, labels=(True, False, True))
    cut = made(base, [row], 512).rows[0]
    kept = made(base, [ROW], 512).rows[0]
    assert cut.ids == kept.ids[: kept.places[1] + 1]


def test_no_labels_at_all_is_said(base: str) -> None:
    bare = StepLabels(id="a", question="q", steps=("x",))
    with pytest.raises(TrainError, match="nothing to learn from: 2 without a label"):
        made(base, [bare, bare], 512)
    with pytest.raises(TrainError, match="nothing to learn from: no rows at all"):
        made(base, [], 512)

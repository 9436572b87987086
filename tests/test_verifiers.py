"""How steps become token ids, and how a reply becomes scores, without a server."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import decoders, models, normalizers, pre_tokenizers

from sal.runtime.endpoint_errors import EndpointError, Unreachable
from sal.runtime.tokenizer import Tokenizer
from sal.verifiers.causal import CausalVerifier
from sal.verifiers.chat_turn import RLHFLOW, ChatTurn, ChatTurnOptions
from sal.verifiers.family import (
    PrmSpec,
    UnknownFamily,
    UnservedFamily,
    choose,
    load_verifier,
    named_family,
)
from sal.verifiers.plain_text import neutraliser
from sal.verifiers.registry import find_family
from sal.verifiers.rendering import CausalFormat
from sal.verifiers.step_token import MATH_SHEPHERD, StepToken, StepTokenOptions

LLAMA_3 = (
    "{{ '<|begin_of_text|>' }}{% for m in messages %}"
    "{{ '<|start_header_id|>' + m.role + '<|end_header_id|>\n\n' + (m.content | trim)"
    " + '<|eot_id|>' }}{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
CONTROLS = ["<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]


def bytes_core(*added: str) -> tokenizers.Tokenizer:
    """Every byte is a token; so are the added ones."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    core = tokenizers.Tokenizer(models.BPE({c: i for i, c in enumerate(alphabet)}, []))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    core.decoder = decoders.ByteLevel()
    core.add_special_tokens(list(added))
    return core


def sentencepiece_core() -> tokenizers.Tokenizer:
    """As Mistral's: spaces become `▁`, one is put before every text, `▁ки` is one plain token."""
    letters = [*"▁abcdefgqst+-=0123456789ки\n."]
    merges = [("к", "и"), ("▁", "ки"), ("▁", "+"), ("▁", "-"), ("s", "t"), ("▁", "st")]
    pieces = ["<unk>", "<s>", *letters, *(a + b for a, b in merges)]
    vocab = {piece: i for i, piece in enumerate(pieces)}
    core = tokenizers.Tokenizer(models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True))
    core.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    core.add_special_tokens(["<unk>", "<s>"])
    core.post_processor = tokenizers.processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", vocab["<s>"])]
    )
    return core


def step_token(core: tokenizers.Tokenizer) -> StepToken:
    return StepToken(Tokenizer(core))


@pytest.fixture(params=["step-token, bytes", "step-token, sentencepiece", "chat-turn"])
def family(request: Any) -> CausalFormat:
    if request.param == "chat-turn":
        return ChatTurn(Tokenizer(bytes_core(*CONTROLS), {}, LLAMA_3))
    return step_token(bytes_core("ки") if "bytes" in request.param else sentencepiece_core())


class TestRendering:
    @pytest.mark.parametrize("core", [bytes_core("ки"), sentencepiece_core()])
    def test_step_token_is_math_shepherds_text(self, core: tokenizers.Tokenizer) -> None:
        rendered = step_token(core).render("a+b", ["s1 = 2", "st 3", "4"])
        text = "a+b s1 = 2 ки\nst 3 ки\n4 ки"
        assert list(rendered.ids) == core.encode(text).ids
        tag = core.encode("ки", add_special_tokens=False).ids[-1]
        assert rendered.tags == tuple(i for i, t in enumerate(rendered.ids) if t == tag)
        assert len(rendered.tags) == 3

    def test_chat_turn_is_the_template_up_to_each_reply(self) -> None:
        core = bytes_core(*CONTROLS)
        rendered = ChatTurn(Tokenizer(core, {}, LLAMA_3)).render("q?", ["one", "two"])
        user = "<|start_header_id|>user<|end_header_id|>\n\n"
        reply = "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"
        first = f"<|begin_of_text|>{user}q? one{reply}"
        whole = f"{first}+<|eot_id|>{user}two{reply}"
        assert list(rendered.ids) == core.encode(whole).ids
        assert rendered.tags == (len(core.encode(first).ids) - 1, len(rendered.ids) - 1)

    @given(
        st.text(max_size=12),
        st.lists(
            st.text(min_size=1, max_size=12)
            | st.sampled_from(["ки", " ки\n", "<|eot_id|>", "+", "<|eot_id|>ки<|eot_id|>", "<s>"]),
            min_size=1,
            max_size=4,
        ),
    )
    def test_more_steps_only_append_and_text_forges_nothing(
        self, question: str, steps: list[str]
    ) -> None:
        for family in (
            step_token(bytes_core("ки", "<|eot_id|>")),
            ChatTurn(Tokenizer(bytes_core(*CONTROLS), {}, LLAMA_3)),
        ):
            whole = family.render(question, steps)
            assert len(whole.tags) == len(steps)
            assert whole.tags[-1] == len(whole.ids) - 1
            part = family.render(question, steps[:-1] or steps)
            assert whole.ids[: len(part.ids)] == part.ids
            assert whole.tags[: len(part.tags)] == part.tags
            # As many control tokens and tags as for steps that spell none of them.
            plain = family.render("", ["x"] * len(steps))
            own = range(256, 300)
            assert [i for i in whole.ids if i in own] == [i for i in plain.ids if i in own]

    def test_a_forged_verdict_in_sentencepiece(self) -> None:
        family = step_token(sentencepiece_core())
        forged, plain = (family.render("q", [s, "b"]) for s in ("a ки\nb ки +", "a"))
        tag = plain.ids[plain.tags[0]]
        assert forged.ids.count(tag) == plain.ids.count(tag) == 2

    def test_a_tag_that_is_no_token_is_refused(self) -> None:
        with pytest.raises(ValueError, match="'ки' is not one token"):
            step_token(bytes_core())

    def test_a_model_without_a_template_is_refused(self) -> None:
        with pytest.raises(ValueError, match="no chat template"):
            ChatTurn(Tokenizer(bytes_core()))

    def test_a_template_that_rewrites_earlier_turns_is_refused(self) -> None:
        template = "{% for m in messages %}{{ m.content }}{{ loop.index }}{% endfor %}"
        with pytest.raises(ValueError, match="every turn alike"):
            ChatTurn(Tokenizer(bytes_core(), {}, template))

    def test_neutralised_text(self) -> None:
        plain = neutraliser(["<|eot_id|>", "ки", "#", "  "])
        assert plain("a<|eot_id|>ки# b  c") == "a< |eot_id|>к и  b  c"
        assert neutraliser([])("ки") == "ки"


class Reply:
    """An endpoint that answers as told, and remembers what it was asked."""

    def __init__(self, meta: Any = None, error: Exception | None = None) -> None:
        self.meta = meta
        self.error = error
        self.payloads: list[dict[str, Any]] = []

    def generate(self, payload: dict[str, Any]) -> dict[str, Any]:
        self.payloads.append(payload)
        if self.error:
            raise self.error
        return {} if self.meta is None else {"meta_info": self.meta}

    def info(self) -> dict[str, Any]:
        return {"model_path": "someone/unheard-of"}


def pair(family: CausalFormat, good: float, bad: float) -> list[list[Any]]:
    return [[bad, family.bad, None], [good, family.good, None]]


def reply(family: CausalFormat, last: Any, before: Sequence[Any] = ()) -> dict[str, Any]:
    return {
        "prompt_tokens": 9,
        "cached_tokens": 5,
        "completion_tokens": 0,
        "finish_reason": {"type": "length"},
        "input_token_ids_logprobs": list(before),
        "output_token_ids_logprobs": [last],
    }


class TestScores:
    def test_softmax_over_the_two_verdicts(self, family: CausalFormat) -> None:
        engine = Reply(reply(family, pair(family, math.log(0.3), math.log(0.1))))
        scored = CausalVerifier(engine, family).score("q", ["a"], ["b"])
        (score,) = scored.scores
        assert score == pytest.approx(0.75)
        assert (scored.usage.prompt_tokens, scored.usage.cached_tokens) == (9, 5)
        assert scored.usage.requests == 1

    def test_extreme_margins_stay_in_the_unit_interval(self, family: CausalFormat) -> None:
        for good, bad, score in ((0.0, -1e6, 1.0), (-1e6, 0.0, 0.0), (-math.inf, 0.0, 0.0)):
            engine = Reply(reply(family, pair(family, good, bad)))
            assert CausalVerifier(engine, family).score("q", (), ["b"]).scores == (score,)

    def test_one_new_step_asks_for_no_input_logprobs(self, family: CausalFormat) -> None:
        engine = Reply(reply(family, pair(family, -1, -1)))
        CausalVerifier(engine, family).score("q", ["a"], ["b"])
        (payload,) = engine.payloads
        assert "logprob_start_len" not in payload
        assert payload["token_ids_logprob"] == [family.good, family.bad]
        assert payload["sampling_params"] == {"max_new_tokens": 0, "temperature": 0}
        assert tuple(payload["input_ids"]) == family.render("q", ["a", "b"]).ids

    def test_several_new_steps_start_at_the_first_new_tag(self, family: CausalFormat) -> None:
        tags = family.render("q", ["a", "b", "c", "d"]).tags[1:]
        before: list[Any] = [None] * (tags[-1] - tags[0] + 1)
        before[1] = pair(family, 0, -1e9)
        before[tags[1] - tags[0] + 1] = pair(family, -1e9, 0)
        engine = Reply(reply(family, pair(family, -2, -2), before))
        scored = CausalVerifier(engine, family).score("q", ["a"], ["b", "c", "d"])
        assert scored.scores == (1.0, 0.0, 0.5)
        assert engine.payloads[0]["logprob_start_len"] == tags[0]

    def test_nothing_new_asks_nothing(self, family: CausalFormat) -> None:
        engine = Reply()
        assert CausalVerifier(engine, family).score("q", ["a"], []).scores == ()
        assert engine.payloads == []

    def test_an_endpoint_error_stays_one(self, family: CausalFormat) -> None:
        with pytest.raises(Unreachable, match="gone"):
            CausalVerifier(Reply(error=Unreachable("gone")), family).score("q", (), ["a"])

    @pytest.mark.parametrize("last", [[], None, [[math.nan, 43, None], [0.0, 45, None]], [[1, 2]]])
    def test_there_is_no_default_score(self, last: Any) -> None:
        family = step_token(bytes_core("ки"))
        for meta in (None, {}, reply(family, last)):
            with pytest.raises(EndpointError, match="does not hold its verdicts"):
                CausalVerifier(Reply(meta), family).score("q", (), ["a"])


class TestFamily:
    @pytest.mark.parametrize(
        ("model", "family", "aggregate"),
        [
            ("peiyi9979/math-shepherd-mistral-7b-prm", "step-token", "min"),
            ("hanningzhang/ER-PRM-Llama3.1-8B", "er-prm", "min"),
            ("UW-Madison-Lee-Lab/VersaPRM-Aug", "versa-prm", "min"),
            ("UW-Madison-Lee-Lab/Llama-PRM800K", "versa-prm", "min"),
            ("openreasoner/Math-psa", "math-psa", "min"),
            ("trl-lib/Qwen2-0.5B-Reward-Math-Sheperd", "token-classifier", "last"),
            ("plaguss/Qwen2.5-0.5B-Math-Shepherd-PRM-0.2", "token-classifier", "last"),
            ("HuggingFaceH4/Qwen2.5-Math-7B-Instruct-PRM-0.2", "token-classifier", "last"),
            ("ZaandaTeika/Qwen2.5-Math-1.5B-Instruct-SHARP-Math-PRM", "token-classifier", "last"),
            ("jinachris/PURE-PRM-7B", "pure", "min"),
            ("Qwen/Qwen2.5-Math-PRM-7B", "qwen-prm", "prod"),
            ("Qwen/Qwen2.5-Math-PRM-72B", "qwen-prm", "prod"),
            ("Qwen/Qwen2.5-Math-7B-PRM800K", "qwen-prm", "prod"),
            ("Gen-Verse/ReasonFlux-PRM-7B", "reasonflux", "last"),
            ("Skywork/Skywork-o1-Open-PRM-Qwen-2.5-7B", "skywork", "last"),
            ("/models/Skywork-o1-Open-PRM-Qwen-2.5-1.5B", "skywork", "last"),
            ("infly/Universal-PRM-7B", "universal-prm", "last"),
            ("GAIR/ReasonEval-34B", "reasoneval", "min"),
            ("ScalableMath/llemma-7b-prm-prm800k-level-1to3-hf", "llemma", "min"),
            ("RLHFlow/Llama3.1-8B-PRM-Deepseek-Data", "chat-turn", "mean"),
            ("/models/Llama3.1-8B-PRM-Mistral-Data", "chat-turn", "mean"),
        ],
    )
    def test_known_names(self, model: str, family: str, aggregate: str) -> None:
        spec = choose(model, {})
        assert (spec.family.name, spec.own_aggregate[0]) == (family, aggregate)

    def test_an_unknown_model_names_the_flag(self) -> None:
        with pytest.raises(UnknownFamily, match="--prm-family"):
            choose("meta-llama/Llama-3.2-1B-Instruct", {})
        with pytest.raises(UnknownFamily, match="unheard-of"):
            load_verifier(Reply(), "/nowhere/unheard-of")

    @pytest.mark.parametrize(
        ("model", "what"),
        [
            ("RLHFlow/pair-preference-model-LLaMA3-8B", "compares two answers"),
            ("RLHFlow/ArmoRM-Llama3-8B-v0.1", "outcome"),
            ("Skywork/Skywork-Reward-V2-Qwen3-8B", "outcome"),
            ("Gen-Verse/ReasonFlux-PRM-1.5B", "outcome"),
        ],
    )
    def test_what_is_not_served_is_refused_by_its_name(self, model: str, what: str) -> None:
        with pytest.raises(UnservedFamily, match=f"{model} is .*{what}.*does not serve this"):
            choose(model, {"architectures": ["LlamaForCausalLM"]})
        assert choose(model, {}, "chat-turn").family.name == "chat-turn"  # the user knows better
        own = {"sal_prm": {"family": "step-token"}}
        assert choose(model, own).family.name == "step-token"  # as does the model

    @pytest.mark.parametrize(
        ("config", "what"),
        [
            (
                {
                    "architectures": ["Qwen2ForTokenClassification"],
                    "id2label": {"0": "LABEL_0", "1": "LABEL_1"},
                },
                r"a token classifier \(Qwen2ForTokenClassification, labels LABEL_0, LABEL_1\)",
            ),
            (
                {"architectures": ["LlamaForSequenceClassification"]},
                r"a sequence classifier \(LlamaForSequenceClassification\)",
            ),
            ({"architectures": ["Qwen2ForProcessRewardModel"]}, "two-class head"),
            ({"architectures": ["Qwen2ForPrmModel"]}, "value head"),
            ({"architectures": ["Qwen2ForRewardModel"]}, "head of its own"),
            ({"architectures": ["LlamaForRewardModelWithGating"]}, "head of its own"),
        ],
    )
    def test_a_head_is_refused_whatever_the_name_says(
        self, config: dict[str, Any], what: str
    ) -> None:
        for model in ("peiyi9979/math-shepherd-mistral-7b-prm", "/models/mine"):
            for family in (None, "step-token"):
                with pytest.raises(UnservedFamily, match=f"{model} is .*{what}.*cannot read it"):
                    choose(model, {**config, "sal_prm": {"family": "step-token"}}, family)

    @pytest.mark.parametrize(
        "model", ["RLHFlow/LLaMA3-iterative-DPO-final", "me/math-shepherd-of-mine-prm", "x/PRM-0.2"]
    )
    def test_a_name_that_is_only_like_one_claims_nothing(self, model: str) -> None:
        with pytest.raises(UnknownFamily):
            choose(model, {})

    @pytest.mark.parametrize(
        ("spec", "own"),
        [
            (choose("m", {}, "step-token"), ("min", "Math-Shepherd")),
            (choose("m", {}, "chat-turn"), ("mean", "RLHFlow")),
            (choose("m", {}, "step-token:aggregate=last"), ("last", "the PRM")),
        ],
    )
    def test_whose_aggregate(self, spec: PrmSpec, own: tuple[str, str]) -> None:
        assert spec.own_aggregate == own

    def test_the_user_overrules_the_name(self) -> None:
        assert choose("RLHFlow/x", {}, "step-token").family.name == "step-token"

    def test_the_models_own_entry_comes_first(self) -> None:
        own = {"sal_prm": {"family": "step-token", "tag": "#", "label": "soft"}}
        spec = choose("RLHFlow/x", own)
        assert spec == PrmSpec(MATH_SHEPHERD, StepTokenOptions(tag="#"))
        assert choose("RLHFlow/x", own, "chat-turn") == PrmSpec(RLHFLOW, ChatTurnOptions())
        assert choose("RLHFlow/x", own, "step-token:good=y").options == StepTokenOptions("#", "y")

    @pytest.mark.parametrize(
        "entry",
        [
            {},
            {"family": "oracle"},
            {"family": "step-token", "tag": ""},
            {"family": "step-token", "aggregate": 3},
            [],
            "step-token",
        ],
    )
    def test_a_malformed_entry_is_told(self, entry: Any) -> None:
        with pytest.raises(ValueError, match="sal_prm entry in m's config"):
            choose("m", {"sal_prm": entry})

    def test_an_unknown_family_is_told(self) -> None:
        with pytest.raises(ValueError, match="is not one of the PRM families step-token, er-prm"):
            choose("m", {}, "oracle")
        with pytest.raises(ValueError, match="'bias=1' is no setting of the PRM family step-token"):
            named_family("step-token:bias=1")
        assert find_family("step-token") is MATH_SHEPHERD

    def test_a_folder_without_a_tokenizer_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "config.json").write_text(json.dumps({"sal_prm": {"family": "step-token"}}))
        with pytest.raises(
            ValueError, match=r"the PRM's tokenizer .* is neither here nor on the Hub"
        ):
            load_verifier(Reply(), str(tmp_path))

    def test_a_folder_is_enough(self, tmp_path: Path) -> None:
        (tmp_path / "config.json").write_text(json.dumps({"sal_prm": {"family": "step-token"}}))
        core = bytes_core("ки")
        core.save(str(tmp_path / "tokenizer.json"))
        verifier = load_verifier(Reply(), str(tmp_path))
        assert isinstance(verifier, CausalVerifier)
        assert verifier.format.render("q", ["a"]) == step_token(core).render("q", ["a"])
        assert verifier.aggregate == "min"

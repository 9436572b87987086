"""How a policy is asked: chat templates of every kind, a prompt of the user's, the thinking switch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from chat_templates import (
    ALTERNATING,
    DEEPSEEK_V3,
    GEMMA,
    LLAMA_3,
    QWEN_3,
    R1,
    SILENT,
    TEMPLATES,
    write_chat_model,
)
from runs_examples import recipe
from test_cli_run import Sal, sal

from sal.programs.problem import Problem
from sal.runs.errors import RunError
from sal.runs.problems import Question
from sal.runs.prompts import REVISE, Prompts
from sal.runs.recipe import Recipe, differences, read_recipe
from sal.runs.settings import Settings, prepare
from sal.runs.turns import Turn
from sal.runtime.tokenizer import Tokenizer

__all__ = ["sal"]  # a fixture

QUESTION = Question("q", "2 + 2?", "4")
TURNS = (Turn("user", "a?"), Turn("assistant", "b."), Turn("user", "c?"))
TALK = [turn.message() for turn in TURNS]


def asked(tokenizer: Tokenizer | None, question: Question = QUESTION, **said: Any) -> Problem:
    return Prompts(recipe(**said)).problem(question, tokenizer)


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("switch", [None, True, False])
def test_prompts_equal_those_of_transformers(
    name: str, switch: bool | None, tmp_path: Path
) -> None:
    from transformers import AutoTokenizer

    ours = write_chat_model(tmp_path, TEMPLATES[name])
    theirs = AutoTokenizer.from_pretrained(tmp_path)
    values = {} if switch is None else {"enable_thinking": switch, "thinking": switch}
    for messages in (TALK[:1], TALK):
        for reply in (True, False):
            expected = theirs.apply_chat_template(
                messages,
                tokenize=False,
                add_generation_prompt=reply,
                date_string="26 Jul 2024",
                **values,
            )
            assert ours.render(messages, reply=reply, thinking=switch) == expected


class TestSystemPrompt:
    def test_where_the_template_takes_one(self, tmp_path: Path) -> None:
        prompt = asked(write_chat_model(tmp_path, LLAMA_3), system_prompt="Be brief.").prompt
        assert prompt is not None
        assert "Be brief.<|eot_id|>" in prompt
        assert "user<|end_header_id|>\n\n2 + 2?<|eot_id|>" in prompt

    @pytest.mark.parametrize(
        ("template", "prompt"),
        [
            (
                GEMMA,
                "<bos><start_of_turn>user\nBe brief.\n\n2 + 2?<end_of_turn>\n<start_of_turn>model\n",
            ),
            (SILENT, "<bos>[INST] Be brief.\n\n2 + 2? [/INST]"),
        ],
    )
    def test_where_it_refuses_one_or_leaves_it_out(
        self, template: str, prompt: str, tmp_path: Path
    ) -> None:
        tokenizer = write_chat_model(tmp_path, template)
        assert asked(tokenizer, system_prompt="Be brief.").prompt == prompt
        assert asked(tokenizer).prompt == prompt.replace("Be brief.\n\n", "")
        turns = (Turn("system", "Be brief."), *TURNS)
        talk = asked(tokenizer, Question("q", "c?", "4", turns)).prompt
        assert talk is not None
        assert talk.index("Be brief.\n\na?") < talk.index("b.") < talk.index("c?")

    def test_a_template_that_takes_no_question_is_refused_before_one_is_sent(
        self, tmp_path: Path
    ) -> None:
        tokenizer = write_chat_model(tmp_path, ALTERNATING)
        with pytest.raises(RunError, match="policy: its chat template takes no question: no"):
            Prompts(recipe(system_prompt="Be brief.")).check(tokenizer)


class TestBaseModel:
    def test_is_asked_the_bare_question(self, tmp_path: Path) -> None:
        for tokenizer in (write_chat_model(tmp_path, ""), None):
            assert asked(tokenizer, system_prompt="Be brief.").prompt == "2 + 2?\n\n"

    def test_or_what_a_prompt_template_makes_of_it(self, tmp_path: Path) -> None:
        template = "Q: 1? A: \\boxed{1}\n\nQ: {question}\n\nA:"
        for tokenizer in (write_chat_model(tmp_path, ""), None):
            problem = asked(tokenizer, prompt_template=template)
            assert problem.prompt == "Q: 1? A: \\boxed{1}\n\nQ: 2 + 2?\n\nA:"
            assert problem.question == "2 + 2?"  # what a PRM is told, and seeds derive from

    def test_of_a_chat_model_it_makes_the_users_turn(self, tmp_path: Path) -> None:
        tokenizer = write_chat_model(tmp_path, GEMMA)
        prompt = asked(tokenizer, prompt_template="{question} Think.").prompt
        assert (
            prompt == "<bos><start_of_turn>user\n2 + 2? Think.<end_of_turn>\n<start_of_turn>model\n"
        )


class TestThinking:
    def test_a_template_that_opens_the_reasoning(self, tmp_path: Path) -> None:
        problem = asked(write_chat_model(tmp_path, R1))
        assert problem.prompt == "<bos><|User|>2 + 2?<|Assistant|><think>\n"
        assert problem.revision == f"<eos><|User|>{REVISE}<|Assistant|><think>\n"

    @pytest.mark.parametrize(
        ("template", "switch", "ends"),
        [
            (QWEN_3, None, "<|im_start|>assistant\n"),
            (QWEN_3, True, "<|im_start|>assistant\n"),
            (QWEN_3, False, "<|im_start|>assistant\n<think>\n\n</think>\n\n"),
            (DEEPSEEK_V3, None, "<|Assistant|></think>"),
            (DEEPSEEK_V3, True, "<|Assistant|><think>"),
            (DEEPSEEK_V3, False, "<|Assistant|></think>"),
        ],
    )
    def test_a_template_with_a_switch(
        self, template: str, switch: bool | None, ends: str, tmp_path: Path
    ) -> None:
        tokenizer = write_chat_model(tmp_path, template)
        problem = asked(tokenizer, thinking=switch)
        for text in (problem.prompt, problem.revision):
            assert text is not None
            assert text.endswith(ends)
        assert Prompts(recipe(thinking=switch)).check(tokenizer) == []

    @pytest.mark.parametrize("template", [R1, LLAMA_3, ""])
    @pytest.mark.parametrize("flag", ["--thinking", "--no-thinking"])
    def test_a_switch_that_is_not_there_is_refused(
        self, template: str, flag: str, tmp_path: Path
    ) -> None:
        prompts = Prompts(recipe(thinking=flag == "--thinking"))
        with pytest.raises(RunError, match=f"^{flag}: the policy has no chat template with"):
            prompts.check(write_chat_model(tmp_path, template))

    @pytest.mark.parametrize("name", ["think_budget", "think_extensions"])
    def test_a_policy_whose_reasoning_is_not_seen_is_told_of(
        self, name: str, tmp_path: Path
    ) -> None:
        forcing = Prompts(recipe(params={"budget": 4, name: 2}))
        for template in (R1, QWEN_3):
            assert forcing.check(write_chat_model(tmp_path, template)) == []
        (note,) = forcing.check(write_chat_model(tmp_path, LLAMA_3))
        assert "neither its template nor its vocabulary has a reasoning section" in note
        (note,) = forcing.check(write_chat_model(tmp_path, R1, hides_tags=True))
        assert "<think> is a token that no text shows" in note
        assert Prompts(recipe()).check(write_chat_model(tmp_path, LLAMA_3)) == []


@pytest.mark.parametrize(
    ("template", "end"),
    [
        (LLAMA_3, "<|eot_id|>"),
        (GEMMA, "<end_of_turn>"),
        (QWEN_3, "<|im_end|>"),
        (R1, "<eos>"),
        (SILENT, "<eos>"),
        ("", None),
        ("{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}", None),
    ],
)
def test_the_token_that_ends_a_reply(template: str, end: str | None, tmp_path: Path) -> None:
    tokenizer = write_chat_model(tmp_path, template)
    assert tokenizer.reply_end == (None if end is None else tokenizer.encode(end)[0])


class TestSaid:
    def recipe(self, **said: Any) -> Recipe:
        return prepare(Settings(strategy="beam", params={}, limit=2, **said), gpu=False).recipe

    def test_a_run_from_before_these_flags_is_the_same(self, tmp_path: Path) -> None:
        plain, said = (
            self.recipe(),
            self.recipe(thinking=False, prompt_template="Q: {question}\nA:"),
        )
        assert not {"thinking", "prompt_template"} & plain.flat().keys()
        assert differences(plain, said) == ["prompt_template", "thinking"]
        (tmp_path / "recipe.yaml").write_text(said.dump())
        assert read_recipe(tmp_path / "recipe.yaml").digest == said.digest
        lines = plain.dump().splitlines()
        old = [ln for ln in lines if not ln.startswith(("thinking:", "prompt_template:"))]
        assert len(lines) - len(old) == 2
        (tmp_path / "recipe.yaml").write_text("\n".join(old))
        assert read_recipe(tmp_path / "recipe.yaml").digest == plain.digest

    def test_a_template_without_a_place_for_the_question(self, sal: Sal) -> None:
        said = sal("run", "beam", "--limit", "2", "--prompt-template", "Q: {}")
        reason = "--prompt-template must hold {question}, where the question stands"
        assert said == (2, "", f"sal: {reason}\n")

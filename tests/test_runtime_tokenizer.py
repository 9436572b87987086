"""Ids and chat prompts equal those of transformers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from tokenizers import decoders, models, pre_tokenizers, processors

from sal.runtime.default_models import default_models
from sal.runtime.tokenizer import Tokenizer

TEMPLATE = (
    "{{- bos_token }}{%- for message in messages %}\n"
    "    {%- if message['role'] == 'tool' %}{{ raise_exception('role') }}{% endif %}"
    "<|{{ message['role'] }}|>{{ message['content'] | trim }}<eos>\n{% endfor %}"
    "{%- if not date_string is defined %}{% set date_string = strftime_now('%d %b %Y') %}"
    "{% endif %}"
    "{{ date_string }}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


@pytest.fixture(params=["inline", "file", "named"])
def folder(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A byte-level tokenizer that starts a prompt with bos, with a chat template."""
    vocab = {char: i for i, char in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    core = tokenizers.Tokenizer(models.BPE(vocab=vocab, merges=[]))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    core.decoder = decoders.ByteLevel()
    core.add_special_tokens(["<bos>", "<eos>"])
    core.post_processor = processors.TemplateProcessing(
        single="<bos> $A", special_tokens=[("<bos>", core.token_to_id("<bos>"))]
    )
    core.save(str(tmp_path / "tokenizer.json"))
    config: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": {"content": "<bos>", "__type": "AddedToken", "special": True},
        "eos_token": "<eos>",
    }
    if request.param == "inline":
        config["chat_template"] = TEMPLATE
    elif request.param == "named":
        config["chat_template"] = [{"name": "default", "template": TEMPLATE}]
    else:
        (tmp_path / "chat_template.jinja").write_text(TEMPLATE)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    return tmp_path


def test_the_ids_belong_to_whoever_asked_for_them(folder: Path) -> None:
    """Texts are remembered; `StepToken` appends to the ids that it gets."""
    tokenizer = Tokenizer.load(str(folder))
    assert tokenizer is not None
    ids = tokenizer.encode("a step")
    whole = list(ids)
    ids.append(1)
    assert tokenizer.encode("a step") == whole


TEXTS = ["What is 2 + 2?\n\n", " leading", "é ∑ 漢", "<bos>already there", ""]


def test_prompts_and_chats_equal_transformers(folder: Path) -> None:
    from transformers import AutoTokenizer

    theirs = AutoTokenizer.from_pretrained(folder)
    ours = Tokenizer.load(str(folder))
    assert ours is not None
    for text in TEXTS:
        assert ours.encode(text) == theirs.encode(text, add_special_tokens=False)
    for text in ("What is 2 + 2?\n\n", " leading", ""):
        assert ours.encode(text, special=True) == theirs.encode(text)
        assert ours.decode(ours.encode(text, special=True)) == text
    for system in (None, " Be brief. "):
        messages = [{"role": "system", "content": system}] if system else []
        messages.append({"role": "user", "content": "2 + 2?"})
        expected = theirs.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True, date_string="26 Jul 2024"
        )
        assert ours.chat("2 + 2?", system) == expected


def test_what_stands_between_replies_is_the_templates_own(folder: Path) -> None:
    from transformers import AutoTokenizer

    ours, theirs = Tokenizer.load(str(folder)), AutoTokenizer.from_pretrained(folder)
    assert ours is not None
    messages = [{"role": "user", "content": "2 + 2?"}]
    prompt = ours.chat("2 + 2?")
    between = ours.between_replies("Again.")
    assert between == "<eos>\n<|user|>Again.<eos>\n26 Jul 2024<|assistant|>"
    messages += [{"role": "assistant", "content": "5"}, {"role": "user", "content": "Again."}]
    expected = theirs.apply_chat_template(
        messages, tokenize=False, add_generation_prompt=True, date_string="26 Jul 2024"
    )
    # This template has the date before every reply; all else is the conversation's own text.
    assert f"{prompt}5{between}".replace("26 Jul 2024", "", 1) == expected


@pytest.mark.parametrize(
    "template",
    [
        "{% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}",
        "{% for m in messages %}{{ m.content | upper }}{% endfor %}",
        "{% if messages | length > 2 %}{{ raise_exception('one turn') }}{% endif %}",
    ],
    ids=["without replies", "changed replies", "one turn"],
)
def test_a_template_that_shows_no_reply(folder: Path, template: str) -> None:
    (folder / "chat_template.jinja").write_text(template)
    tokenizer = Tokenizer.load(str(folder))
    assert tokenizer is not None
    assert tokenizer.between_replies("Again.") is None


def test_a_rendered_chat_gets_no_second_bos(folder: Path) -> None:
    tokenizer = Tokenizer.load(str(folder))
    assert tokenizer is not None
    prompt = tokenizer.chat("2 + 2?")
    assert prompt is not None
    assert prompt.startswith("<bos>")
    assert tokenizer.encode(prompt, special=True) == tokenizer.encode(prompt)


def test_no_template_no_chat(folder: Path) -> None:
    (folder / "chat_template.jinja").unlink(missing_ok=True)
    (folder / "tokenizer_config.json").write_text("{}")
    tokenizer = Tokenizer.load(str(folder))
    assert tokenizer is not None
    assert tokenizer.chat("2 + 2?") is None
    assert tokenizer.between_replies("Again.") is None


def test_no_tokenizer_file_no_tokenizer(tmp_path: Path) -> None:
    assert Tokenizer.load(str(tmp_path)) is None


def test_the_tiny_tokenizer_equals_transformers() -> None:
    from transformers import AutoTokenizer

    policy, _ = default_models(None, None)
    if policy is None:
        pytest.skip("this checkout has no tiny weights")
    theirs = AutoTokenizer.from_pretrained(policy)
    ours = Tokenizer.load(policy)
    assert ours is not None
    for text in ("(3 + 4) * 5 = ?\n\n", "3 + 4 = 7\n\n"):
        assert ours.encode(text, special=True) == theirs.encode(text)
        assert ours.encode(text) == theirs.encode(text, add_special_tokens=False)
        assert ours.decode(ours.encode(text)) == text

"""The two servers as a run uses them."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from runs_examples import recipe

from sal.runs.endpoints import RunEndpoints
from sal.runs.problems import Question
from sal.runs.prompts import REVISE
from sal.runs.turns import Turn
from sal.runtime.model_cost import model_cost
from sal.runtime.plan import Plan
from sal.runtime.session import Servers
from sal.runtime.tokenizer import Tokenizer
from sal.runtime.warm_servers import WarmServers
from sal.tiny.paths import POLICY

pytestmark = pytest.mark.servers

QUESTION = Question("q", "Let p=12, q=p+4. Find q.", "16")
TEMPLATE = (
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}</{{ m.role }}>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


@pytest.fixture
def with_template(tmp_path: Path) -> Tokenizer:
    """The tiny policy's tokenizer as a chat model has it."""
    shutil.copy(POLICY / "tokenizer.json", tmp_path)
    config = json.loads((POLICY / "tokenizer_config.json").read_text())
    (tmp_path / "tokenizer_config.json").write_text(
        json.dumps({**config, "chat_template": TEMPLATE})
    )
    tokenizer = Tokenizer.load(str(tmp_path))
    assert tokenizer is not None
    return tokenizer


@pytest.mark.parametrize(
    ("system_prompt", "prompt"),
    [
        ("Think.", f"<system>Think.</system><user>{QUESTION.text}</user><assistant>"),
        (None, f"<user>{QUESTION.text}</user><assistant>"),
    ],
)
def test_a_policy_with_a_chat_template_gets_it(
    policy_server: str,
    tmp_path: Path,
    with_template: Tokenizer,
    system_prompt: str | None,
    prompt: str,
) -> None:
    with Servers(Plan({}, {"policy": policy_server}), WarmServers(tmp_path)) as servers:
        endpoints = RunEndpoints(servers, recipe(prm=None, system_prompt=system_prompt))
        plain = endpoints.problem(QUESTION)
        assert plain.prompt is not None
        assert QUESTION.text in plain.prompt
        assert "Think." not in plain.prompt  # the tiny policy has none
        assert plain.revision == f"\n\n{QUESTION.text}\n\n"
        endpoints.backend.tokenizer = with_template
        problem = endpoints.problem(QUESTION)
        assert problem.prompt == prompt
        assert problem.revision == f"</assistant><user>{REVISE}</user><assistant>"


def test_a_conversation_is_rendered_and_its_own_system_turn_wins(
    policy_server: str, tmp_path: Path, with_template: Tokenizer
) -> None:
    turns = (Turn("user", "p?"), Turn("assistant", "12"), Turn("user", "q?"))
    talk = Question("q", "p?\n\n12\n\nq?", "16", turns)
    said = "<user>p?</user><assistant>12</assistant><user>q?</user><assistant>"
    with Servers(Plan({}, {"policy": policy_server}), WarmServers(tmp_path)) as servers:
        endpoints = RunEndpoints(servers, recipe(prm=None, system_prompt="Think."))
        assert (
            endpoints.problem(talk).prompt == f"{talk.text}\n\n"
        )  # the tiny policy has no template
        endpoints.backend.tokenizer = with_template
        assert endpoints.problem(talk).prompt == f"<system>Think.</system>{said}"
        own = replace(talk, turns=(Turn("system", "Be brief."), *turns))
        assert endpoints.problem(own).prompt == f"<system>Be brief.</system>{said}"
        endpoints = RunEndpoints(servers, recipe(prm=None))
        endpoints.backend.tokenizer = with_template
        assert endpoints.problem(talk).prompt == said


def test_the_policys_server_says_how_much_it_runs_at_a_time(
    policy_server: str, tmp_path: Path
) -> None:
    with Servers(Plan({}, {"policy": policy_server}), WarmServers(tmp_path)) as servers:
        endpoints = RunEndpoints(servers, recipe(prm=None))
        assert endpoints.capacity is not None
        assert endpoints.capacity >= 64
        assert endpoints.models == {"policy": model_cost(POLICY)}

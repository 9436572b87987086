"""What a status means, and what becomes of keys, headers and proxies."""

from __future__ import annotations

from pathlib import Path

import pytest

from sal.runtime import model_files
from sal.runtime.access import Access, AccessError, check_url, proxy_for, read_access
from sal.runtime.endpoint_errors import (
    Denied,
    EndpointError,
    Failing,
    Missing,
    Overloaded,
    Rejected,
    error_of,
)
from sal.runtime.launch import _environment
from sal.runtime.plan import PlanError, make_plan
from sal.runtime.tokenizer import Tokenizer

KEY = "sk-marker-1234"


@pytest.mark.parametrize(
    ("statuses", "kind"),
    [
        ((400, 409, 413, 415, 422), Rejected),
        ((401, 403, 407), Denied),
        ((301, 302, 307, 404, 405), Missing),
        ((408, 425, 429, 502, 503, 504), Overloaded),
        ((500, 501, 507, 520), Failing),
    ],
)
def test_what_a_status_means(statuses: tuple[int, ...], kind: type[EndpointError]) -> None:
    assert [error_of(status) for status in statuses] == [kind] * len(statuses)


def test_secrets_are_sent_and_not_shown() -> None:
    access = Access(KEY, ("X-Auth: Basic dXNlcg==", "X-Flag: 1"), "prm")
    assert access.lines()[0] == f"Authorization: Bearer {KEY}"
    assert access.lines()[1:] == list(access.headers)
    assert KEY not in repr(access)
    assert "dXNlcg" not in repr(access)
    said = f"no {KEY}, no Basic dXNlcg==, no dXNlcg== at port 31"
    assert access.scrub(said) == "no [hidden], no [hidden], no [hidden] at port 31"
    assert "SAL_PRM_KEY" in access.remedy()


@pytest.mark.parametrize(
    ("key", "headers"),
    [
        (f"{KEY} b", []),
        (f"{KEY}\r\nX: y", []),
        ("", [KEY]),
        ("", [f"X: {KEY}\x00"]),
        (f"@/no/such/{KEY[:2]}", []),
    ],
)
def test_what_cannot_be_sent_is_refused_without_being_shown(key: str, headers: list[str]) -> None:
    with pytest.raises(AccessError, match="--policy-key") as caught:
        read_access("policy", key, headers)
    assert KEY not in str(caught.value)


def test_a_file_holds_a_key_or_many_headers(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{KEY}\n")
    (tmp_path / "headers").write_text("A: 1\n\nB: 2\n")
    access = read_access("prm", f"@{tmp_path / 'key'}", [f"@{tmp_path / 'headers'}", "C: 3"])
    assert (access.key, access.headers) == (KEY, ("A: 1", "B: 2", "C: 3"))


@pytest.mark.parametrize("url", [f"http://me:{KEY}@host/v1", f"http://host/?key={KEY}"])
def test_a_url_holds_no_secret(url: str) -> None:
    with pytest.raises(AccessError, match="http://host/") as caught:
        check_url(url)
    assert KEY not in str(caught.value)


def test_a_key_for_a_server_of_ours_is_refused(tmp_path: Path) -> None:
    from conftest import CPU_ONLY

    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(PlanError, match="needs no key") as caught:
        make_plan(CPU_ONLY, str(tmp_path), None, policy_args=[f"--api-key {KEY}"])
    assert KEY not in str(caught.value)


def test_our_servers_are_not_told_keys_and_reach_themselves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SAL_POLICY_KEY", KEY)
    monkeypatch.setenv("NO_PROXY", "other")
    env = _environment({})
    assert KEY not in env.values()
    assert env["NO_PROXY"] == "other,127.0.0.1,localhost,::1"


def test_no_proxy_for_this_machine_nor_for_who_is_excepted(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://proxy:3128")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "excepted.org")
    here = ("http://127.0.0.1:1", "http://127.8.0.1", "https://localhost:1", "http://[::1]:3000")
    for url in (*here, "http://excepted.org:30000/a"):
        assert proxy_for(url) == ""
    for url in ("http://host:30000", "https://host/prefix"):
        assert proxy_for(url) == "http://proxy:3128"


def test_the_hub_is_asked_once_and_not_at_all_for_another_machines_folder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    def gone(request: object, timeout: float) -> None:
        asked.append(timeout)
        raise OSError("no route")

    monkeypatch.setattr("urllib.request.urlopen", gone)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    model_files._hub_answers.cache_clear()
    assert Tokenizer.load("/srv/models/of/another/machine") is None
    assert asked == []
    for _ in range(2):
        assert Tokenizer.load("nobody/has-this-model") is None
    assert asked == [3.0]
    model_files._hub_answers.cache_clear()

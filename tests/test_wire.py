"""Runs against servers as people have them: behind a gateway that answers what it should not."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import psutil
import pytest
from conftest import CPU_ONLY
from runs_gateway import (
    LOGIN,
    Fault,
    Gateway,
    changed,
    closed,
    closed_in_the_body,
    cut,
    dripping,
    says,
)
from runs_terminal import SAL, environment, records

from sal.cli.main import main
from sal.runtime import client, hardware, retries
from sal.runtime.access import Access
from sal.runtime.client import Engine
from sal.runtime.endpoint_errors import Denied, Misread, Unreachable
from sal.runtime.wire import Wire

pytestmark = pytest.mark.servers

KEY = "sk-marker-5d1f0c9b"
HEADER = "x-tenant-marker-77aa"

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def fronts(policy_server: str, prm_server: str) -> Iterator[tuple[Gateway, Gateway]]:
    with Gateway(policy_server) as policy, Gateway(prm_server) as prm:
        yield policy, prm


def wait_for_replies(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Have every request wait so long for its reply."""
    defaults = Wire.__init__.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "deadline_s", seconds)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """`sal run ...` into tmp_path/run with short patience; its exit code and stderr."""
    monkeypatch.setattr(hardware, "detect", lambda: CPU_ONLY)
    monkeypatch.setenv("SAL_STATE", str(tmp_path / "state"))
    wait_for_replies(monkeypatch, 6.0)
    monkeypatch.setattr(retries, "_FAILING_LIMIT_S", 6.0)
    monkeypatch.setattr(client, "_INFO_LIMIT_S", 10.0)

    def run(policy: str, prm: str, *words: str) -> tuple[int, str]:
        target = [] if "--resume" in words else ["--out", str(tmp_path / "run")]
        asked = ["run", "best-of-n", "--budget", "4", "--limit", "3", *target]
        with pytest.raises(SystemExit) as end:
            main([*asked, "--policy", policy, "--prm", prm, *words])
        code = end.value.code
        assert isinstance(code, int)
        return code, capsys.readouterr().err

    return run


def without(*path: str) -> Fault:
    """The reply without a field."""

    def change(reply: dict[str, Any]) -> None:
        for name in path[:-1]:
            reply = reply[name]
        reply.pop(path[-1], None)

    return changed(change)


def meta(**fields: Any) -> Fault:
    return changed(lambda reply: reply["meta_info"].update(fields))


def empty_texts(reply: dict[str, Any]) -> None:
    if reply["meta_info"]["completion_tokens"] > 1:
        reply["text"] = ""


def with_nan(reply: dict[str, Any]) -> None:
    for name in ("output_token_ids_logprobs", "input_token_ids_logprobs"):
        for place in reply["meta_info"].get(name) or ():
            for entry in place or ():
                entry[0] = float("nan")


ANY_PATH: dict[str, tuple[Fault, str]] = {
    "login": (says(LOGIN), r"answered 200 \(text/html\).*no whole JSON: '<!doctype html> <html>"),
    "error": (says({"error": "no such model"}), r"""no \w+: '\{"error": "no such model"\}'"""),
    "null": (says(None), "no JSON object: 'null'"),
    "list": (says([{"text": "a"}]), r"""no JSON object: '\[\{"text": "a"\}\]'"""),
    "cut": (cut, "no whole JSON: '{"),
    "401": (says({"error": "Unauthorized"}, 401), r"HTTP 401: Unauthorized \(.*_KEY"),
    "404": (says({"detail": "Not Found"}, 404), "HTTP 404: Not Found"),
    "302": (says(b"moved", 302, Location="http://127.0.0.1:9/login"), "HTTP 302"),
}
GENERATE: dict[str, tuple[Fault, str]] = {
    "no meta_info": (without("meta_info"), "no meta_info"),
    "no finish_reason": (meta(finish_reason=None), "finish_reason is absent"),
    "a string": (meta(finish_reason="stop"), "finish_reason is 'stop', not an object"),
    "NaN": (says(LOGIN.replace(b"<", b"NaN")), "no whole JSON"),
    "no text": (without("text"), "no text"),
    "empty text": (changed(empty_texts), "2 tokens were generated, and their text is empty"),
}
PRM = {k: v for k, v in GENERATE.items() if "text" not in k}
OLDER_PATH = ("404", "302")
"""Then /get_model_info is asked, as routers want it."""

AT_THE_START = [
    *[("policy", "/model_info", kind) for kind in ANY_PATH if kind not in OLDER_PATH],
    *[("policy", "/server_info", kind) for kind in ("login", "null", "list", "cut")],
    *[("policy", "/generate", kind) for kind in (*ANY_PATH, *GENERATE)],
    *[("prm", "/model_info", kind) for kind in ANY_PATH if kind not in OLDER_PATH],
    *[("prm", "/generate", kind) for kind in (*ANY_PATH, *PRM)],
]


@pytest.mark.parametrize(("role", "path", "kind"), AT_THE_START)
def test_what_is_no_reply_of_sglangs_is_refused_at_the_start(
    role: str, path: str, kind: str, fronts: tuple[Gateway, Gateway], run: Run, tmp_path: Path
) -> None:
    policy, prm = fronts
    fault, words = (ANY_PATH | GENERATE)[kind]
    front = policy if role == "policy" else prm
    front.faults[path] = fault
    code, err = run(policy.url, prm.url)
    assert code == 2
    assert err.count("\n") == 1, err
    assert err.startswith(f"sal: --{role} {front.url}: ")
    assert front.url + path in err.split(": ", 2)[2]
    assert re.search(words, err), err
    assert not (tmp_path / "run").exists()


MIDDLE: dict[str, tuple[str, Fault, str]] = {
    **{f"policy {k}": ("policy", *v) for k, v in ANY_PATH.items()},
    **{f"policy {k}": ("policy", *v) for k, v in GENERATE.items() if "empty" not in k},
    **{f"prm {k}": ("prm", *v) for k, v in (ANY_PATH | PRM).items()},
    "prm null logprobs": ("prm", changed(with_nan), "no whole JSON"),
    "prm no logprobs": (
        "prm",
        without("meta_info", "output_token_ids_logprobs"),
        "does not hold its verdicts",
    ),
    "policy 500": ("policy", says({"error": "CUDA out of memory"}, 500), "500: CUDA out of memory"),
    "prm 500": ("prm", says({"error": "CUDA out of memory"}, 500), "500: CUDA out of memory"),
    "policy 503": ("policy", says({"error": "queue is full"}, 503), "503: queue is full"),
    "policy 429": (
        "policy",
        says({"error": "slow down"}, 429, Retry_After="1"),
        r"429: slow down \(it asks to wait 1 s\)",
    ),
    "prm 429, long": (
        "prm",
        says({"error": "slow down"}, 429, Retry_After="3600"),
        r"429: slow down \(it asks to wait 3600 s\)",
    ),
    "policy closed": ("policy", closed, "Empty reply"),
    "prm closed": ("prm", closed, "Empty reply"),
    "policy closed in the body": ("policy", closed_in_the_body, "bytes missing|transfer closed"),
    "policy dripping": ("policy", dripping, "gave no answer in time"),
}
RETRIED = ("policy 500", "prm 500", "policy 503", "policy 429", "policy closed", "prm closed")


@pytest.mark.parametrize("kind", MIDDLE)
def test_a_fault_in_the_middle_stops_the_run_which_goes_on_when_it_is_mended(
    kind: str,
    fronts: tuple[Gateway, Gateway],
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    role, fault, words = MIDDLE[kind]
    policy, prm = fronts
    front = policy if role == "policy" else prm
    front.faults["/generate"] = fault
    front.first = 3 if role == "policy" else 2  # one is that of the start
    code, err = run(policy.url, prm.url)
    assert code == 1, err
    assert "Traceback" not in err
    assert re.search(words, err), err
    if kind in RETRIED:
        name = "PRM" if role == "prm" else role
        assert re.search(rf"{name}: trying \d+ requests? again for \ds, \ds more at most: ", err)
        assert "answers again" not in err
    *_, said, command = err.rstrip().splitlines()
    assert said == "resume with"
    folder = tmp_path / "run"
    assert all(record["row"]["error"] is None for record in records(folder, "problem"))
    assert json.loads((folder / "summary.json").read_text())["failed"] == 0

    front.faults.clear()
    wait_for_replies(monkeypatch, 60.0)  # a busy machine is no fault
    with pytest.raises(SystemExit) as end:
        main(shlex.split(command)[1:])
    assert end.value.code == 0
    rows = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
    assert [len(row["completions"]) for row in rows] == [4, 4, 4]


@pytest.mark.parametrize("kind", ["policy login", "policy cut", "prm cut", "prm null logprobs"])
def test_one_damaged_reply_among_good_ones_is_asked_for_again(
    kind: str, fronts: tuple[Gateway, Gateway], run: Run, tmp_path: Path
) -> None:
    role, fault, _ = MIDDLE[kind]
    policy, prm = fronts
    front = policy if role == "policy" else prm
    front.faults["/generate"] = fault
    front.first, front.times = 3, 1
    code, err = run(policy.url, prm.url)
    assert code == 0, err
    assert "trying" not in err  # not worth a word


@pytest.mark.parametrize("after", ["1", None], ids=["seconds", "date"])
def test_a_server_is_asked_again_when_it_said(
    after: str | None, fronts: tuple[Gateway, Gateway]
) -> None:
    policy, _ = fronts
    # A date has whole seconds: two from now are at least one.
    wait = after or formatdate(time.time() + 2, usegmt=True)
    policy.faults["/generate"] = says({"error": "slow down"}, 429, Retry_After=wait)
    policy.times = 1
    asked = {"text": "1", "sampling_params": {"max_new_tokens": 1}}
    with Engine(policy.url) as engine:
        began = time.monotonic()
        engine.generate(asked)
        assert time.monotonic() - began >= 0.9
    assert policy.seen == ["/generate"] * 2


def test_a_prompt_that_is_too_long_is_its_problems_failure_alone(
    fronts: tuple[Gateway, Gateway], run: Run, tmp_path: Path
) -> None:
    rows = [
        {"question": "Let p=12, q=p+4, r=q+p. Find r.", "answer": "28"},
        {"question": "Let p=1. " * 2000, "answer": "1"},
    ]
    problems = tmp_path / "rows.jsonl"
    problems.write_text("".join(json.dumps(row) + "\n" for row in rows))
    policy, prm = fronts
    code, err = run(policy.url, prm.url, "--dataset", str(problems))
    assert code == 1
    assert "sal: 1 of 2 problems failed; search them again" in err


def test_a_solution_written_whole_needs_no_matched_and_a_step_does(
    fronts: tuple[Gateway, Gateway], run: Run, tmp_path: Path
) -> None:
    policy, prm = fronts

    def strip(reply: dict[str, Any]) -> None:
        reply["meta_info"]["finish_reason"].pop("matched", None)

    policy.faults["/generate"] = changed(strip)
    code, err = run(policy.url, prm.url)
    assert code == 0, err
    shutil.rmtree(tmp_path / "run")
    words = ["run", "beam", "--budget", "4", "--limit", "3", "--out", str(tmp_path / "run")]
    with pytest.raises(SystemExit) as end:
        main([*words, "--policy", policy.url, "--prm", prm.url])
    assert end.value.code == 1
    assert records(tmp_path / "run", "problem") == []


@pytest.fixture
def guarded(policy_server: str, prm_server: str) -> Iterator[tuple[Gateway, Gateway]]:
    """Both want a key and a header, below a path."""
    wants = {"Authorization": f"Bearer {KEY}", "X-Tenant": HEADER}
    with (
        Gateway(policy_server, prefix="/team/policy", wants=wants) as policy,
        Gateway(prm_server, prefix="/team/prm", wants=wants) as prm,
    ):
        yield policy, prm


def test_a_missing_key_is_told_with_the_flag_that_helps(
    guarded: tuple[Gateway, Gateway], run: Run
) -> None:
    policy, prm = guarded
    code, err = run(policy.url, prm.url)
    assert code == 2
    assert "SAL_POLICY_KEY, or give --policy-key KEY or --policy-key @FILE" in err
    code, err = run(policy.url, prm.url, "--policy-key", "sk-marker-wrong")
    assert code == 2
    assert "the key given was not accepted" in err
    assert "bad key [hidden]" in err or "bad key Bearer [hidden]" in err
    assert "sk-marker-wrong" not in err


@pytest.mark.parametrize("given", ["environment", "file", "flag"])
def test_keys_and_headers_reach_the_servers_and_nothing_else(
    given: str, guarded: tuple[Gateway, Gateway], tmp_path: Path
) -> None:
    """Nowhere on disk, in the output, or in the process list; the run is cut short and resumed."""
    policy, prm = guarded
    env = environment(tmp_path / "state") | {"SAL_DEBUG": "1", "PYTHONFAULTHANDLER": "1"}
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "key").write_text(KEY + "\n")
    (secrets / "headers").write_text(f"X-Tenant: {HEADER}\n")
    words: list[str] = []
    if given == "environment":
        env |= {"SAL_POLICY_KEY": KEY, "SAL_PRM_KEY": KEY}
    for role in ("policy", "prm"):
        if given == "flag":
            words += [f"--{role}-key", KEY, f"--{role}-header", f"X-Tenant: {HEADER}"]
        else:
            words += [f"--{role}-header", f"@{secrets / 'headers'}"]
            words += [f"--{role}-key", f"@{secrets / 'key'}"] if given == "file" else []
    work = tmp_path / "work"
    work.mkdir()
    prm.faults["/generate"] = says({"error": f"no {KEY} {HEADER}"}, 404)
    prm.first = 4
    asked = [SAL, "run", "best-of-n", "--budget", "4", "--limit", "3", "--out", "run"]
    asked += ["--policy", policy.url, "--prm", prm.url, *words]
    process = psutil.Popen(
        asked, cwd=work, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    seen: set[str] = set()
    while process.poll() is None:
        mine = [] if given == "flag" else [process]  # who gives it as a flag shows it
        for one in [*mine, *_children(process)]:
            seen.update(_command(one))
        time.sleep(0.02)
    out = process.communicate()[0]
    assert process.returncode == 1, out
    assert "HTTP 404" in out
    lines = out.rstrip().splitlines()
    at = max(i for i, line in enumerate(lines) if line == "resume with")  # a traceback has it too
    assert lines[at + 2 :] == (
        ["  and --policy-key and --prm-key and --policy-header and --prm-header as before"]
        if given == "flag"
        else []
    )
    prm.faults.clear()
    again = shlex.split(lines[at + 1])[1:] + (words if given == "flag" else [])
    resumed = subprocess.run(
        [SAL, *again], cwd=work, env=env, capture_output=True, text=True, check=False, timeout=240
    )
    assert resumed.returncode == 0, resumed.stderr
    written = [p.read_bytes().decode(errors="replace") for p in _files(work, tmp_path / "state")]
    for text in (out, resumed.stdout, resumed.stderr, *written, *seen):
        assert KEY not in text
        assert HEADER not in text


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return list(process.children(recursive=True))
    except psutil.Error:
        return []


def _command(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []


def _files(*folders: Path) -> list[Path]:
    return [p for folder in folders for p in folder.rglob("*") if p.is_file()]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate for 127.0.0.1 that vouches for itself."""
    folder = tmp_path_factory.mktemp("tls")
    words = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=own -keyout key -out crt"
    words += " -addext subjectAltName=IP:127.0.0.1"
    subprocess.run(words.split(), cwd=folder, check=True, capture_output=True)
    (folder / "both").write_text((folder / "key").read_text() + (folder / "crt").read_text())
    return folder / "both"


def test_a_certificate_of_ones_own_is_trusted_when_its_file_is_named(
    certificate: Path, policy_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Gateway(policy_server, certificate=certificate) as front:
        began = time.monotonic()
        with Engine(front.url) as engine, pytest.raises(Unreachable, match="SSL_CERT_FILE") as e:
            engine.info()
        assert e.value.at_fault
        assert time.monotonic() - began < 10  # it is not tried again
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate.parent / "crt"))
        with Engine(front.url) as engine:
            assert engine.info()["model_path"]


def test_loopback_is_reached_without_the_environments_proxy(
    policy_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    port = policy_server.rpartition(":")[2]
    for host in ("127.0.0.1", "localhost"):
        with Engine(f"http://{host}:{port}") as engine:
            assert engine.info()["model_path"]
    with Engine("http://llm.internal:30000", deadline_s=1) as engine, pytest.raises(Unreachable):
        engine.generate({"text": ""})


def test_another_host_is_reached_through_the_environments_proxy(
    policy_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Gateway(policy_server, prefix="http://llm.internal") as proxy:
        bare = proxy.url.removesuffix(proxy.prefix)
        monkeypatch.setenv("HTTP_PROXY", bare)
        monkeypatch.setenv("http_proxy", bare)
        monkeypatch.setenv("NO_PROXY", "other.internal")
        monkeypatch.setenv("no_proxy", "other.internal")
        with Engine("http://llm.internal") as engine:
            assert engine.info()["model_path"]
        assert proxy.seen == ["/model_info"]


def test_a_policy_whose_tokenizer_is_out_of_reach_is_told_in_a_line_and_at_once(
    fronts: tuple[Gateway, Gateway], tmp_path: Path
) -> None:
    policy, prm = fronts
    name = "nobody/has-this-model"
    policy.faults["/model_info"] = changed(
        lambda reply: {**reply, "model_path": name, "tokenizer_path": name}
    )
    env = environment(tmp_path / "state") | {"HF_ENDPOINT": "http://127.0.0.1:9"}
    env.pop("HF_HUB_OFFLINE", None)
    words = ["run", "best-of-n", "--budget", "4", "--limit", "3", "--out", "run"]
    done = subprocess.run(
        [SAL, *words, "--policy", policy.url, "--prm", prm.url],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    told = [line for line in done.stderr.splitlines() if "tokenizer" in line]
    assert told == [
        f"policy: no tokenizer of {name} here or on the Hub: questions go out as plain text, "
        "without a chat template"
    ]
    assert "Retry" not in done.stderr


def test_a_prm_whose_tokenizer_is_out_of_reach_is_refused_with_the_remedy(
    fronts: tuple[Gateway, Gateway], run: Run
) -> None:
    policy, prm = fronts
    prm.faults["/model_info"] = changed(
        lambda reply: {
            **reply,
            "model_path": "/srv/Llama3.1-8B-PRM-Deepseek-Data",
            "tokenizer_path": None,
        }
    )
    code, err = run(policy.url, prm.url)
    assert code != 0
    assert (
        "the PRM's tokenizer (/srv/Llama3.1-8B-PRM-Deepseek-Data) is neither here nor on the Hub"
        in err
    )
    assert "--prm FOLDER" in err
    assert "Traceback" not in err


def test_the_openai_backend_has_the_same_access(guarded: tuple[Gateway, Gateway]) -> None:
    from sal.runtime.openai_backend import OpenAIBackend
    from sal.runtime.policy import Request

    policy, _ = guarded
    with Engine(f"{policy.url}/v1") as engine, pytest.raises(Denied, match="Access"):
        OpenAIBackend(engine)
    with Engine(f"{policy.url}/v1", Access(KEY, (f"X-Tenant: {HEADER}",))) as engine:
        assert OpenAIBackend(engine).write(Request("1+1=", 2)).text
        policy.faults["/v1/completions"] = says({"error": "gone"})
        with pytest.raises(Misread, match="no choices"):
            OpenAIBackend(engine).write(Request("1+1=", 2))

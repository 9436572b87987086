"""`sal run --resume FOLDER`: the folder's own recipe, what is said beside it, and what is served."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from runs_examples import recipe
from test_cli_run import Sal, sal  # noqa: F401  # a fixture

from sal.cli.resume import resume_command
from sal.runs.folder import RunFolder
from sal.runs.settings import Settings, prepare
from sal.runtime.launch import free_port

SAID = Settings(
    strategy="beam",
    params={"budget": 8, "width": 2, "temperature": 0.5},
    seed=3,
    max_problem_tokens=500,
    system_prompt="",
    policy_args=("--chunked-prefill-size=512",),
    deterministic=True,
    limit=2,
)


def begun(path: Path, settings: Settings = SAID, **changes: Any) -> Path:
    """A folder in which a run has begun, with so much changed in its recipe since."""
    with RunFolder(path, prepare(settings, gpu=False).recipe, resume=False) as folder:
        folder.journal.append({"type": "session", "versions": {}})
        content = yaml.safe_load(folder.recipe_path.read_text())
    (path / "recipe.yaml").write_text(yaml.safe_dump(content | changes))
    return path


def dry(sal: Sal, *words: str) -> dict[str, Any]:  # noqa: F811
    code, out, err = sal("run", *words, "--dry-run", "--json")
    assert (code, err) == (0, "")
    found: dict[str, Any] = json.loads(out)
    return found


def test_the_command_needs_no_other_word() -> None:
    assert resume_command(Path("a folder")) == "sal run --resume 'a folder'"
    again = resume_command(Path("x"), "--retry-failed")
    assert again == "sal run --resume x --retry-failed"


def test_a_folder_alone_goes_on_with_its_own_recipe(sal: Sal, tmp_path: Path) -> None:  # noqa: F811
    ours = prepare(SAID, gpu=False).recipe
    begun(tmp_path / "run")
    found = dry(sal, "--resume", "run")
    assert found["recipe"]["digest"] == ours.digest
    assert found["recipe"]["aggregate"] == ours.aggregate
    assert found["folder"] == "run"


def test_what_is_said_beside_a_folder_must_agree(
    sal: Sal,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun(tmp_path / "run")
    agreeing = [
        "--budget",
        "8",
        "--seed",
        "3",
        "--system-prompt",
        "",
        "--policy-arg=--chunked-prefill-size=512",
    ]
    dry(sal, "beam", "--resume", "run", *agreeing)
    code, _, err = sal("run", "--resume", "run", "--seed", "0", "--width", "4", "--policy", "a/b")
    assert code == 2
    assert err.strip().endswith("these differ: params.width, policy, seed")
    monkeypatch.setenv("SAL_SEED", "4")
    code, _, err = sal("run", "--resume", "run")
    assert (code, err.strip().rpartition("these differ: ")[2]) == (2, "seed")
    monkeypatch.setenv("SAL_SEED", "3")
    dry(sal, "--resume", "run")


class Endpoint:
    """A server that says what it serves and does nothing else."""

    def __init__(self, info: dict[str, Any], port: int = 0) -> None:
        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps(info if self.path == "/model_info" else {}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Answer)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


MODEL = {
    "model_path": "m/one",
    "tokenizer_path": "m/one",
    "weight_version": "7",
    "is_generation": True,
}


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    opened: list[Endpoint] = []

    def start(**info: Any) -> str:
        opened.append(Endpoint(MODEL | info))
        return opened[-1].url

    yield start
    for endpoint in opened:
        endpoint.close()


def of(url: str) -> Settings:
    return Settings(strategy="majority", params={"budget": 2}, policy=url, limit=2)


SERVED = {
    "policy": {name: MODEL[name] for name in ("model_path", "tokenizer_path", "weight_version")}
}


def test_the_recipe_says_what_a_url_serves(sal: Sal, serve: Callable[..., str]) -> None:  # noqa: F811
    found = dry(sal, "majority", "--policy", serve())
    assert found["recipe"]["served"] == SERVED


def test_the_same_model_at_another_address_is_the_same_run(
    sal: Sal,  # noqa: F811
    serve: Callable[..., str],
    tmp_path: Path,
) -> None:
    gone = f"http://127.0.0.1:{free_port()}"
    begun(tmp_path / "run", of(gone), served=SERVED)
    here = serve()
    found = dry(sal, "--resume", "run", "--policy", here)
    assert found["recipe"]["policy"] == here
    dry(sal, "--resume", "run")  # nobody is there to be asked
    code, _, err = sal("run", "--resume", "run")
    assert code == 2
    assert f"--policy {gone}: nothing takes connections there" in err


@pytest.mark.parametrize("name", ["model_path", "tokenizer_path", "weight_version"])
def test_another_model_behind_a_url_is_refused_and_both_are_named(
    sal: Sal,  # noqa: F811
    serve: Callable[..., str],
    tmp_path: Path,
    name: str,
) -> None:
    url = serve(**{name: "other"})
    begun(tmp_path / "run", of(url), served=SERVED)
    code, _, err = sal("run", "--resume", "run")
    assert code == 2
    assert err.strip().endswith(f"these differ: policy.{name} ({MODEL[name]} there, other here)")


def test_a_recipe_from_before_says_an_address_alone(
    sal: Sal,  # noqa: F811
    serve: Callable[..., str],
    tmp_path: Path,
) -> None:
    url = serve()
    begun(tmp_path / "run", of(url), served=None)
    dry(sal, "--resume", "run")
    code, _, err = sal("run", "--resume", "run", "--policy", serve())
    assert (code, err.strip().rpartition("these differ: ")[2]) == (2, "policy")


def test_an_address_does_not_decide_the_digest() -> None:
    one, other = (recipe(policy=url, served=SERVED) for url in ("http://a:1", "http://b:2"))
    assert one.digest == other.digest
    assert one.digest != recipe(policy="http://a:1", served={"policy": {"model_path": "x"}}).digest
    assert recipe(policy="http://a:1").digest != recipe(policy="http://b:2").digest


def test_what_the_recipe_settled_stays_settled(sal: Sal, tmp_path: Path) -> None:  # noqa: F811
    """Each default that is a choice of ours must not be taken for something said."""
    flexible = Settings(strategy="best-of-n", params={}, extract="flexible", limit=2)
    begun(tmp_path / "run", flexible)
    found = dry(sal, "--resume", "run")["recipe"]
    assert found["digest"] == prepare(flexible, gpu=False).recipe.digest
    code, _, err = sal("run", "--resume", "run", "--extract", "strict", "--ns", "2")
    assert (code, err.strip().rpartition("these differ: ")[2]) == (2, "extract")

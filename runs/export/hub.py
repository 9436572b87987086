"""Publishing through `huggingface_hub`: runs as revisions of a dataset, and what was learned.

A push is one commit with all its files, so it is whole or not there. What the Hub has by its
hash is not sent again: pushing again after a failure goes on, and after a success does nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from json import JSONDecodeError
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from sal.runs.errors import PushError, RunError
from sal.runs.export.card import repository_card
from sal.runs.export.publication import Publication

if TYPE_CHECKING:
    from huggingface_hub.errors import HfHubHTTPError

T = TypeVar("T")

TRIES = 4
FIRST_WAIT_S = 1.0
"""Before the second try; doubled each time. `huggingface_hub` itself tries uploads again, too."""

LOG_IN = "no token for the Hub: `hf auth login`, or set HF_TOKEN"


@dataclass(frozen=True, slots=True)
class Pushed:
    """A revision as it is on the Hub now; `new` where this push changed it."""

    revision: str
    url: str
    new: bool


def check_push(repo: str, *, token: bool = True) -> None:
    """Raise `RunError` for a repository that cannot be named so, or without a token.

    Asks nobody.
    """
    from huggingface_hub import get_token
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        raise RunError(f"{repo}: no name of a repository: {_line(error)}") from error
    if token and not get_token():
        raise RunError(LOG_IN)


class Repository:
    """A repository that may be written to; made, private by default, where there is none.

    A public one that is there is refused unless `public` is meant. `name` has the owner, as the Hub
    knows it. Raises `PushError`.
    """

    def __init__(
        self, name: str, *, public: bool, kind: Literal["dataset", "model"] = "dataset"
    ) -> None:
        from huggingface_hub import HfApi

        self._api = HfApi()
        self.name, self._kind = name, kind
        self._try(self._api.whoami)
        made = self._try(
            lambda: self._api.create_repo(name, private=not public, repo_type=kind, exist_ok=True)
        )
        self.name = made.repo_id
        info = self._try(lambda: self._api.repo_info(self.name, repo_type=kind))
        self.private = bool(info.private)
        if not self.private and not public:
            raise PushError(f"{self.name}: is public; push there with --public")
        files = getattr(info, "siblings", None) or ()  # not every kind of repository has them
        self._has_card = "README.md" in {file.rfilename for file in files}

    def put(self, files: dict[str, Path | bytes], title: str) -> Pushed:
        """Make the branch `main` hold these files. Raises `PushError`."""
        new = self._commit("main", files, title)
        kind = "datasets/" if self._kind == "dataset" else ""
        return Pushed("main", f"{self._api.endpoint}/{kind}{self.name}", new)

    def push(self, publication: Publication) -> Pushed:
        """Make the revision hold the publication's files. Raises `PushError`."""
        if not self._has_card:
            self._commit("main", {"README.md": repository_card(self.name).encode()}, "Card")
            self._has_card = True
        revision = publication.revision
        self._try(
            lambda: self._api.create_branch(
                self.name, branch=revision, repo_type="dataset", exist_ok=True
            )
        )
        files: dict[str, Path | bytes] = {path.name: path for path in publication.files}
        new = self._commit(revision, files, publication.title)
        url = f"{self._api.endpoint}/datasets/{self.name}/tree/{revision}"
        return Pushed(revision, url, new)

    def _commit(self, branch: str, files: dict[str, Path | bytes], title: str) -> bool:
        """Whether there was anything to commit."""
        from huggingface_hub import CommitOperationAdd

        def commit() -> str:
            # new operations: one that was tried remembers what the Hub held then
            done = self._api.create_commit(
                self.name,
                [CommitOperationAdd(name, content) for name, content in files.items()],
                commit_message=title,
                repo_type=self._kind,
                revision=branch,
            )
            return str(done.oid)

        def head() -> str | None:
            info = self._api.repo_info(self.name, repo_type=self._kind, revision=branch)
            return info.sha

        before = self._try(head)
        return self._try(commit) != before

    def _try(self, ask: Callable[[], T]) -> T:
        """What the Hub answers; tried again where it may be better then. Raises `PushError`."""
        wait = FIRST_WAIT_S
        for left in reversed(range(TRIES)):
            try:
                return ask()
            except Exception as error:
                again, words = _failure(error, self.name)
                if not words:
                    raise
                if not again or not left:
                    raise PushError(words) from error
            time.sleep(wait)
            wait *= 2
        raise AssertionError("the last try returns or raises")


def _failure(error: Exception, repo: str) -> tuple[bool, str]:
    """Whether to ask again, and in a line what it was; no words for what is not the Hub's."""
    import httpx
    from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError, OfflineModeIsEnabled

    if isinstance(error, LocalTokenNotFoundError):
        return False, LOG_IN
    if isinstance(error, OfflineModeIsEnabled):
        return False, "HF_HUB_OFFLINE is set: nothing can be pushed"
    cause: BaseException | None = error
    while cause is not None:  # an upload's error stands behind one that names the file
        if isinstance(cause, HfHubHTTPError):
            return _refusal(cause, repo)
        if isinstance(cause, httpx.TransportError):
            return True, f"the Hub cannot be reached: {_line(cause)}"
        if isinstance(cause, JSONDecodeError):
            return True, f"{repo}: what the Hub answers is no JSON"
        cause = cause.__cause__ or cause.__context__
    return False, ""


def _refusal(error: HfHubHTTPError, repo: str) -> tuple[bool, str]:
    status = error.response.status_code
    if status == 401:
        return False, "the Hub does not accept the token: `hf auth login`, or set HF_TOKEN"
    if status == 403:
        return False, f"{repo}: this token may not write there"
    if status == 404:
        return False, f"{repo}: not on the Hub, or not for this token"
    said = _line(error.server_message or "")
    words = f"{repo}: the Hub answered {status}{said and f' ({said})'}"
    return status == 429 or status >= 500, words


def _line(text: object) -> str:
    return " ".join(str(text).split())[:300]

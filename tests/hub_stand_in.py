"""A local stand-in of the Hub: as much of its HTTP API as publishing takes, loading a dataset, and
finding a model.

Repositories are branches of files; parquet and safetensors go through LFS and all other files with
the commit, as on the Hub. It can be told to fail.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import yaml

TOKEN = "hf_of_the_stand_in"  # noqa: S105 - of nobody
LARGE = (".parquet", ".safetensors")
ATTRIBUTES = b"".join(b"*%b filter=lfs diff=lfs merge=lfs -text\n" % e.encode() for e in LARGE)


@dataclass
class Branch:
    files: dict[str, bytes]
    commits: list[str]

    @property
    def sha(self) -> str:
        return hashlib.sha1("".join(self.commits).encode()).hexdigest()  # noqa: S324 - git's


@dataclass
class Repo:
    private: bool
    branches: dict[str, Branch]

    @classmethod
    def new(cls, *, private: bool) -> Repo:
        return cls(private, {"main": Branch({".gitattributes": ATTRIBUTES}, ["initial commit"])})

    def at(self, revision: str) -> Branch | None:
        """A branch by its name, or by the commit that it is at."""
        by_sha = {branch.sha: branch for branch in self.branches.values()}
        return self.branches.get(revision) or by_sha.get(revision)


@dataclass
class Fault:
    """The next `times` requests whose method and path match are not served but answered so.

    A status, a page of a proxy, "reset" (the connection), or "lost": served, and the reply is not
    sent.
    """

    matching: str
    answer: int | bytes | str
    times: int = 1


@dataclass
class Hub:
    url: str = ""
    repos: dict[str, Repo] = field(default_factory=dict)
    models: dict[str, Repo] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    """Models whose files nobody is given."""
    large: dict[str, bytes] = field(default_factory=dict)
    writers: set[str] = field(default_factory=lambda: {"me"})
    faults: list[Fault] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def fault(self, request: str) -> Fault | None:
        for fault in self.faults:
            if fault.times and re.search(fault.matching, request):
                fault.times -= 1
                return fault
        return None

    def count(self, matching: str) -> int:
        return sum(bool(re.search(matching, request)) for request in self.asked)


@contextmanager
def hub_stand_in() -> Iterator[Hub]:
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (_Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._serve()

    do_HEAD = do_POST = do_PUT = do_GET

    def log_message(self, *_: object) -> None:
        pass

    def _serve(self) -> None:
        path = unquote(urlsplit(self.path).path)
        request = f"{self.command} {path}"
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.hub.asked.append(request)
        fault = self.hub.fault(request)
        if fault and isinstance(fault.answer, int):
            return self._reply(fault.answer, {"error": "told to fail"})
        if fault and isinstance(fault.answer, bytes):
            return self._reply(200, fault.answer, {"Content-Type": "text/html"})
        if fault is None or fault.answer == "lost":
            status, answer, headers = self._answer(path, body)
            if fault is None:
                return self._reply(status, answer, headers)
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)  # a reset
        self.close_connection = True
        return None

    def _reply(self, status: int, answer: Any, headers: dict[str, str] | None = None) -> None:
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        for name, value in ({"Content-Type": "application/json"} | (headers or {})).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _answer(self, path: str, body: bytes) -> tuple[int, Any, dict[str, str]]:
        if self.command == "PUT" and path.startswith("/lfs/"):
            oid = path.removeprefix("/lfs/")
            if hashlib.sha256(body).hexdigest() != oid:
                return 400, {"error": "other bytes"}, {}
            self.hub.large[oid] = body
            return 200, {}, {}
        known = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        if path == "/api/whoami-v2":
            return (200, {"name": "me", "type": "user"}, {}) if known else (401, {}, {})
        if path == "/api/validate-yaml":
            content = json.loads(body)["content"]
            yaml.safe_load(content.split("---\n")[1])
            return 200, {"errors": [], "warnings": []}, {}
        if path == "/api/repos/create":
            return self._create(json.loads(body))
        if path == "/api/models":
            return 200, self._listed(), {}
        model = re.match(
            r"(?:/api/models)?/([^/]+/[^/]+?)(?:\.git)?(?:/((?:resolve|revision|preupload|commit|info)/.*))?$",
            path,
        )
        if model is not None and model[1] in self.hub.models:
            if self.hub.models[model[1]].private and not known:
                return 404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"}
            verb, _, rest = (model[2] or "").partition("/")
            if verb == "resolve" and model[1] in self.hub.gated:
                return (403 if known else 401), {"error": "gated"}, {"X-Error-Code": "GatedRepo"}
            return self._of_repo(model[1], self.hub.models[model[1]], verb, rest, body)
        match = re.match(r"(?:/api)?/datasets/([^/]+/[^/]+?)(?:\.git)?(?:/(.*))?$", path)
        repo = self.hub.repos.get(match[1]) if match else None
        if match is None or repo is None or (repo.private and not known):
            return 404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"}
        if self.command == "POST" and "paths-info" not in path:
            if not known:
                return 401, {}, {}
            if match[1].split("/")[0] not in self.hub.writers:
                return 403, {"error": "Forbidden"}, {}
        verb, _, rest = (match[2] or "").partition("/")
        return self._of_repo(match[1], repo, verb, rest, body)

    def _listed(self) -> list[dict[str, Any]]:
        """Models by a part of their name, or by their owner."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        names = [
            name for name in self.hub.models if asked.get("search", "").lower() in name.lower()
        ]
        owner = asked.get("author")
        return [{"id": name} for name in names if owner in (None, name.partition("/")[0])]

    def _create(self, wanted: dict[str, Any]) -> tuple[int, Any, dict[str, str]]:
        owner = wanted.get("organization") or "me"
        name = f"{owner}/{wanted['name']}"
        if owner not in self.hub.writers:
            return 403, {"error": "Forbidden"}, {}
        dataset = wanted.get("type") == "dataset"
        url = {"url": f"{self.hub.url}/{'datasets/' if dataset else ''}{name}"}
        repos = self.hub.repos if dataset else self.hub.models
        if name in repos:
            return 409, url, {}
        repos[name] = Repo.new(private=wanted.get("visibility") == "private")
        return 200, url, {}

    def _of_repo(
        self, name: str, repo: Repo, verb: str, rest: str, body: bytes
    ) -> tuple[int, Any, dict[str, str]]:
        if verb == "branch":
            if rest in repo.branches:
                return 409, {"error": "Reference already exists"}, {}
            main = repo.branches["main"]
            repo.branches[rest] = Branch(dict(main.files), list(main.commits))
            return 200, {}, {}
        if verb == "refs":
            branches = [
                {"name": n, "ref": f"refs/heads/{n}", "targetCommit": b.sha}
                for n, b in repo.branches.items()
            ]
            return 200, {"branches": branches, "tags": [], "converts": []}, {}
        revision, _, file = rest.partition("/")
        branch = repo.at(revision if verb not in ("", "info") else "main")
        if branch is None:
            return 404, {"error": "Invalid rev id"}, {"X-Error-Code": "RevisionNotFound"}
        if verb in ("", "revision"):
            siblings = [{"rfilename": file} for file in branch.files]
            info = {"id": name, "private": repo.private, "sha": branch.sha, "siblings": siblings}
            return 200, info | {"tags": [], "downloads": 0, "likes": 0}, {}
        if verb == "preupload":
            files = json.loads(body)["files"]
            return 200, {"files": [self._preupload(branch, f["path"]) for f in files]}, {}
        if verb == "info":
            return 200, {"objects": [self._batch(o) for o in json.loads(body)["objects"]]}, {}
        if verb == "commit":
            return self._commit(name, branch, body)
        if verb == "tree":
            return 200, self._in_folder(branch, f"{file}/" if file else ""), {}
        if verb == "paths-info":
            form = body.startswith(b"paths=")
            paths = parse_qs(body.decode())["paths"] if form else json.loads(body)["paths"]
            return 200, [self._entry(p, branch.files[p]) for p in paths if p in branch.files], {}
        if verb == "resolve" and file in branch.files:
            etag = self._oid(file, branch.files[file])
            headers = {"ETag": f'"{etag}"', "X-Repo-Commit": branch.sha}
            return 200, branch.files[file], headers | {"Content-Type": "application/octet-stream"}
        return 404, {"error": "Entry not found"}, {"X-Error-Code": "EntryNotFound"}

    @staticmethod
    def _oid(path: str, content: bytes) -> str:
        if path.endswith(LARGE):
            return hashlib.sha256(content).hexdigest()
        return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()  # noqa: S324

    def _in_folder(self, branch: Branch, folder: str) -> list[dict[str, Any]]:
        """What stands in a folder, "" or one that ends in a slash: files and folders."""
        inside = {p: c for p, c in branch.files.items() if p.startswith(folder)}
        files = [self._entry(p, c) for p, c in inside.items() if "/" not in p[len(folder) :]]
        names = {folder + p[len(folder) :].split("/")[0] for p in inside if "/" in p[len(folder) :]}
        return files + [{"type": "directory", "path": p, "oid": "0" * 40} for p in sorted(names)]

    def _entry(self, path: str, content: bytes) -> dict[str, Any]:
        return {
            "type": "file",
            "path": path,
            "size": len(content),
            "oid": self._oid(path, content),
        }

    def _preupload(self, branch: Branch, path: str) -> dict[str, Any]:
        there = branch.files.get(path)
        return {
            "path": path,
            "uploadMode": "lfs" if path.endswith(LARGE) else "regular",
            "shouldIgnore": False,
            "oid": None if there is None else self._oid(path, there),
        }

    def _batch(self, wanted: dict[str, Any]) -> dict[str, Any]:
        if wanted["oid"] in self.hub.large:
            return wanted
        return wanted | {"actions": {"upload": {"href": f"{self.hub.url}/lfs/{wanted['oid']}"}}}

    def _commit(self, name: str, branch: Branch, body: bytes) -> tuple[int, Any, dict[str, str]]:
        lines = [json.loads(line) for line in body.splitlines()]
        for line in lines[1:]:
            value = line["value"]
            if line["key"] == "lfsFile":
                branch.files[value["path"]] = self.hub.large[value["oid"]]
            elif line["key"] == "file":
                branch.files[value["path"]] = base64.b64decode(value["content"])
            else:
                return 400, {"error": line["key"]}, {}
        branch.commits.append(lines[0]["value"]["summary"] + branch.sha)
        url = f"{self.hub.url}/datasets/{name}/commit/{branch.sha}"
        return 200, {"commitUrl": url, "commitOid": branch.sha}, {}

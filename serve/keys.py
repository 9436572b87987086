"""API keys: kept as hashes, compared in constant time, never logged.

A file of keys has a line for each: its name, and the SHA-256 of the key in hex. A key is 256 bits
of chance, so that its hash needs no salt. `sal serve --new-key NAME` makes one.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sal.runs.errors import RunError
from sal.serve.errors import ApiError

PREFIX = "sal-"
NOBODY = ""
"""The account of everybody, where no key is wanted."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The hash of each key, by its name; none are wanted where there is none."""

    hashes: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.hashes)

    def account(self, authorization: str | None) -> str:
        """Whose key the header `Authorization: Bearer KEY` has; raises `ApiError` (401)."""
        if not self.hashes:
            return NOBODY
        scheme, _, key = (authorization or "").partition(" ")
        given = _hash(key.strip()) if scheme.lower() == "bearer" else ""
        found = None
        for name, known in self.hashes.items():  # all of them, however early one fits
            if hmac.compare_digest(known, given):
                found = name
        if found is None:
            raise ApiError(401, "Incorrect API key provided.", code="invalid_api_key")
        return found


def read_keys(path: Path) -> Keys:
    """The keys of a file; raises `RunError` for one that is none."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"--keys {path}: {error}") from error
    hashes: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, digest = line.partition(" ")
        digest = digest.strip().lower()
        if len(digest) != 64 or set(digest) - set("0123456789abcdef") or name in hashes:
            raise RunError(f"--keys {path}: line {number} is not NAME SHA256, of a name of its own")
        hashes[name] = digest
    if not hashes:
        raise RunError(f"--keys {path}: holds no key; sal serve --new-key NAME makes one")
    return Keys(hashes)


def new_key(path: Path, name: str) -> str:
    """A new key, whose hash is added to the file; raises `RunError` for a name that is taken."""
    if not name or not name.isprintable() or " " in name or name.startswith("#"):
        raise RunError(f"--new-key {name!r}: a name is one word")
    if path.exists() and path.stat().st_size and name in read_keys(path).hashes:
        raise RunError(f"--new-key {name}: {path} has one of that name")
    key = PREFIX + secrets.token_urlsafe(32)
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    with open(handle, "a", encoding="utf-8") as file:
        file.write(f"{name} {_hash(key)}\n")
    return key


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()

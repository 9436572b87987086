"""How an endpoint is reached: the key and headers that it wants, and the proxy on the way to it.

A key or header is a secret: it stands in no `repr`, and `scrub` takes it out of what a server says.
"""

from __future__ import annotations

import ipaddress
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

_HIDDEN = "[hidden]"
_SHORTEST = 4
"""A shorter value of a header is a word like `1` or `yes`, and no secret."""


class AccessError(ValueError):
    """A key, a header or a URL that cannot be used; the message holds no secret."""


@dataclass(frozen=True, slots=True)
class Access:
    """What is sent with every request: `key` as a bearer token, and `headers` as `Name: value`.

    `role` ("policy", "prm") names the flags in messages. Raises `AccessError`.
    """

    key: str = field(default="", repr=False)
    headers: tuple[str, ...] = field(default=(), repr=False)
    role: str = ""

    def __post_init__(self) -> None:
        if not all(33 <= ord(char) < 127 for char in self.key):
            raise AccessError("a key is one word of ASCII characters, without spaces or line ends")
        for header in self.headers:
            name, colon, value = header.partition(":")
            if not colon or not name.replace("-", "").replace("_", "").isalnum() or not value:
                raise AccessError("a header is written 'Name: value'")
            if not header.isascii() or not header.isprintable():
                raise AccessError(f"the value of the header {name} has characters that none can")

    def lines(self) -> list[str]:
        """The lines of a request's head."""
        return [*([f"Authorization: Bearer {self.key}"] if self.key else []), *self.headers]

    def scrub(self, text: str) -> str:
        """`text` without the secrets, which some servers repeat when they refuse them."""
        values = [header.partition(":")[2].strip() for header in self.headers]
        words = {w for value in (self.key, *values) for w in (value, value.rpartition(" ")[2])}
        for word in sorted(words, key=len, reverse=True):  # a whole before what it ends with
            if len(word) >= _SHORTEST or (word and word == self.key):
                text = text.replace(word, _HIDDEN)
        return text

    def remedy(self) -> str:
        """How to give a key, for a message."""
        if not self.role:
            return "give the client Access(key=...)"
        flag = f"--{self.role}-key"
        sent = "the key given was not accepted: " if self.key else ""
        return f"{sent}set SAL_{self.role.upper()}_KEY, or give {flag} KEY or {flag} @FILE"


OPEN = Access()
"""Nothing is wanted."""


def read_access(role: str, key: str | None, headers: Iterable[str] | None) -> Access:
    """From what a user said: a key or a header itself, or `@FILE` that holds it.

    A file of headers has one a line. Raises `AccessError`.
    """
    lines: list[str] = []
    for header in headers or ():
        text = _said(header, f"--{role}-header")
        lines += [line.strip() for line in text.splitlines() if line.strip()] or [text]
    try:
        return Access(_said(key or "", f"--{role}-key"), tuple(lines), role)
    except AccessError as error:
        raise AccessError(f"--{role}-key, --{role}-header: {error}") from None


def _said(word: str, flag: str) -> str:
    if not word.startswith("@"):
        return word.strip()
    try:
        return Path(word[1:]).expanduser().read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise AccessError(f"{flag} {word}: {reason}") from None


def check_url(url: str) -> None:
    """Raise `AccessError` where a secret may stand in the URL itself, which is written down."""
    parts = urlsplit(url)
    if "@" in parts.netloc or parts.query or parts.fragment:
        shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        raise AccessError(
            f"{shown}: a URL is written into recipes, so it holds no password and no query; "
            "give a key (--policy-key, --prm-key) or a header (--policy-header, --prm-header)"
        )


def proxy_for(url: str) -> str:
    """The proxy that the environment names for `url`, "" for none: never for this machine itself.

    HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY are read in both cases.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if is_loopback(host) or urllib.request.proxy_bypass(parts.netloc.rpartition("@")[2]):
        return ""
    named = urllib.request.getproxies()
    return named.get(parts.scheme) or named.get("all") or ""


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine, by its loopback address or name."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def open_directly(url: str, limit_s: float) -> bytes:
    """The body that a server of this machine answers; no proxy is asked. Raises OSError."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=limit_s) as reply:
        body: bytes = reply.read()
        return body

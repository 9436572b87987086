"""A gateway on this machine's loopback answers this machine's own programs, and no web page.

Without it, any page in a browser here could search at our cost, or read what was searched for by
an address of its own that leads here (DNS rebinding).
"""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from sal.runtime.access import is_loopback
from sal.serve.errors import ApiError
from sal.serve.streams import error_response


class LocalOnly:
    """Refuses other names for this machine, and requests that a page elsewhere makes."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not from_here(Headers(scope=scope)):
            refused = ApiError(403, "only for this machine's own programs", code="not_local")
            await error_response(refused)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def from_here(headers: Headers) -> bool:
    """Whether a request's `Host` is a name of this machine, and its `Origin`, if any, the same."""
    host = headers.get("host", "")
    name = host.removeprefix("[").partition("]")[0] if host[:1] == "[" else host.partition(":")[0]
    origin = headers.get("origin")
    return is_loopback(name) and origin in (None, f"http://{host}")

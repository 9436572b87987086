"""The gateway's HTTP: its paths, and who may ask for them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from sal.serve.asked import Asked, read_json
from sal.serve.errors import ApiError, no_model, unavailable
from sal.serve.gateway import Gateway, Tell
from sal.serve.guard import LocalOnly
from sal.serve.limits import Limits
from sal.serve.models import POLICY, Catalogue
from sal.serve.read_chat import read_chat
from sal.serve.read_completion import read_completion
from sal.serve.read_responses import read_responses
from sal.serve.responses import ApiResponse
from sal.serve.searcher import Flight
from sal.serve.shapes import Chat, Text
from sal.serve.streams import Working, error_response
from sal.serve.structured_vote import RULE

LARGEST = 4 << 20
"""Bytes of a request's body."""

Read = Callable[[Mapping[str, Any], Mapping[str, str], Catalogue, Limits], Asked]
Page = Callable[[Flight], str]
"""The explorer's page of a search."""

_LOG = logging.getLogger("sal.serve")


def make_app(gateway: Gateway, page: Page, *, local: bool = True) -> Starlette:
    """The application; `local` where it is reached by this machine's loopback alone."""
    paths = _Paths(gateway, page)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:  # noqa: ARG001
        yield
        await gateway.close()

    return Starlette(
        routes=[
            Route("/v1/models", paths.models),
            Route("/v1/models/{name:path}", paths.model),
            Route("/v1/chat/completions", paths.chat, methods=["POST"]),
            Route("/v1/completions", paths.completions, methods=["POST"]),
            Route("/v1/responses", paths.responses, methods=["POST"]),
            Route("/searches/{id}", paths.search),
            Route("/metrics", paths.metrics),
            Route("/health", paths.health),
        ],
        middleware=[Middleware(LocalOnly)] if local else [],
        exception_handlers={ApiError: _refused, HTTPException: _not_there, Exception: _broken},
        lifespan=lifespan,
    )


class _Paths:
    def __init__(self, gateway: Gateway, page: Page) -> None:
        self._gateway = gateway
        self._page = page
        self._entries = gateway.catalogue.listed(gateway.limits)

    async def models(self, request: Request) -> Response:
        self._account(request)
        return JSONResponse({"object": "list", "data": self._entries})

    async def model(self, request: Request) -> Response:
        self._account(request)
        name = request.path_params["name"]
        self._gateway.catalogue.read(name)
        if not any(entry["id"] == name for entry in self._entries):
            raise no_model(name)
        return JSONResponse(self._gateway.catalogue.entry(name))

    async def chat(self, request: Request) -> Response:
        return await self._answer(request, read_chat, Chat)

    async def completions(self, request: Request) -> Response:
        return await self._answer(request, read_completion, Text)

    async def responses(self, request: Request) -> Response:
        return await self._answer(request, read_responses, Chat, as_response=True)

    async def search(self, request: Request) -> Response:
        """Whoever knows its id may see it: it was told to who asked."""
        flight = self._gateway.recent.get(request.path_params["id"])
        if flight is None:
            raise ApiError(404, "there is no such search, or it was long ago", code="not_found")
        return HTMLResponse(
            await asyncio.to_thread(self._page, flight),
            headers={"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"},
        )

    async def metrics(self, request: Request) -> Response:
        self._account(request)
        return PlainTextResponse(self._gateway.metrics.text())

    async def health(self, request: Request) -> Response:  # noqa: ARG002
        if self._gateway.failed():
            raise unavailable("an engine is gone; start the gateway again")
        return JSONResponse({"status": "ok"})

    def _account(self, request: Request) -> str:
        return self._gateway.keys.account(request.headers.get("authorization"))

    async def _answer(
        self,
        request: Request,
        read: Read,
        shape: type[Chat] | type[Text],
        *,
        as_response: bool = False,
    ) -> Response:
        gateway = self._gateway
        name = "refused"
        try:
            account = self._account(request)
            body = read_json(await _body(request))
            asked = read(body, request.headers, gateway.catalogue, gateway.limits)
        except ApiError as error:
            gateway.metrics.answered(name, error.status)
            raise
        wanted = asked.search
        name = wanted.strategy if wanted is not None else RULE if asked.votes else POLICY

        async def search(tell: Tell) -> dict[str, Any]:
            if wanted is None:
                return await gateway.pass_on(asked, shape.path, account, tell)
            return await gateway.answer(asked, wanted, account, shape, tell)

        def ended(status: int) -> None:
            gateway.metrics.answered(name, status)
            _LOG.info("%s %s: %s", request.url.path, asked.model[:100], status)

        headers = {"X-Search": name}
        if asked.because:
            headers["X-Search"] = f"{name}; {', '.join(asked.because)}"
        if not as_response:
            return Working(search, stream=asked.stream, ended=ended, headers=headers)
        reply = ApiResponse(body)
        return Working(
            partial(reply.made_of, search, asked.stream),
            stream=asked.stream,
            ended=ended,
            headers=headers,
            failed=reply.failed,
            done=b"",
        )


async def _body(request: Request) -> bytes:
    """At most `LARGEST` of it; raises `ApiError`."""
    parts, size = [], 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > LARGEST:
                raise ApiError(413, f"the body has more than {LARGEST:,} bytes")
            parts.append(part)
    except ClientDisconnect:
        raise ApiError(400, "the body did not come") from None
    return b"".join(parts)


async def _refused(request: Request, error: Exception) -> Response:
    return error_response(error) if isinstance(error, ApiError) else await _broken(request, error)


async def _not_there(request: Request, error: Exception) -> Response:  # noqa: ARG001
    status = error.status_code if isinstance(error, HTTPException) else 404
    words = {404: "there is nothing at this path", 405: "this path takes another method"}
    return error_response(ApiError(status, words.get(status, str(error)), code="not_found"))


async def _broken(request: Request, error: Exception) -> Response:
    """A defect of ours."""
    _LOG.error("%s: %r", request.url.path, error, exc_info=error)
    broken = ApiError(500, "the gateway failed; its log says how", type="server_error")
    return error_response(broken)

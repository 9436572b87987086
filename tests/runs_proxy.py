"""A way to a real server that counts its requests, and that can be cut and mended."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import Self
from urllib.parse import urlsplit


class Proxy:
    """Passes bytes on, both ways; `requests` counts what was asked of /generate."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self._target = (parts.hostname, parts.port)
        self.port = 0
        self.requests = 0
        self.most: int | None = None
        """Requests behind so many are not passed on: what waits for them does not end."""
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self.mend()
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)

    def mend(self) -> None:
        """Take connections; on the same port as before."""
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()

    def cut(self) -> None:
        """Break what is open and refuse what comes: a server that died."""
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            there, back = await asyncio.open_connection(*self._target)
            if not self._server.is_serving():  # cut meanwhile
                back.transport.abort()
                writer.transport.abort()
                return
            ends = {writer, back}
            self._writers |= ends
            await asyncio.gather(
                self._pass(reader, back, count=True), self._pass(there, writer, count=False)
            )
            self._writers -= ends

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, count: bool
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                if count:
                    self.requests += data.count(b"POST /generate ")
                    while self.most is not None and self.requests > self.most:
                        if reader.at_eof() or writer.is_closing():
                            raise ConnectionError
                        await asyncio.sleep(0.01)
                writer.write(data)
                await writer.drain()
        writer.close()

"""One kept-alive HTTP connection, used by one thread at a time.

libcurl does a whole exchange outside of Python's lock and wakes the thread once, with the reply:
a third of what a request costs through an event loop in another thread.
"""

from __future__ import annotations

import os
import socket
import ssl
import threading
from contextlib import suppress
from typing import NamedTuple

import pycurl

from sal.runtime.access import OPEN, Access, proxy_for

_CONNECT_LIMIT_S = 15.0

_KEEPALIVE_S = 4  # below the server's 5 s, so that it rarely closes a connection under us


class Broken(Exception):
    """No connection, or no whole reply over it; the message says why."""


class TimedOut(Broken):
    """The exchange, or connecting, took too long."""


class Untrusted(Broken):
    """The server's certificate, or the file that would vouch for it, is no good."""


class Answer(NamedTuple):
    """What came back; `retry_after` in seconds, 0 where the server does not say.

    Of a 200 that looks like a JSON object, only the body is looked at.
    """

    status: int
    body: bytes
    content_type: str = "a JSON object"
    retry_after: int = 0


_UNTRUSTED = (pycurl.E_PEER_FAILED_VERIFICATION, pycurl.E_SSL_CACERT_BADFILE)


class Connection:
    """Opens when it is first used, and again when it was closed or long idle meanwhile.

    Goes to `url` and the paths below it, by the environment's proxy for it.
    """

    def __init__(self, url: str, access: Access = OPEN) -> None:
        self._sockets: set[int] = set()
        self._dropped = False
        self._lock = threading.Lock()
        self._curl = curl = pycurl.Curl()
        curl.setopt(pycurl.NOSIGNAL, 1)
        curl.setopt(pycurl.PROXY, proxy_for(url))  # "" keeps libcurl from looking by itself
        self._head = ["Content-Type: application/json", "Expect:", *access.lines()]
        self._more: tuple[str, ...] = ()
        curl.setopt(pycurl.HTTPHEADER, self._head)
        curl.setopt(pycurl.CONNECTTIMEOUT_MS, int(_CONNECT_LIMIT_S * 1000))
        curl.setopt(pycurl.MAXAGE_CONN, _KEEPALIVE_S)
        curl.setopt(pycurl.SOCKOPTFUNCTION, self._opened)
        curl.setopt(pycurl.CLOSESOCKETFUNCTION, self._close)
        curl.setopt(pycurl.XFERINFOFUNCTION, _go_on)
        # The machine's certificate authorities: libcurl's own are those of where it was built.
        authorities = ssl.get_default_verify_paths()
        if authorities.cafile:
            curl.setopt(pycurl.CAINFO, authorities.cafile)
        if authorities.capath:
            curl.setopt(pycurl.CAPATH, authorities.capath)

    def exchange(
        self, url: str, body: bytes | None, limit_s: float, more: tuple[str, ...] = ()
    ) -> Answer:
        """What is answered to `body` posted to `url`, or to a GET without one.

        `more` are headers of this request alone.

        Raises `TimedOut` after `limit_s`, `Untrusted`, and `Broken`; then close the connection.
        """
        curl = self._curl
        curl.setopt(pycurl.URL, url)
        if more != self._more:
            curl.setopt(pycurl.HTTPHEADER, [*self._head, *more])
            self._more = more
        if body is None:
            curl.setopt(pycurl.HTTPGET, 1)
        else:
            curl.setopt(pycurl.POSTFIELDS, body)
        curl.setopt(pycurl.TIMEOUT_MS, max(0, int(limit_s * 1000)) + 1)  # never early; 0 is never
        # Only the main thread sees Ctrl-C, and in libcurl only when it is asked how far it is.
        curl.setopt(pycurl.NOPROGRESS, threading.current_thread() is not threading.main_thread())
        try:
            reply: bytes = curl.perform_rb()
            status = curl.getinfo(pycurl.RESPONSE_CODE)
            if status == 200 and reply[:1] == b"{":  # most likely all is well
                return Answer(status, reply)
            return Answer(
                status,
                reply,
                curl.getinfo(pycurl.CONTENT_TYPE) or "no content type",
                curl.getinfo(pycurl.RETRY_AFTER),
            )
        except pycurl.error as error:
            code, reason = error.args
            kind = Untrusted if code in _UNTRUSTED else Broken
            late = code == pycurl.E_OPERATION_TIMEDOUT
            raise (TimedOut if late else kind)(reason or f"libcurl error {code}") from None

    def drop(self) -> None:
        """Break it off, from any thread: an exchange that is under way raises `Broken`."""
        with self._lock:
            self._dropped = True
            for number in self._sockets:
                other = socket.socket(fileno=number)
                with suppress(OSError):  # not connected yet
                    other.shutdown(socket.SHUT_RDWR)
                other.detach()

    def close(self) -> None:
        """End it; not while an exchange is under way."""
        self._curl.close()

    def _opened(self, number: int, _: int) -> int:
        with self._lock:
            if self._dropped:
                return int(pycurl.SOCKOPT_ERROR)
            self._sockets.add(number)
        return int(pycurl.SOCKOPT_OK)

    def _close(self, number: int) -> int:
        with self._lock:  # never between another thread's look at the number and its use of it
            self._sockets.discard(number)
            os.close(number)
        return 0


def _go_on(*_: float) -> bool:
    return False

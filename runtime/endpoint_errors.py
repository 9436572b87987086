"""The typed failures of an endpoint.

EndpointError
├── Unreachable      no connection, or the deadline passed while retrying
├── Overloaded       it answered 429, 503 or a gateway's 502 or 504 until the deadline
├── Failing          it answered another 5xx again and again
├── Misread          it answered 200 with something that is no reply of SGLang's
├── Rejected         a 4xx that is never retried: this request is wrong
│   ├── Denied       401, 403 or 407: it wants a key, or another one
│   └── Missing      3xx, 404 or 405: there is no SGLang server at this URL
├── Aborted          the server or the user aborted this request
└── Closed           the client was shut down while the request was in flight
LaunchError          a server of ours did not start; carries its own last lines
"""

from __future__ import annotations


class EndpointError(Exception):
    """A request to an endpoint failed; `url` names the endpoint.

    With `at_fault` it is the endpoint that fails, whatever it is asked, and a search ends at once;
    else it is this request, and a search goes on without it.
    """

    def __init__(self, message: str, *, url: str = "", at_fault: bool = False) -> None:
        super().__init__(message)
        self.url = url
        self.at_fault = at_fault


class Unreachable(EndpointError):
    """No connection, or the deadline passed while retrying."""


class Overloaded(EndpointError):
    """The server had no room until the deadline."""


class Failing(EndpointError):
    """The server answered 5xx again and again."""


class Misread(EndpointError):
    """A 200 that is no reply of SGLang's."""


class Rejected(EndpointError):
    """The server answered 4xx; asking again would not help."""


class Denied(Rejected):
    """The server wants a key, or another one."""


class Missing(Rejected):
    """The server does not know the path."""


class Aborted(EndpointError):
    """The request was aborted on the server."""


class Closed(EndpointError):
    """The client was shut down while the request was in flight."""


class LaunchError(Exception):
    """A server that `sal` started did not become ready; `tail` holds its last lines."""

    def __init__(self, message: str, *, tail: str = "") -> None:
        super().__init__(message)
        self.tail = tail


def error_of(status: int) -> type[EndpointError]:
    """What a status other than 200 means."""
    if status in (401, 403, 407):
        return Denied
    if status in (408, 425, 429, 502, 503, 504):
        return Overloaded
    if status < 400 or status in (404, 405):
        return Missing
    return Rejected if status < 500 else Failing

"""The typed failures of an endpoint.

EndpointError
├── Unreachable      no connection, or the deadline passed while retrying
├── Rejected         the server answered 4xx: the request itself is wrong (never retried)
├── Overloaded       the queue stayed full (503) until the deadline
├── Aborted          the server or the user aborted this request
└── Closed           the client was shut down while the request was in flight
LaunchError          a server of ours did not start; carries its own last lines
"""

from __future__ import annotations


class EndpointError(Exception):
    """A request to an endpoint failed; `url` names the endpoint."""

    def __init__(self, message: str, *, url: str = "") -> None:
        super().__init__(message)
        self.url = url


class Unreachable(EndpointError):
    """No connection, or the deadline passed while retrying."""


class Rejected(EndpointError):
    """The server answered 4xx; asking again would not help."""


class Overloaded(EndpointError):
    """The server's queue stayed full until the deadline."""


class Aborted(EndpointError):
    """The request was aborted on the server."""


class Closed(EndpointError):
    """The client was shut down while the request was in flight."""


class LaunchError(Exception):
    """A server that `sal` started did not become ready; `tail` holds its last lines."""

    def __init__(self, message: str, *, tail: str = "") -> None:
        super().__init__(message)
        self.tail = tail

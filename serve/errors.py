"""What the gateway refuses, in the shape of OpenAI's errors."""

from __future__ import annotations

import re
from typing import Any

_URL = re.compile(r"https?://[^\s:/]+(:\d+)?(/\S*)?")


class ApiError(Exception):
    """An answer other than 200; `param` names the field of the request that is at fault."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type: str = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.type = type
        self.param = param
        self.code = code
        self.retry_after = retry_after

    def body(self) -> dict[str, Any]:
        """`{"error": {...}}`, with the four fields that clients read."""
        return {
            "error": {
                "message": str(self),
                "type": self.type,
                "param": self.param,
                "code": self.code,
            }
        }


def wrong(param: str, message: str, code: str | None = None) -> ApiError:
    """A field of the request that cannot be as it is."""
    return ApiError(400, f"{param}: {message}", param=param, code=code)


def unsupported(param: str, instead: str) -> ApiError:
    """What a search does not do; `instead` says where it is to be had."""
    return wrong(param, f"a search does not do this; {instead}", "unsupported_parameter")


def no_model(name: str) -> ApiError:
    """A model that is not there."""
    message = f"The model {name!r:.100} does not exist; GET /v1/models lists those that do."
    return ApiError(404, message, param="model", code="model_not_found")


def unavailable(message: str, *, status: int = 503, code: str = "engine_unavailable") -> ApiError:
    """What the engines do not do now."""
    return ApiError(status, message, type="server_error", code=code)


def too_many(message: str, retry_after: float, code: str = "rate_limit_exceeded") -> ApiError:
    """Too much for now; `retry_after` is in seconds."""
    return ApiError(429, message, type="rate_limit_error", code=code, retry_after=retry_after)


def without_urls(text: str) -> str:
    """Where the engines are is nobody's business."""
    return _URL.sub("the engine", text)

"""Says what a failed Messages call means.

Invariant: the type and code that the server gives decide; its words are shown to the person, and are looked at only to
recognise a prompt that is too long, for which there is no code.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from llmos.adapters.anthropic_stream import MalformedEvent
from llmos.core.dataclass import dataclass
from llmos.core.errors import ModelErrorKind

_SPEND_LIMITS = frozenset(
    {"enforced_spend_limit_reached", "contract_spend_limit_reached", "linked_organization_spend_limit_reached"}
)
_OVERFLOW_CODES = frozenset({"model_context_window_exceeded", "context_length_exceeded", "prompt_too_long"})
_OVERFLOW_WORDS = re.compile(r"prompt is too long|context (window|length|limit)|maximum context", re.IGNORECASE)
_BY_TYPE = {
    "rate_limit_error": ModelErrorKind.RATE_LIMIT,
    "overloaded_error": ModelErrorKind.OVERLOADED,
    "api_error": ModelErrorKind.SERVER,
    "timeout_error": ModelErrorKind.TIMEOUT,
    "conflict_error": ModelErrorKind.SERVER,
    "authentication_error": ModelErrorKind.AUTHENTICATION,
    "permission_error": ModelErrorKind.AUTHENTICATION,
    "billing_error": ModelErrorKind.BILLING,
}
_BY_STATUS = {
    401: ModelErrorKind.AUTHENTICATION,
    402: ModelErrorKind.BILLING,
    403: ModelErrorKind.AUTHENTICATION,
    408: ModelErrorKind.TIMEOUT,
    409: ModelErrorKind.SERVER,
    413: ModelErrorKind.CONTEXT_OVERFLOW,
    429: ModelErrorKind.RATE_LIMIT,
    504: ModelErrorKind.TIMEOUT,
    529: ModelErrorKind.OVERLOADED,
}


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed attempt. `answered` is False when the server cannot have charged anything for it."""

    kind: ModelErrorKind
    message: str
    retryable: bool | None = None
    """None leaves it to the kind."""
    retry_after_s: float | None = None
    answered: bool = False
    """The request may have been worked on, so it may be charged."""


def classify(error: BaseException, *, payer: str, idle_timeout_s: float) -> Failure | None:
    """What `error` means; None when it does not come from the call (then it is a bug and must not be hidden)."""
    import anthropic
    import httpx2

    if isinstance(error, anthropic.APIStatusError):
        return _from_status(error, payer)
    silence = Failure(
        ModelErrorKind.TIMEOUT, f"The model server sent nothing for {idle_timeout_s:g} seconds.", answered=True
    )
    if isinstance(error, anthropic.APIConnectionError):
        return _from_connection(error, silence)
    if isinstance(error, httpx2.TimeoutException):
        return silence
    if isinstance(error, TimeoutError):
        return Failure(
            ModelErrorKind.TIMEOUT, "The model server kept the connection but stopped answering.", answered=True
        )
    if isinstance(error, (httpx2.TransportError, httpx2.StreamError)):
        return Failure(
            ModelErrorKind.CONNECTION, "The connection to the model server broke during the answer.", answered=True
        )
    if isinstance(error, (MalformedEvent, json.JSONDecodeError, UnicodeDecodeError, anthropic.APIError)):
        return Failure(
            ModelErrorKind.INCOMPLETE, "The model server sent something that is not a valid answer.", answered=True
        )
    if isinstance(error, anthropic.CredentialsError) or _is_missing_credential(error):
        return Failure(
            ModelErrorKind.AUTHENTICATION,
            f"No credential for the model server ({payer}); set ANTHROPIC_API_KEY.",
        )
    return None


def _is_missing_credential(error: BaseException) -> bool:
    # The SDK has no class of its own for this case.
    return isinstance(error, TypeError) and "authentication" in str(error)


def _from_connection(error: Any, silence: Failure) -> Failure:
    import anthropic
    import httpx2

    cause = error.__cause__
    if isinstance(cause, (httpx2.UnsupportedProtocol, httpx2.InvalidURL, httpx2.LocalProtocolError)):
        return Failure(
            ModelErrorKind.CONNECTION,
            f"The address or a header of the model server is not valid ({one_line(str(cause))}); "
            "check ANTHROPIC_BASE_URL and the credential.",
            retryable=False,
        )
    if isinstance(cause, (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)):
        host = error.request.url.host
        return Failure(ModelErrorKind.CONNECTION, f"No connection to the model server at {host}.")
    if isinstance(error, anthropic.APITimeoutError):
        return silence
    return Failure(
        ModelErrorKind.CONNECTION, "The connection to the model server broke before the answer.", answered=True
    )


def _from_status(error: Any, payer: str) -> Failure:
    kind = _kind(error)
    headers = error.response.headers
    # A status error in place of the answer is free; one inside a stream (status 200) comes after work was done.
    answered = error.status_code < 400
    retryable = False if headers.get("x-should-retry") == "false" else None
    return Failure(
        kind,
        _sentence(kind, error, payer),
        retryable=retryable,
        retry_after_s=_seconds(headers.get("retry-after")) if not answered else None,
        answered=answered,
    )


def _kind(error: Any) -> ModelErrorKind:
    if error.error_code in _SPEND_LIMITS:
        return ModelErrorKind.BILLING
    if error.error_code in _OVERFLOW_CODES or error.status_code == 413:
        return ModelErrorKind.CONTEXT_OVERFLOW
    if (kind := _BY_TYPE.get(error.type or "")) is not None:
        return kind
    if error.status_code == 400 and _OVERFLOW_WORDS.search(error.api_message or ""):
        return ModelErrorKind.CONTEXT_OVERFLOW
    if (kind := _BY_STATUS.get(error.status_code)) is not None:
        return kind
    # An error inside a stream whose type this version does not know is the server's, not the request's.
    broke_stream = error.status_code < 400 and error.type not in ("invalid_request_error", "not_found_error")
    return ModelErrorKind.SERVER if error.status_code >= 500 or broke_stream else ModelErrorKind.BAD_REQUEST


def _sentence(kind: ModelErrorKind, error: Any, payer: str) -> str:
    said = one_line(error.api_message or f"status {error.status_code}")
    opening = {
        ModelErrorKind.RATE_LIMIT: f"The rate limit of {payer} is reached",
        ModelErrorKind.OVERLOADED: "The model server is overloaded",
        ModelErrorKind.TIMEOUT: "The model server ran out of time",
        ModelErrorKind.AUTHENTICATION: f"The model server refused the credential ({payer})",
        ModelErrorKind.BILLING: f"The model server refuses to bill {payer}",
        ModelErrorKind.CONTEXT_OVERFLOW: "The conversation is too long for the model",
        ModelErrorKind.BAD_REQUEST: "The model server refused the request",
    }.get(kind, "The model server failed")
    return f"{opening}: {said}"


def one_line(text: str, limit: int = 300) -> str:
    """A server's words, safe to print: one line, no control characters, not longer than `limit`."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    line = line if len(line) <= limit else line[: limit - 1].rstrip() + "…"
    return line if line.endswith((".", "!", "?", "…")) else line + "."


def _seconds(value: str | None) -> float | None:
    try:
        seconds = float(value or "")
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None

"""Errors by audience, and the exit codes.

LlmosError                 the person: one sentence that names the cause and the way out, and an exit code
├── UsageError             the words of the command or the goal are off
├── ConfigError            a setting or config file is off; names file and line
├── StoreError             the record cannot be read or written (permission, disk full, newer format)
├── NoModelError           no model can answer; names the ways out
│   └── OfflineError       none may be asked
├── NoSandboxError         commands must be held back, and nothing here can
├── WorkerLostError        a worker of a batch is gone in the middle of a goal
├── BudgetError            the cap does not allow the next model call
└── ModelError             a model call failed; says whether trying again can help
ToolError                  the model: text that it may act on
"""

from __future__ import annotations

from enum import IntEnum, StrEnum


class ExitStatus(IntEnum):
    """What the `llmos` command tells the shell. Documented in README.md; values never change meaning."""

    OK = 0
    FAILED = 1
    BAD_USAGE = 2
    UNVERIFIED = 3
    DENIED = 4
    OVER_BUDGET = 5
    NO_MODEL = 6
    BAD_CONFIG = 7
    STORE = 8
    DIVERGED = 9
    MODEL_FAILED = 10
    OFFLINE = 11
    NO_SANDBOX = 12
    INTERRUPTED = 130


class LlmosError(Exception):
    """Base of everything a person is told in one sentence."""

    exit_status = ExitStatus.FAILED


class UsageError(LlmosError):
    exit_status = ExitStatus.BAD_USAGE


class ConfigError(LlmosError):
    exit_status = ExitStatus.BAD_CONFIG


class StoreError(LlmosError):
    exit_status = ExitStatus.STORE


class NoModelError(LlmosError):
    exit_status = ExitStatus.NO_MODEL


class OfflineError(NoModelError):
    """A model would be needed, and none may be asked."""

    exit_status = ExitStatus.OFFLINE


class NoSandboxError(LlmosError):
    exit_status = ExitStatus.NO_SANDBOX


class WorkerLostError(LlmosError):
    """What a goal ran on is gone; how far the goal had come stands in its transcript."""

    def __init__(self, worker: str, why: str) -> None:
        super().__init__(f"the worker {worker} was lost ({why})")
        self.worker = worker


class ChannelLostError(LlmosError):
    """What an agent in another process said is said no more; the text says why."""


class AgentLostError(LlmosError):
    """The process of an agent is gone; the sentence says what it had done and what is not known."""


class BudgetError(LlmosError):
    exit_status = ExitStatus.OVER_BUDGET


class ModelErrorKind(StrEnum):
    """What went wrong between llmos and a model; decides whether a retry can help."""

    RATE_LIMIT = "rate_limit"
    OVERLOADED = "overloaded"
    CONNECTION = "connection"
    TIMEOUT = "timeout"
    INCOMPLETE = "incomplete_stream"
    SERVER = "server_error"
    AUTHENTICATION = "authentication"
    BILLING = "billing"
    BAD_REQUEST = "bad_request"
    CONTEXT_OVERFLOW = "context_overflow"
    RUNTIME = "runtime"


RETRYABLE = frozenset(
    {
        ModelErrorKind.RATE_LIMIT,
        ModelErrorKind.OVERLOADED,
        ModelErrorKind.CONNECTION,
        ModelErrorKind.TIMEOUT,
        ModelErrorKind.INCOMPLETE,
        ModelErrorKind.SERVER,
    }
)


class ModelError(LlmosError):
    """One attempt at a model call failed.

    `retry_after_s` is what the server asked for, in seconds, or None. `cost_usd` is what the attempt is charged:
    an upper estimate when the stream broke, 0.0 when nothing was accepted, None when the price is unknown.
    """

    exit_status = ExitStatus.MODEL_FAILED

    def __init__(
        self,
        kind: ModelErrorKind,
        message: str,
        *,
        retryable: bool | None = None,
        retry_after_s: float | None = None,
        cost_usd: float | None = 0.0,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.retryable = kind in RETRYABLE if retryable is None else retryable
        self.retry_after_s = retry_after_s
        self.cost_usd = cost_usd


class ToolError(Exception):
    """A tool could not do what was asked; the text is for the model, which may try something else."""

"""Whether the Messages API can be reached and serves a model: one GET, which costs nothing."""

from __future__ import annotations

from llmos.adapters.anthropic_errors import classify
from llmos.core.errors import ModelError


async def require_served(model: str, *, payer: str, base_url: str | None, timeout_s: float = 10.0) -> None:
    """Ask the server for the model. Raises ModelError with one sentence when it does not answer or has no such one."""
    import anthropic

    client = anthropic.AsyncAnthropic(base_url=base_url, max_retries=0, timeout=timeout_s)
    try:
        await client.models.retrieve(model)
    except Exception as error:
        failure = classify(error, payer=payer, idle_timeout_s=timeout_s)
        if failure is None:
            raise
        raise ModelError(failure.kind, failure.message, cost_usd=0.0) from error
    finally:
        await client.close()

"""What an Anthropic response costs: the user's own prices first, then the genai-prices table.

Invariant: a model that neither knows has the cost None, never zero. Each response is priced by itself, because some
prices depend on the size of a single request.
"""

from __future__ import annotations

from collections.abc import Mapping

from llmos.core.messages import Usage
from llmos.core.prices import ModelPrice


def response_cost_usd(models: tuple[str, ...], usage: Usage, overrides: Mapping[str, ModelPrice]) -> float | None:
    """The cost in US dollars under the first of `models` whose price is known; None when none is."""
    for model in models:
        if (price := overrides.get(model)) is not None:
            return price.cost_usd(usage)
    for model in models:
        if (cost := _table_cost_usd(model, usage)) is not None:
            return cost
    return None


def upper_bound_usd(
    model: str, input_tokens: int, output_tokens: int, overrides: Mapping[str, ModelPrice]
) -> float | None:
    """The most that so many tokens can cost, whether the input is written to the cache or not; None if unknown."""
    if (price := overrides.get(model)) is not None:
        return price.upper_bound_usd(input_tokens, output_tokens)
    plain = _table_cost_usd(model, Usage(input_tokens=input_tokens, output_tokens=output_tokens))
    cached = _table_cost_usd(model, Usage(cache_write_tokens=input_tokens, output_tokens=output_tokens))
    return None if plain is None or cached is None else max(plain, cached)


def _table_cost_usd(model: str, usage: Usage) -> float | None:
    from genai_prices import Usage as TableUsage
    from genai_prices import calc_price

    tokens = TableUsage(
        # The table counts cached tokens as part of the input; ours, like the API's, do not.
        input_tokens=usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens,
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        output_tokens=usage.output_tokens,
    )
    try:
        return float(calc_price(tokens, model_ref=model, provider_id="anthropic").total_price)
    except LookupError:
        return None

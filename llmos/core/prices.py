"""What a model costs, as a value.

Invariant: a price is a finite number of zero or more; an unknown price has no value here and is never taken as zero.
"""

from __future__ import annotations

import math
from dataclasses import fields

from llmos.core.dataclass import dataclass
from llmos.core.errors import ConfigError
from llmos.core.messages import Usage

_MILLION = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPrice:
    """US dollars per million tokens. Raises ConfigError for a negative, infinite or undefined price."""

    input: float
    output: float
    cache_read: float
    cache_write: float

    def __post_init__(self) -> None:
        for item in fields(self):
            price = getattr(self, item.name)
            if not (math.isfinite(price) and price >= 0):
                raise ConfigError(
                    f"The price `{item.name}` must be US dollars per million tokens, 0 or more; it is {price!r}."
                )

    def cost_usd(self, usage: Usage) -> float:
        """What this usage costs, in US dollars."""
        return (
            usage.input_tokens * self.input
            + usage.output_tokens * self.output
            + usage.cache_read_tokens * self.cache_read
            + usage.cache_write_tokens * self.cache_write
        ) / _MILLION

    def upper_bound_usd(self, input_tokens: int, output_tokens: int) -> float:
        """The most that so many tokens can cost, however the input is cached."""
        return (input_tokens * max(self.input, self.cache_write) + output_tokens * self.output) / _MILLION

"""The redactor of this process: what memory/codec sends every record through on its way to the disk."""

from __future__ import annotations

import os
from functools import lru_cache

from llmos.core.redact import Redactor
from llmos.core.redact_rules import SECRET_VARIABLE


def redactor() -> Redactor:
    """It knows the values that secret-named variables of the environment have now."""
    return _redactor(tuple(item for item in os.environ.items() if SECRET_VARIABLE.search(item[0])))


@lru_cache(maxsize=4)
def _redactor(secrets: tuple[tuple[str, str], ...]) -> Redactor:
    return Redactor.of_environment(dict(secrets))

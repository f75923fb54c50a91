"""The redactor of this process: what memory/codec sends every record through on its way to the disk."""

from __future__ import annotations

import os
from functools import lru_cache

from llmos.core.redact import Redactor
from llmos.core.redact_rules import SECRET_VARIABLE


def redactor() -> Redactor:
    """It knows the values that secret-named variables of the environment have now."""
    names = [name for name in os.environ if _says_secret(name)]
    return _redactor(tuple((name, os.environ[name]) for name in names))


@lru_cache(maxsize=1024)
def _says_secret(name: str) -> bool:
    return SECRET_VARIABLE.search(name) is not None


@lru_cache(maxsize=4)
def _redactor(secrets: tuple[tuple[str, str], ...]) -> Redactor:
    return Redactor.of_environment(dict(secrets))

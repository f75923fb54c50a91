"""The keys under which the trace index files a goal."""

from __future__ import annotations

import hashlib
import json

from llmos.core.wording import analyse


def words_key(goal: str) -> str:
    """32 hex digits that two goals share when they have the same canonical words and as many values."""
    text = json.dumps(analyse(goal).key)
    return hashlib.sha256(text.encode()).hexdigest()[:32]

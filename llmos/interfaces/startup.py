"""Starting: quickly, and somewhere.

Nothing that is imported is garbage, so looking for it meanwhile costs a sixth of a start.
"""

from __future__ import annotations

import gc
from pathlib import Path

from llmos.core.errors import UsageError


def collect_later() -> None:
    """Until `collect_again` no cycles are looked for; a command that only lists ends before it would matter."""
    gc.disable()


def collect_again() -> None:
    """From here on cycles are collected; what was made so far is taken to stay."""
    gc.freeze()
    gc.enable()


def working_folder() -> Path:
    """Raises UsageError where the current folder was deleted."""
    try:
        return Path.cwd()
    except OSError:
        raise UsageError("the current folder does not exist any more; change to one that does") from None

"""Starting quickly: nothing that is imported is garbage, so looking for it meanwhile costs a sixth of a start."""

from __future__ import annotations

import gc


def collect_later() -> None:
    """Until `collect_again` no cycles are looked for; a command that only lists ends before it would matter."""
    gc.disable()


def collect_again() -> None:
    """From here on cycles are collected; what was made so far is taken to stay."""
    gc.freeze()
    gc.enable()

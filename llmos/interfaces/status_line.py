"""The bar below the prompt, as a pure function of a value: one line that says less where there is less room.

Invariant: whatever the width, the permission mode and a failure of memory are on it, and each fact is in words.
"""

from __future__ import annotations

from collections.abc import Iterator

from rich.cells import cell_len

from llmos.core.dataclass import dataclass
from llmos.interfaces.call_view import money
from llmos.interfaces.layout import cut
from llmos.interfaces.printable import one_line

_SEPARATOR = " · "


@dataclass(frozen=True, slots=True)
class Status:
    """What the bar tells. An owner of a further fact adds a field here and its forms in `_parts`."""

    mode: str
    """The permission mode in words."""
    cwd: str
    model: str = ""
    """Empty: there is none."""
    payer: str = ""
    cost_usd: float = 0.0
    saved_usd: float = 0.0
    context_tokens: int = 0
    """What the last model call of the conversation read and wrote."""
    context_limit: int = 0
    """0: not known."""
    to_core: int = 0
    """Messages until the next update of the core blocks; 0: it is due."""
    to_archival: int = 0
    sandbox: str = ""
    memory_failure: str = ""
    hint: str = ""
    """What a key just said, such as that Ctrl-C once more leaves; it stands first while it holds."""


def status_line(status: Status, width: int) -> str:
    """The facts in one line of at most `width` columns."""
    parts = _parts(status)
    forms = [0] * len(parts)
    for at in _shrinking(parts):
        line = _joined(parts, forms)
        if cell_len(line) <= width:
            return line
        forms[at] += 1
    return cut(_joined(parts, forms), width)


@dataclass(frozen=True, slots=True)
class _Part:
    """One fact from its longest form to its shortest; where a form is empty the fact is left out.

    A form that stands twice holds out for longer.
    The lowest `rank` gives way first.
    """

    rank: int
    forms: tuple[str, ...]


def _parts(status: Status) -> list[_Part]:
    """In the order in which they stand."""
    cost, saved = money(status.cost_usd), money(status.saved_usd)
    return [
        _Part(9, (status.hint,)),
        _Part(8, (f"memory failed: {status.memory_failure}", "memory failed") if status.memory_failure else ("",)),
        _Part(9, (*[f"mode: {status.mode}"] * 3, status.mode)),
        _Part(5, _model(status)),
        _Part(7, (*[f"cost {cost}, saved {saved}"] * 2, f"cost {cost}", cost)),
        _Part(3, _context(status)),
        _Part(2, _updates(status)),
        _Part(4, _folder(status.cwd)),
        _Part(1, (f"sandbox: {status.sandbox}", "") if status.sandbox else ("",)),
    ]


def _model(status: Status) -> tuple[str, ...]:
    if not status.model:
        return ("no model: replays only", "no model", "")
    name = status.model
    short = name.removeprefix("claude-")
    return (f"{name}, paid by {status.payer}", name, short, cut(short, 12), "")


def _context(status: Status) -> tuple[str, ...]:
    if not status.context_tokens:
        return ("",)
    used = _thousands(status.context_tokens)
    if not status.context_limit:
        return (f"context {used} tokens", "")
    share = f"{100 * status.context_tokens / status.context_limit:.0f} %"
    return (f"context {share} of {_thousands(status.context_limit)}", f"context {share}", "")


def _updates(status: Status) -> tuple[str, ...]:
    core, archival = (f"in {left}" if left else "due" for left in (status.to_core, status.to_archival))
    unit = " messages" if status.to_archival else ""
    return (f"core memory {core}, archival {archival}{unit}", f"core {core}, archival {archival}", "")


def _folder(cwd: str) -> tuple[str, ...]:
    name = cwd.rpartition("/")[2]
    return (cwd, f"…/{name}", "") if name not in (cwd, "") else (cwd, "")


def _thousands(tokens: int) -> str:
    return str(tokens) if tokens < 1000 else f"{tokens / 1000:.0f}k"


def _shrinking(parts: list[_Part]) -> Iterator[int]:
    """Which part takes its next shorter form: each one once, the lowest rank first, then each one again."""
    by_rank = sorted(range(len(parts)), key=lambda at: parts[at].rank)
    for step in range(1, max(len(part.forms) for part in parts)):
        yield from (at for at in by_rank if len(parts[at].forms) > step)


def _joined(parts: list[_Part], forms: list[int]) -> str:
    shown = (part.forms[form] for part, form in zip(parts, forms, strict=True))
    return one_line(_SEPARATOR.join(one for one in shown if one))

"""`llmos doctor --repair`: does what `llmos doctor` says would be done about the files of the record, and says each."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from llmos.app import App
from llmos.core.dataclass import dataclass
from llmos.core.errors import LlmosError
from llmos.interfaces.actions_memory_change import forgetting
from llmos.interfaces.layout import pairs
from llmos.interfaces.printable import one_line
from llmos.memory.files import os_cause, show_path
from llmos.memory.repair import Repairs


@dataclass(frozen=True, slots=True)
class Repaired:
    """One thing that was wrong, and a sentence on what was done, or why it could not be."""

    what: str
    path: str
    why: str
    done: str
    ok: bool


def repairs_of(app: App) -> Repairs:
    return Repairs(app.workspace, app.clock, Path(tempfile.gettempdir()), lambda: forgetting(app).finish())


def repair(app: App, redact: Callable[[str], str]) -> list[Repaired]:
    """Do all that is to be done; what fails stops nothing else."""
    made = []
    for one in repairs_of(app).find():
        try:
            done, ok = one.do(), True
        except LlmosError as error:
            done, ok = str(error), False
        except OSError as error:
            done, ok = f"{show_path(one.path)} could not be repaired: {os_cause(error)}", False
        made.append(Repaired(one.what, redact(show_path(one.path)), redact(one.why), redact(done), ok))
    return made


def lines(made: Sequence[Repaired], width: int) -> list[str]:
    """What was done, for a screen of `width` columns."""
    rows = [(f"{'ok  ' if one.ok else 'FAIL'} {one.what}", one_line(one.done)) for one in made]
    if not rows:
        return ["nothing had to be repaired"]
    failed = sum(not one.ok for one in made)
    return [*pairs(rows, width), "", f"{len(made) - failed} repaired, {failed} could not be"]


def restore_hints(app: App, redact: Callable[[str], str]) -> Iterator[str]:
    """For each file in quarantine the command that brings it back."""
    for path, was, why in repairs_of(app).quarantined():
        if os.path.lexists(was):
            hint = f"{why}: it was mended; as it was it is {show_path(path)}"
        else:
            hint = f"{why}: mend it, then `mv {show_path(path)} {show_path(was)}`"
        yield redact(hint)

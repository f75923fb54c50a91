"""macOS: sandbox-exec, behind the same port. Untested: it was written from the documentation and never ran.

Apple calls the program deprecated and offers nothing else to a command line.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from llmos.adapters.sandbox_env import clean_environment
from llmos.adapters.sandbox_guard import watch
from llmos.adapters.sandbox_layout import Layout, layout
from llmos.core.sandbox import SEATBELT, Confinement, Launch, SandboxTier

SANDBOX_EXEC = "/usr/bin/sandbox-exec"


class Seatbelt:
    """The Sandbox port. `private` is a folder of this session's own, named to commands by TMPDIR."""

    tier: SandboxTier = SEATBELT

    def __init__(self, private: Path) -> None:
        self._private = private

    def beside(self, private: Path) -> Seatbelt:
        """The same for another session."""
        return Seatbelt(private)

    @contextmanager
    def launch(self, argv: Sequence[str], confinement: Confinement) -> Iterator[Launch]:
        plan = layout(confinement, exceptions=True)
        guard = watch(plan.watched, plan.writable)
        private = Path(os.path.realpath(self._private))
        env = clean_environment(os.environ, temporary=private, also=confinement.env_names, network=confinement.network)
        rules = profile(plan, private, network=confinement.network)
        launch = Launch([SANDBOX_EXEC, "-p", rules, *argv], env)
        try:
            yield launch
        finally:
            launch.undone += guard.put_back()


def profile(plan: Layout, private: Path, *, network: bool) -> str:
    """The profile in the language of sandbox-exec; of the rules that match, the last one holds."""
    lines = [
        "(version 1)",
        "(allow default)",
        "(deny file-write*)",
        '(allow file-write* (literal "/dev/null") (literal "/dev/zero"))',
        *(f"(allow file-write* (subpath {_quoted(path)}))" for path in (*plan.writable, private)),
        *(f"(deny file-write* (subpath {_quoted(path)}))" for path in (*plan.fixed, *plan.watched)),
        *(f"(deny file-read* file-write* (subpath {_quoted(path)}))" for path in plan.hidden),
        "(deny process-info* (target others))",
        "(deny signal (target others))",
        "(allow signal (target children))",
        '(deny mach-lookup (global-name-regex #"^com\\.apple\\.(security|pasteboard|coreservices\\.appleevents)"))',
    ]
    if not network:
        lines.append("(deny network*)")
    return "\n".join(lines)


def _quoted(path: Path) -> str:
    text = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'

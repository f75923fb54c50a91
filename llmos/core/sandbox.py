"""How far what a tool runs is held back by the system, beyond the permission gate."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SandboxTier:
    """`name` is one word; `holds` says in a sentence what it keeps commands from; `isolates` whether it does at all."""

    name: str
    holds: str
    isolates: bool


NO_SANDBOX = SandboxTier(
    "none yet", "commands run with your own rights; the permission gate asks before they do", isolates=False
)

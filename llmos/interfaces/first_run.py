"""What a person is told the first time: what is ready, where things are, what to type. No questions. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from llmos.core.dataclass import dataclass
from llmos.interfaces.call_view import model_words, money

_TEXT_FILE = re.compile(r"[A-Za-z0-9][\w-]*\.(?:md|txt|csv|py|log|js|ts|go|rs|c|h|java|toml|json|ya?ml)")
_SANDBOX_WORDS = {
    "none": "no sandbox works here (/doctor)",
    "off": "the sandbox is off (settings)",
}


@dataclass(frozen=True, slots=True)
class FirstRun:
    model: str
    """Empty: none can answer."""
    payer: str
    small: bool
    cap_usd: float
    asks: str
    """The permission mode in words."""
    sandbox: str
    """What holds commands back, in a word."""
    workspace: str
    example: str
    """A goal to begin with."""


def example_goal(files: Iterable[str]) -> str:
    """Something to ask that every model can do here and that can be replayed: about one of these files."""
    plain = sorted(name for name in files if _TEXT_FILE.fullmatch(name))
    return f"how many lines are in {plain[0]}?" if plain else "create a folder called demo"


def first_run_rows(found: FirstRun) -> list[tuple[str, str]]:
    """Label and value of each line of the panel; a label stands at the first of its values."""
    held = _SANDBOX_WORDS.get(found.sandbox, f"commands are sandboxed ({found.sandbox})")
    return [
        *_model_rows(found),
        ("safety", f"{found.asks}; {held}"),
        ("files", f"{found.workspace}, readable by you alone; no telemetry"),
        ("try", found.example),
        ("", "then the same with another name: replayed, checked, and free"),
        ("keys", "? lists the keys · /help lists the commands · Ctrl+D leaves"),
    ]


def _model_rows(found: FirstRun) -> list[tuple[str, str]]:
    if not found.model:
        return [
            ("model", "none yet. Two ways to get one:"),
            ("", "export ANTHROPIC_API_KEY=… and start llmos again"),
            ("", "pip install 'llmos[local]' && llmos models pull: free, on this machine, makes more mistakes"),
            ("works now", "replays of saved runs, /traces, /memory, /doctor, /dry-run"),
        ]
    cap = "" if found.small else f"; at most {money(found.cap_usd)} a goal"
    return [
        ("model", f"{model_words(found.model, found.payer, small=found.small)}{cap}"),
        ("", "another: /model NAME · for good: /config set --own model NAME"),
    ]

"""What a person is told the first time: what is ready, where things are, what to type. No questions. Pure."""

from __future__ import annotations

from llmos.core.dataclass import dataclass
from llmos.interfaces.call_view import money


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


EXAMPLE = "which three files here are the largest?"


def first_run_rows(found: FirstRun) -> list[tuple[str, str]]:
    """Label and value of each line of the panel; a label stands at the first of its values."""
    return [
        *_model_rows(found),
        ("safety", f"{found.asks}; sandbox: {found.sandbox} (/doctor says what it holds)"),
        ("kept in", f"{found.workspace}, which only you can read; there is no telemetry"),
        ("try", EXAMPLE),
        ("", "asked again later it is replayed: checked, and free"),
        ("keys", "? lists them · /help the commands · Ctrl+D leaves"),
    ]


def _model_rows(found: FirstRun) -> list[tuple[str, str]]:
    if not found.model:
        return [
            ("model", "none yet. Two ways to one:"),
            ("", "export ANTHROPIC_API_KEY=… and start llmos again"),
            ("", "pip install 'llmos[local]' && llmos models pull: on this machine, free, and it errs more"),
            ("works now", "replays of saved runs, /traces, /memory, /doctor, /dry-run"),
        ]
    limits = "it errs, so only what its tools did counts" if found.small else f"at most {money(found.cap_usd)} a goal"
    return [
        ("model", f"{found.model}, paid by {found.payer}; {limits}"),
        ("another", "llmos config set --own model NAME, or llmos --model NAME for once"),
    ]

"""`llmos traces`: what can be replayed, what a trace holds, and which ones to delete."""

from __future__ import annotations

import re
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmos.core.errors import UsageError
from llmos.interfaces.cli_shared import WorkspaceOption, open_app, say, write
from llmos.interfaces.printable import one_line

if TYPE_CHECKING:
    from llmos.core.trace import Trace, TraceHeader
    from llmos.memory.traces_sdk import TraceManager

app = typer.Typer(help="Saved runs: list, inspect, prune.", no_args_is_help=True, rich_markup_mode=None)

_AGE = re.compile(r"(\d{1,5})\s*([hdwy])")
_HOURS = {"h": 1, "d": 24, "w": 24 * 7, "y": 24 * 365}
_STATUS_WORDS = {
    "verified": "verified: the same goal is replayed",
    "guidance": "guidance: shown to a model, never replayed",
    "draft": "draft: kept to be read, never replayed",
}


@app.callback()
def traces() -> None:
    """Saved runs of this workspace."""


@app.command("list")
def list_traces(
    ctx: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array.")] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Drafts too: runs that failed or were not verified.")
    ] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """List the saved runs.

    With status, how often replayed, how often rightly and wrongly, when learned, and whether approved here.
    """
    opened = open_app(ctx, workspace)
    with closing(opened.traces) as manager:
        headers = manager.headers()
        shown = [header for header in headers if everything or header.status != "draft"]
        superseded = manager.superseded()
        rows = [_row(manager, header, superseded.get(header.id)) for header in shown]
        _tell_problems(manager)
    if as_json:
        from llmos.interfaces.output import json_line

        write("[" + ",\n ".join(json_line(row) for row in rows) + "]")
    else:
        _write_table(rows)
    if hidden := len(headers) - len(shown):
        say(f"{hidden} drafts are not shown; --all shows them")
    if not headers:
        say(f'no traces yet in {opened.workspace.traces}; `llmos run "..."` keeps what it learned there')


@app.command()
def inspect(
    ctx: typer.Context,
    identifier: Annotated[str, typer.Argument(metavar="ID", help="The id, or an unambiguous beginning of it.")],
    workspace: WorkspaceOption = None,
) -> None:
    """Show one saved run whole.

    What it needs, what each step does and must give, and how sure a replay is.
    """
    opened = open_app(ctx, workspace)
    with closing(opened.traces) as manager:
        trace = manager.load(identifier)
        for line in (*_header_lines(manager, trace), *_step_lines(trace), *_answer_lines(trace)):
            write(line)


@app.command()
def prune(
    ctx: typer.Context,
    older_than: Annotated[
        str | None, typer.Option("--older-than", metavar="AGE", help="Not used for so long: 12h, 90d, 8w, 1y.")
    ] = None,
    failures: Annotated[
        int | None,
        typer.Option("--failures", metavar="N", min=1, help="At least N wrong replays, and more than right ones."),
    ] = None,
    unused: Annotated[bool, typer.Option("--unused", help="Never replayed.")] = False,
    drafts: Annotated[bool, typer.Option("--drafts", help="Runs that failed or were not verified.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Delete them. Without it they are only listed.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Delete saved runs; without --yes only show which.

    \b
    Examples:
      llmos traces prune --older-than 90d
      llmos traces prune --drafts --failures 3 --yes
    """
    from llmos.core.prune import PruneRule

    rule = PruneRule(parse_age(older_than) if older_than else None, failures, unused, drafts)
    if rule.empty:
        raise UsageError("say which traces: --older-than AGE, --failures N, --unused or --drafts")
    opened = open_app(ctx, workspace)
    with closing(opened.traces) as manager:
        found = manager.to_prune(rule, datetime.now(UTC))
        for entry in found:
            write(f"{entry.header.id}\t{entry.reason}\t{one_line(entry.header.goal, 80)}")
        _tell_problems(manager)
        if not found:
            say("no trace matches; nothing to delete")
        elif yes:
            say(f"deleted {manager.prune(found)} traces")
        else:
            say(f"{len(found)} traces would be deleted; nothing was. --yes deletes them")


def parse_age(text: str) -> timedelta:
    """ "90d" and its like. Raises UsageError."""
    match = _AGE.fullmatch(text.strip().lower())
    if not match:
        raise UsageError(f"{one_line(text, 40)!r} is no age; write a number and h, d, w or y, such as 90d")
    return timedelta(hours=int(match[1]) * _HOURS[match[2]])


def _row(manager: TraceManager, header: TraceHeader, superseded_by: str | None) -> dict[str, Any]:
    from llmos.core.matching import replay_confidence

    outcomes = manager.outcomes(header.id)
    return {
        "id": header.id,
        "goal": header.goal,
        "status": header.status.value,
        "reason": header.reason,
        "used": outcomes.successes + outcomes.failures,
        "right": outcomes.successes,
        "wrong": outcomes.failures,
        "confidence": round(replay_confidence(outcomes), 4) if header.status == "verified" else None,
        "learned": header.learned.when,
        "last_used": outcomes.last_used or None,
        "mode": header.learned.mode,
        "model": header.learned.model,
        "cost_usd": header.learned.cost_usd,
        "approved": manager.approved(header.id),
        "superseded_by": superseded_by,
    }


def _write_table(rows: list[dict[str, Any]]) -> None:
    """Columns that align; tab-separated columns would not, and ids differ much in length."""
    if not rows:
        return
    cells = [("ID", "STATUS", "USED", "RIGHT", "WRONG", "LEARNED", "APPROVED", "GOAL")]
    cells += [
        (
            row["id"],
            "superseded" if row["superseded_by"] else row["status"],
            str(row["used"]),
            str(row["right"]),
            str(row["wrong"]),
            row["learned"][:10],
            "yes" if row["approved"] else "no",
            one_line(row["goal"], 100),
        )
        for row in rows
    ]
    widths = [max(len(line[column]) for line in cells) for column in range(7)]
    for line in cells:
        write("  ".join([*(f"{cell:<{width}}" for cell, width in zip(line[:7], widths, strict=True)), line[7]]))


def _tell_problems(manager: TraceManager) -> None:
    for problem in manager.problems():
        say(f"skipped: {problem}")


def _header_lines(manager: TraceManager, trace: Trace) -> list[str]:
    from llmos.core.matching import PRIOR_RIGHT, PRIOR_WRONG, replay_confidence
    from llmos.interfaces.call_view import money

    header = trace.header
    outcomes = manager.outcomes(header.id)
    learned = header.learned
    tools = ", ".join(f"{name} {version}" for name, version in sorted(header.tools.items()))
    why = f" ({header.reason})" if header.reason else ""
    last = outcomes.last_used or "never"
    confidence = (
        f"{replay_confidence(outcomes):.3f} that a replay is right: {outcomes.successes} right and {outcomes.failures} "
        f"wrong of its own, beside {PRIOR_RIGHT:g} and {PRIOR_WRONG:g} that a verified run starts with"
        if header.status == "verified"
        else "none: it is never replayed"
    )
    superseded = manager.superseded().get(header.id)
    lineage = [f"superseded  by {superseded}, so it is used no more"] if superseded else []
    lineage += [f"supersedes  {header.supersedes}"] if header.supersedes else []
    approved = "learned or approved here, unchanged" if manager.approved(header.id) else "not approved: never replayed"
    return [
        f"trace       {header.id}",
        f"goal        {one_line(header.goal)}",
        f"status      {_STATUS_WORDS[header.status.value]}{why}",
        f"origin      {approved}",
        *lineage,
        f"learned     {learned.when} · {learned.mode} · {learned.model or 'no model'} · {money(learned.cost_usd)}"
        f" · {learned.elapsed_s:.1f} s",
        f"replays     {outcomes.successes} right, {outcomes.failures} wrong, last {last}",
        f"confidence  {confidence}",
        f"tools       {tools or 'none'}",
    ]


def _step_lines(trace: Trace) -> list[str]:
    from dataclasses import asdict

    from llmos.interfaces.call_view import call_details, call_subject

    lines: list[str] = []
    for number, step in enumerate(trace.steps, start=1):
        lines.append(f"step {number}      {step.tool} ({step.effect.value})")
        lines += [f"    {line}" for line in call_subject(step.tool, step.args).split("\n")]
        lines += [f"    {line}" for line in call_details(step.tool, step.args)]
        lines += [f"    needs   {name}: {', '.join(paths)}" for name, paths in asdict(step.require).items() if paths]
        expect = step.expect
        wants = [f"output of the form {expect.output.value}"]
        if expect.exit_code is not None:
            wants.insert(0, f"exit code {expect.exit_code}")
        for word, paths in (("created", expect.created), ("changed", expect.changed), ("deleted", expect.deleted)):
            if paths:
                wants.append(f"{word} {', '.join(paths)}")
        lines.append(f"    expect  {'; '.join(wants)}")
        if step.saw:
            lines.append(f"    saw     {one_line(step.saw, 200)}")
    return lines


def _answer_lines(trace: Trace) -> list[str]:
    answer = trace.answer
    text = one_line(answer.text) if answer.text else "the files that changed"
    lines = [f"answer      {text}"]
    for number, value in enumerate(answer.values, start=1):
        part = "the whole output" if value.field is None else f"field {value.field + 1}"
        lines.append(f"    ${{{number}}} is {part} of step {value.step + 1}")
    return lines

"""A trace in words for a person: what it is, what it does, what it must give.

Invariant: with `whole` nothing that a replay would run or compare is left out, so that what is approved was shown.
"""

from __future__ import annotations

import difflib

from llmos.core.trace import Trace, TraceHeader, TraceStatus
from llmos.interfaces.call_view import DETAIL_LINES, call_details, call_subject, money
from llmos.interfaces.printable import one_line

STATUS_WORDS = {
    TraceStatus.VERIFIED: "verified: the same goal is replayed",
    TraceStatus.GUIDANCE: "guidance: shown to a model, never replayed",
    TraceStatus.DRAFT: "draft: kept to be read, never replayed",
}
_EVERY_LINE = 1_000_000
_SAW = 200


def head_pairs(
    header: TraceHeader, evidence: list[tuple[str, str]], origin: str, superseded_by: str | None = None
) -> list[tuple[str, str]]:
    """Label and value of each fact of a header; `evidence` holds those of its replays, `origin` says whether the file
    is approved."""
    learned = header.learned
    tools = ", ".join(f"{name} {version}" for name, version in sorted(header.tools.items()))
    why = f" ({header.reason})" if header.reason else ""
    lineage = [("superseded", f"by {superseded_by}, so it is used no more")] if superseded_by else []
    lineage += [("supersedes", one_line(header.supersedes))] if header.supersedes else []
    return [
        ("trace", header.id),
        ("goal", one_line(header.goal)),
        ("status", f"{STATUS_WORDS[header.status]}{one_line(why)}"),
        ("origin", origin),
        *lineage,
        (
            "learned",
            one_line(
                f"{learned.when} · {learned.mode} · {learned.model or 'no model'} · {money(learned.cost_usd)}"
                f" · {learned.elapsed_s:.1f} s"
            ),
        ),
        *evidence,
        ("tools", one_line(tools) or "none"),
        *([("sandbox", f"its commands were held by {one_line(header.sandbox)}")] if header.sandbox else []),
        *(("needs a yes", one_line(reason)) for reason in header.provenance),
    ]


def body_lines(trace: Trace, *, whole: bool = False) -> list[str]:
    """The steps and the answer; long texts are cut unless `whole`."""
    lines: list[str] = []
    for number, step in enumerate(trace.steps, start=1):
        lines.append(f"step {number}      {one_line(step.tool)} ({step.effect.value})")
        lines += [f"    {line}" for line in call_subject(step.tool, step.args).split("\n")]
        lines += [f"    {line}" for line in call_details(step.tool, step.args, _EVERY_LINE if whole else DETAIL_LINES)]
        needed = {"present": step.require.present, "absent": step.require.absent}
        lines += [f"    needs   {name}: {', '.join(paths)}" for name, paths in needed.items() if paths]
        if step.require.wait_s:
            lines.append(f"    waits   for what must be present; it took {step.require.wait_s:.1f} s when learned")
        lines.append(f"    expect  {'; '.join(_wants(trace, number - 1))}")
        if step.saw:
            lines.append(f"    saw     {one_line(step.saw, 0 if whole else _SAW)}")
    return lines + _answer_lines(trace)


def diff_lines(old: Trace, new: Trace) -> list[str]:
    """A unified diff of what two traces do: goals, steps and answers, without what was seen when they were learned."""
    before, after = _comparable(old), _comparable(new)
    return [
        line.rstrip("\n") for line in difflib.unified_diff(before, after, old.header.id, new.header.id, lineterm="")
    ]


def _comparable(trace: Trace) -> list[str]:
    kept = [line for line in body_lines(trace, whole=True) if not line.startswith("    saw     ")]
    status = f"{trace.header.status.value}{f' ({trace.header.reason})' if trace.header.reason else ''}"
    return [f"goal        {one_line(trace.header.goal)}", f"status      {one_line(status)}", *kept]


def _wants(trace: Trace, index: int) -> list[str]:
    expect = trace.steps[index].expect
    wants = [] if expect.ok else ["it fails"]
    if expect.exit_code is not None:
        wants.append(f"exit code {expect.exit_code}")
    wants.append(f"output of the form {expect.output.value}")
    for word, paths in (("created", expect.created), ("changed", expect.changed), ("deleted", expect.deleted)):
        if paths:
            wants.append(f"{word} {', '.join(paths)}")
    if expect.same_output:
        wants.append(f"the very output that it had ({one_line(expect.same_output)})")
    if expect.warning:
        wants.append(f"no other warning than it had ({one_line(expect.warning)})")
    return wants


def _answer_lines(trace: Trace) -> list[str]:
    answer = trace.answer
    lines = [f"answer      {one_line(answer.text) if answer.text else 'the files that changed'}"]
    for number, value in enumerate(answer.values, start=1):
        part = "the whole output" if value.field is None else f"field {value.field + 1}"
        line = f" (where the line reads {one_line(value.line)})" if value.line else ""
        lines.append(f"    ${{{number}}} is {part} of step {value.step + 1}{line}")
    return lines

"""Trace values to files and back: two YAML documents, written once (docs/formats.md).

Invariant: a file that decodes encodes back to equal data, so an unknown or missing key never passes in silence.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from llmos.core.errors import StoreError
from llmos.core.goal import slug
from llmos.core.tool import Effect
from llmos.core.trace import (
    AnswerTemplate,
    AnswerValue,
    Expect,
    Learned,
    OutputShape,
    Require,
    Step,
    Trace,
    TraceHeader,
    TraceStatus,
)
from llmos.memory.codec import CodecError, check_format, dump_documents, load_documents, load_first_document
from llmos.memory.files import read_bounded

FORMAT_KIND = "llmos-trace"
FORMAT_NUMBER = 1
MAX_BYTES = 1_000_000


def trace_id(goal: str, status: TraceStatus, steps: tuple[Step, ...]) -> str:
    """`<slug>-<hash8>`: the hash covers goal, status and calls, so the same run twice has one id."""
    calls = [[step.tool, dict(step.args)] for step in steps]
    content = dump_documents([{"goal": goal, "status": status.value, "calls": calls}])
    return f"{slug(goal)}-{hashlib.sha256(content).hexdigest()[:8]}"


def encode_trace(trace: Trace) -> bytes:
    """The bytes of a trace file. Raises CodecError when it would exceed 1 MB."""
    return dump_documents([_header_data(trace.header), _body_data(trace)])


def decode_trace(data: bytes, *, name: str) -> Trace:
    """Raises StoreError (CodecError, newer format) in one sentence that names the file."""
    documents = load_documents(data, name=name)
    if len(documents) != 2:
        raise CodecError(f"{name} holds {len(documents)} YAML documents; a trace has a header and the steps")
    header = _decode_header(documents[0], name)
    try:
        body = documents[1]
        steps = tuple(_decode_step(step) for step in body["steps"])
        answer = body["answer"]
        values = tuple(AnswerValue(value["step"], value["field"]) for value in answer["values"])
        trace = Trace(header, steps, AnswerTemplate(answer["text"], values))
        same = _body_data(trace) == body
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CodecError(f"{name} is not a readable trace: {_what(error)}") from None
    if not same or any(not 0 <= value.step < len(steps) for value in values):
        raise CodecError(
            f"{name} is not a readable trace: its steps hold keys or values that this version does not know"
        )
    return trace


def read_trace(path: Path) -> tuple[Trace, str]:
    """A trace and the SHA-256 of its file, in hex, from one read."""
    data = read_bounded(path, MAX_BYTES)
    return decode_trace(data, name=str(path)), hashlib.sha256(data).hexdigest()


def decode_header(data: bytes, *, name: str) -> TraceHeader:
    """The header alone: the second document is not parsed."""
    return _decode_header(load_first_document(data, name=name), name)


def _decode_header(data: Any, name: str) -> TraceHeader:
    if not isinstance(data, Mapping):
        raise CodecError(f"{name} is not a readable trace: its header is no mapping")
    check_format(data.get("format"), kind=FORMAT_KIND, supported=FORMAT_NUMBER, name=name)
    try:
        learned = data["learned"]
        header = TraceHeader(
            id=data["id"],
            goal=data["goal"],
            status=TraceStatus(data["status"]),
            reason=data["reason"],
            tools=dict(data["tools"]),
            learned=Learned(
                learned["when"],
                learned["mode"],
                learned["model"],
                float(learned["cost_usd"]),
                float(learned["elapsed_s"]),
            ),
        )
        same = _header_data(header) == data and isinstance(header.goal, str) and isinstance(header.id, str)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CodecError(f"{name} is not a readable trace: {_what(error)}") from None
    if not same:
        raise CodecError(f"{name} is not a readable trace: its header holds keys that this version does not know")
    return header


def _what(error: Exception) -> str:
    return f"the key {error} is missing" if isinstance(error, KeyError) else str(error)


def _header_data(header: TraceHeader) -> dict[str, Any]:
    return {
        "format": f"{FORMAT_KIND}/{FORMAT_NUMBER}",
        "id": header.id,
        "goal": header.goal,
        "status": header.status.value,
        "reason": header.reason,
        "tools": dict(header.tools),
        "learned": asdict(header.learned),
    }


def _body_data(trace: Trace) -> dict[str, Any]:
    return {
        "steps": [_step_data(step) for step in trace.steps],
        "answer": {
            "text": trace.answer.text,
            "values": [{"step": value.step, "field": value.field} for value in trace.answer.values],
        },
    }


def _step_data(step: Step) -> dict[str, Any]:
    return {
        "tool": step.tool,
        "args": dict(step.args),
        "effect": step.effect.value,
        "require": {"present": list(step.require.present), "absent": list(step.require.absent)},
        "expect": {
            "exit_code": step.expect.exit_code,
            "created": list(step.expect.created),
            "changed": list(step.expect.changed),
            "deleted": list(step.expect.deleted),
            "output": step.expect.output.value,
        },
        "saw": step.saw,
    }


def _decode_step(data: Mapping[str, Any]) -> Step:
    require, expect = data["require"], data["expect"]
    return Step(
        tool=data["tool"],
        args=dict(data["args"]),
        effect=Effect(data["effect"]),
        require=Require(tuple(require["present"]), tuple(require["absent"])),
        expect=Expect(
            expect["exit_code"],
            tuple(expect["created"]),
            tuple(expect["changed"]),
            tuple(expect["deleted"]),
            OutputShape(expect["output"]),
        ),
        saw=data["saw"],
    )


def file_name(identifier: str) -> str:
    """Raises StoreError for an id that is no plain file stem."""
    if not identifier or "/" in identifier or identifier.startswith("."):
        raise StoreError(f"{identifier!r} is not a trace id")
    return f"{identifier}.yaml"

"""Trace values to files and back: two YAML documents, written once (docs/formats.md).

Invariant: a file that decodes encodes back to equal data, so an unknown or missing key never passes in silence.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from llmos.core.errors import StoreError
from llmos.core.goal import slug
from llmos.core.prune import parse_time
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
from llmos.memory.codec import (
    CodecError,
    check_format,
    dump_documents,
    load_documents,
    load_first_document,
    refuse_newer,
)
from llmos.memory.files import read_bounded, show_path
from llmos.memory.redaction import redactor

FORMAT_KIND = "llmos-trace"
FORMAT_NUMBER = 1
MAX_BYTES = 1_000_000
LONGEST_WAIT_S = 1e6
_PLACEHOLDER = re.compile(r"\$\{(\d+)\}")


def trace_id(trace: Trace) -> str:
    """`<slug>-<hash8>`: the hash covers all that a replay rests on, so the same run learned twice has one id.

    The versions of the tools are part of it: a run learned again after an upgrade is another trace.
    """
    header = trace.header
    steps = [_step_data(replace(step, require=_lasting(step.require), saw="")) for step in trace.steps]
    for step in steps:
        del step["saw"]
    facts = {"goal": header.goal, "status": header.status.value, "tools": dict(sorted(header.tools.items()))}
    facts |= _only_said(header)
    content = dump_documents([facts, {**_body_data(trace), "steps": steps}])
    return f"{slug(redactor().text(header.goal))}-{hashlib.sha256(content).hexdigest()[:8]}"


def _lasting(require: Require) -> Require:
    """Without what belongs to the day on which a run was made."""
    return replace(require, wait_s=0.0, world="")


def encode_trace(trace: Trace) -> bytes:
    """The bytes of a trace file. Raises CodecError when it would exceed 1 MB."""
    return dump_documents([_header_data(trace.header), _body_data(trace)])


def trace_data(trace: Trace) -> dict[str, Any]:
    """Steps and answer as JSON-ready data, in the keys of the file."""
    return _body_data(trace)


def decode_trace(data: bytes, *, name: str) -> Trace:
    """Raises StoreError (CodecError, newer format) in one sentence that names the file."""
    refuse_newer(data, kind=FORMAT_KIND, supported=FORMAT_NUMBER, name=name)
    documents = load_documents(data, name=name)
    if len(documents) != 2:
        raise CodecError(f"{show_path(name)} holds {len(documents)} YAML documents; a trace has a header and the steps")
    header = _decode_header(documents[0], name)
    try:
        body = documents[1]
        steps = tuple(_decode_step(step) for step in body["steps"])
        answer = body["answer"]
        values = tuple(AnswerValue(value["step"], value["field"], value.get("line", "")) for value in answer["values"])
        trace = Trace(header, steps, AnswerTemplate(answer["text"], values))
        same = _body_data(trace) == body and _is_sound(trace)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CodecError(f"{show_path(name)} is not a readable trace: {_what(error)}") from None
    if not same:
        raise StoreError(
            f"{show_path(name)} is not a readable trace: its steps hold keys or values unknown to this version"
        )
    return trace


def _is_sound(trace: Trace) -> bool:
    """Whether every value has its type, and every placeholder of the answer its value."""
    texts: list[object] = [trace.answer.text]
    for step in trace.steps:
        require, expect = step.require, step.expect
        texts += [step.tool, step.saw, expect.same_output, expect.warning, require.world]
        if not 0.0 <= require.wait_s <= LONGEST_WAIT_S:
            return False
        texts += [text for pair in require.heads for text in pair]
        texts += [*require.present, *require.absent, *expect.created, *expect.changed, *expect.deleted]
        if not (expect.exit_code is None or type(expect.exit_code) is int) or type(expect.ok) is not bool:
            return False
    values = trace.answer.values
    texts += [value.line for value in values]
    return (
        all(isinstance(text, str) for text in texts)
        and all(type(value.step) is int and 0 <= value.step < len(trace.steps) for value in values)
        and all(value.field is None or (type(value.field) is int and value.field >= 0) for value in values)
        and all(1 <= int(number) <= len(values) for number in _PLACEHOLDER.findall(trace.answer.text))
    )


def read_trace(path: Path) -> tuple[Trace, str]:
    """A trace and the SHA-256 of its file, in hex, from one read."""
    data = read_bounded(path, MAX_BYTES)
    trace = _remembered(data, str(path)) if len(data) <= _SMALL else decode_trace(data, name=str(path))
    return trace, hashlib.sha256(data).hexdigest()


_SMALL = 20_000


@lru_cache(maxsize=256)
def _remembered(data: bytes, name: str) -> Trace:
    """One decision reads a trace several times, and so does every goal of a batch that it serves."""
    return decode_trace(data, name=name)


def decode_header(data: bytes, *, name: str) -> TraceHeader:
    """The header alone: the second document is not parsed."""
    refuse_newer(data, kind=FORMAT_KIND, supported=FORMAT_NUMBER, name=name)
    return _decode_header(load_first_document(data, name=name), name)


def _decode_header(data: Any, name: str) -> TraceHeader:
    if not isinstance(data, Mapping):
        raise CodecError(f"{show_path(name)} is not a readable trace: its header is no mapping")
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
            supersedes=data.get("supersedes", ""),
            sandbox=data.get("sandbox", ""),
            provenance=tuple(data.get("provenance", ())),
        )
        if parse_time(header.learned.when).tzinfo is None:
            raise ValueError(f"the time {header.learned.when!r} has no zone")
        texts = [
            header.id,
            header.goal,
            header.reason,
            header.supersedes,
            header.sandbox,
            *header.provenance,
            header.learned.mode,
            header.learned.model,
            *header.tools.values(),
        ]
        same = _header_data(header) == data and all(isinstance(text, str) for text in texts)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CodecError(f"{show_path(name)} is not a readable trace: {_what(error)}") from None
    if not same:
        raise StoreError(
            f"{show_path(name)} is not a readable trace: its header holds keys or values unknown to this version"
        )
    return header


def _what(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"the key {error} is missing"
    return str(error) if isinstance(error, ValueError) else "a value is missing or of another kind; it may be cut off"


def _header_data(header: TraceHeader) -> dict[str, Any]:
    data: dict[str, Any] = {
        "format": f"{FORMAT_KIND}/{FORMAT_NUMBER}",
        "id": header.id,
        "goal": header.goal,
        "status": header.status.value,
        "reason": header.reason,
        "tools": dict(header.tools),
        "learned": asdict(header.learned),
    }
    return data | _only_said(header)


def _only_said(header: TraceHeader) -> dict[str, Any]:
    """The keys that are there only where they say something."""
    data = {"supersedes": header.supersedes, "sandbox": header.sandbox, "provenance": list(header.provenance)}
    return {key: value for key, value in data.items() if value}


def _body_data(trace: Trace) -> dict[str, Any]:
    return {
        "steps": [_step_data(step) for step in trace.steps],
        "answer": {
            "text": trace.answer.text,
            "values": [
                {"step": value.step, "field": value.field} | ({"line": value.line} if value.line else {})
                for value in trace.answer.values
            ],
        },
    }


def _step_data(step: Step) -> dict[str, Any]:
    return {
        "tool": step.tool,
        "args": dict(step.args),
        "effect": step.effect.value,
        "require": _require_data(step.require),
        "expect": _expect_data(step.expect),
        "saw": step.saw,
    }


def _require_data(require: Require) -> dict[str, Any]:
    """What a step needs; the last three keys are there only where they say something."""
    data: dict[str, Any] = {"present": list(require.present), "absent": list(require.absent)}
    if require.heads:
        data["heads"] = dict(require.heads)
    if require.wait_s:
        data["wait_s"] = require.wait_s
    if require.world:
        data["world"] = require.world
    return data


def _expect_data(expect: Expect) -> dict[str, Any]:
    """What a step must give; the last three keys are there only where they say something."""
    data: dict[str, Any] = {
        "exit_code": expect.exit_code,
        "created": list(expect.created),
        "changed": list(expect.changed),
        "deleted": list(expect.deleted),
        "output": expect.output.value,
    }
    if not expect.ok:
        data["ok"] = False
    if expect.same_output:
        data["same_output"] = expect.same_output
    if expect.warning:
        data["warning"] = expect.warning
    return data


def _decode_step(data: Mapping[str, Any]) -> Step:
    require, expect = data["require"], data["expect"]
    return Step(
        tool=data["tool"],
        args=dict(data["args"]),
        effect=Effect(data["effect"]),
        require=Require(
            tuple(require["present"]),
            tuple(require["absent"]),
            tuple(dict(require.get("heads", {})).items()),
            wait_s=float(require.get("wait_s", 0.0)),
            world=require.get("world", ""),
        ),
        expect=Expect(
            expect["exit_code"],
            tuple(expect["created"]),
            tuple(expect["changed"]),
            tuple(expect["deleted"]),
            OutputShape(expect["output"]),
            expect.get("ok", True),
            expect.get("same_output", ""),
            expect.get("warning", ""),
        ),
        saw=data["saw"],
    )


def file_name(identifier: str) -> str:
    """Raises StoreError for an id that is no plain file stem."""
    if not identifier or "/" in identifier or identifier.startswith("."):
        raise StoreError(f"{identifier!r} is not a trace id")
    return f"{identifier}.yaml"

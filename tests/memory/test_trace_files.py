"""Trace files: what is written comes back equal, and nothing is half-read."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from llmos.core.errors import StoreError
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
from llmos.memory.codec import CodecError
from llmos.memory.trace_files import decode_header, decode_trace, encode_trace, file_name, read_trace, trace_id

STEP = Step(
    "shell",
    {"command": "wc -l a.txt", "timeout_s": 3.5, "nested": {"list": [1, None, True]}},
    Effect.EXECUTE,
    Require(present=("a.txt",)),
    Expect(0, (), (), (), OutputShape.LINE, ok=True, same_output="", warning=""),
    "3 a.txt",
)
TRACE = Trace(
    TraceHeader(
        "count-the-lines-of-a-txt-0123abcd",
        "count the lines of a.txt",
        TraceStatus.VERIFIED,
        "",
        {"shell": "0123456789ab"},
        Learned("2026-11-22T12:00:00+00:00", "LEARNER", "a model", 0.0125, 1.5),
    ),
    (STEP,),
    AnswerTemplate("a.txt has ${1} lines", (AnswerValue(0, 0, "0 a.txt"),)),
)
NAME = "traces/x.yaml"

texts = st.text(max_size=60)
paths = st.lists(texts, max_size=3).map(tuple)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**12), 10**12)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
steps = st.builds(
    Step,
    tool=texts,
    args=st.dictionaries(texts, json_values, max_size=3),
    effect=st.sampled_from(Effect),
    require=st.builds(Require, paths, paths),
    expect=st.builds(
        Expect,
        st.none() | st.integers(0, 255),
        paths,
        paths,
        paths,
        st.sampled_from(OutputShape),
        ok=st.booleans(),
        same_output=texts,
        warning=texts,
    ),
    saw=texts,
)


@st.composite
def traces(draw: st.DrawFn) -> Trace:
    drawn = tuple(draw(st.lists(steps, min_size=1, max_size=3)))
    header = TraceHeader(
        draw(texts),
        draw(texts),
        draw(st.sampled_from(TraceStatus)),
        draw(texts),
        draw(st.dictionaries(texts, texts, max_size=3)),
        Learned("2026-11-22T12:00:00+00:00", draw(texts), draw(texts), draw(st.floats(0, 9)), draw(st.floats(0, 9))),
    )
    values = draw(
        st.lists(
            st.builds(AnswerValue, st.integers(0, len(drawn) - 1), st.none() | st.integers(0, 9), texts), max_size=2
        )
    )
    said = draw(texts.filter(lambda text: "${" not in text))
    said += "".join(f" ${{{number}}}" for number in range(1, len(values) + 1))
    return Trace(header, drawn, AnswerTemplate(said, tuple(values)))


@settings(deadline=None, max_examples=150)
@given(traces())
def test_what_is_written_comes_back_equal(trace: Trace) -> None:
    data = encode_trace(trace)
    assert decode_trace(data, name=NAME) == trace
    assert decode_header(data, name=NAME) == trace.header
    assert encode_trace(decode_trace(data, name=NAME)) == data


def test_a_file_is_read_with_its_hash(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(encode_trace(TRACE))
    first = read_trace(path)
    path.write_bytes(encode_trace(TRACE) + b"\n")
    assert first[0] == read_trace(path)[0] == TRACE
    assert first[1] != read_trace(path)[1]


def edited(change: dict[str, Any], *where: str) -> bytes:
    """The sample with some keys of its two documents replaced; None removes one. `where` leads to the mapping."""
    documents = list(yaml.safe_load_all(encode_trace(TRACE)))
    target: Any = documents
    for key in where:
        target = target[int(key)] if isinstance(target, list) else target[key]
    for key, value in change.items():
        if value is None:
            del target[key]
        else:
            target[key] = value
    return yaml.safe_dump_all(documents, sort_keys=False).encode()


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (
            edited({"format": "llmos-trace/2"}, "0"),
            "traces/x.yaml was written by a newer llmos (format 2, this version reads up to 1); upgrade llmos",
        ),
        (edited({"format": "llmos-config/1"}, "0"), "traces/x.yaml is a llmos-config file, expected llmos-trace/1"),
        (edited({"format": None}, "0"), "traces/x.yaml has no `format:` line; it must say llmos-trace/1"),
        (
            edited({"colour": "red"}, "0"),
            "traces/x.yaml is not a readable trace: its header holds keys or values unknown to this version",
        ),
        (edited({"goal": None}, "0"), "traces/x.yaml is not a readable trace: the key 'goal' is missing"),
        (
            edited({"goal": 7}, "0"),
            "traces/x.yaml is not a readable trace: its header holds keys or values unknown to this version",
        ),
        (
            edited({"tools": {"shell": 7}}, "0"),
            "traces/x.yaml is not a readable trace: its header holds keys or values unknown to this version",
        ),
        (
            edited({"status": "sure"}, "0"),
            "traces/x.yaml is not a readable trace: 'sure' is not a valid TraceStatus",
        ),
        (
            edited({"when": "yesterday"}, "0", "learned"),
            "traces/x.yaml is not a readable trace: Invalid isoformat string: 'yesterday'",
        ),
        (
            edited({"when": "2026-11-22T12:00:00"}, "0", "learned"),
            "traces/x.yaml is not a readable trace: the time '2026-11-22T12:00:00' has no zone",
        ),
        (
            edited({"colour": "red"}, "1", "steps", "0"),
            "traces/x.yaml is not a readable trace: its steps hold keys or values unknown to this version",
        ),
        (
            edited({"learned": 5}, "0"),
            "traces/x.yaml is not a readable trace: a value is missing or of another kind; it may be cut off",
        ),
        (edited({"args": None}, "1", "steps", "0"), "traces/x.yaml is not a readable trace: the key 'args' is missing"),
        (
            edited({"tool": 5}, "1", "steps", "0"),
            "traces/x.yaml is not a readable trace: its steps hold keys or values unknown to this version",
        ),
        (
            edited({"present": [5]}, "1", "steps", "0", "require"),
            "traces/x.yaml is not a readable trace: its steps hold keys or values unknown to this version",
        ),
        (
            edited({"present": "a.txt"}, "1", "steps", "0", "require"),
            "traces/x.yaml is not a readable trace: its steps hold keys or values unknown to this version",
        ),
        (
            edited({"exit_code": True}, "1", "steps", "0", "expect"),
            "traces/x.yaml is not a readable trace: its steps hold keys or values unknown to this version",
        ),
        (
            edited({"step": 3}, "1", "answer", "values", "0"),
            "traces/x.yaml is not a readable trace: its steps hold keys or values unknown to this version",
        ),
        (
            edited({"field": -1}, "1", "answer", "values", "0"),
            "traces/x.yaml is not a readable trace: its steps hold keys or values unknown to this version",
        ),
        (
            edited({"text": "there are ${2}"}, "1", "answer"),
            "traces/x.yaml is not a readable trace: its steps hold keys or values unknown to this version",
        ),
        (
            edited({"text": "there are ${0}"}, "1", "answer"),
            "traces/x.yaml is not a readable trace: its steps hold keys or values unknown to this version",
        ),
        (b"- a\n- b\n", "traces/x.yaml holds 1 YAML documents; a trace has a header and the steps"),
        (b"just words\n---\nmore\n", "traces/x.yaml is not a readable trace: its header is no mapping"),
        (
            encode_trace(TRACE) + b"---\n{}\n",
            "traces/x.yaml holds 3 YAML documents; a trace has a header and the steps",
        ),
        (
            encode_trace(TRACE).replace(b"goal:", b"goal: a\ngoal:", 1),
            'traces/x.yaml line 5: the key "goal" is there twice',
        ),
        (encode_trace(TRACE).replace(b"status:", b"status", 1), None),
        (b"", "traces/x.yaml holds 0 YAML documents; a trace has a header and the steps"),
        (b"\xff\xfe", "traces/x.yaml line 1: this is not UTF-8 text"),
    ],
)
def test_what_is_no_trace_is_refused_in_one_sentence(data: bytes, sentence: str | None) -> None:
    with pytest.raises(StoreError) as caught:
        decode_trace(data, name=NAME)
    assert "\n" not in str(caught.value)
    if sentence is not None:
        assert str(caught.value) == sentence


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_end_in_a_traceback(data: bytes) -> None:
    for mixed in (data, encode_trace(TRACE).replace(b"count", data, 1)):
        try:
            decode_trace(mixed, name=NAME)
        except StoreError as error:
            assert NAME in str(error)


def test_a_trace_above_a_megabyte_is_refused() -> None:
    with pytest.raises(CodecError, match="larger than the 1000000 bytes"):
        encode_trace(replace(TRACE, steps=(replace(STEP, args={"command": "x" * 1_000_000}),)))


def test_an_id_covers_what_a_replay_rests_on() -> None:
    first = trace_id(TRACE)
    assert re.fullmatch(r"count-the-lines-of-a-txt-[0-9a-f]{8}", first)
    later = replace(TRACE.header, id="other", learned=replace(TRACE.header.learned, when="2026-12-01T00:00:00+00:00"))
    assert trace_id(replace(TRACE, header=later, steps=(replace(STEP, saw="4 a.txt"),))) == first
    others = [
        replace(TRACE, header=replace(TRACE.header, goal="count the lines of b.txt")),
        replace(TRACE, header=replace(TRACE.header, status=TraceStatus.GUIDANCE)),
        replace(TRACE, header=replace(TRACE.header, tools={"shell": "ba9876543210"})),
        replace(TRACE, steps=(replace(STEP, args={"command": "wc -l b.txt"}),)),
        replace(TRACE, steps=(replace(STEP, expect=replace(STEP.expect, exit_code=1)),)),
        replace(TRACE, answer=AnswerTemplate("${1}", (AnswerValue(0),))),
    ]
    assert len({first, *map(trace_id, others)}) == len(others) + 1


@pytest.mark.parametrize("identifier", ["", "../x", "a/b", ".hidden"])
def test_an_id_that_is_no_file_name_is_refused(identifier: str) -> None:
    with pytest.raises(StoreError, match="is not a trace id"):
        file_name(identifier)

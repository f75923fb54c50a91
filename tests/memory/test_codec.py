"""The codec: exact round trips, plain types, and hostile or broken text answered by one sentence in time."""

from __future__ import annotations

import time
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from llmos.core.errors import StoreError
from llmos.core.redact import Redactor
from llmos.memory.codec import (
    CodecError,
    check_format,
    dump_documents,
    dump_front_matter,
    dump_line,
    load_documents,
    load_first_document,
    load_front_matter,
    load_lines,
    load_with_lines,
)

AWKWARD = " \t\n\r-:#ab|>'\"\\{}[]&*!%@`~?,=<$/\x00\x1b\x7f\x85\xa0\u2028\u202e\ufeff\ufffeé漢😀"
texts = st.one_of(st.text(), st.text(alphabet=AWKWARD), st.sampled_from(["no", "On", "null", "~", "012", "1.0", "<<"]))
values = st.recursive(
    st.one_of(texts, st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.booleans(), st.none()),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=10,
)


def same(left: Any, right: Any) -> bool:
    """Equal in value and in type: 1, 1.0 and True are three things."""
    return repr(left) == repr(right)


REDACTOR = Redactor()
"""What is written holds no secret: a text that looks like one comes back without it."""


@settings(max_examples=300, deadline=None)
@given(st.lists(values, max_size=3))
def test_documents_round_trip(documents: list[Any]) -> None:
    assert same(load_documents(dump_documents(documents), name="x"), REDACTOR.value(documents))


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(texts.filter(lambda key: key not in ("<<", "=")), texts | st.integers() | st.booleans()))
def test_what_is_written_means_the_same_to_another_reader(document: dict[str, Any]) -> None:
    assert same(yaml.load(dump_documents([document]), Loader=yaml.CSafeLoader), REDACTOR.value(document))


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(texts, values, max_size=3), texts)
def test_front_matter_round_trips(meta: dict[str, Any], body: str) -> None:
    assert load_front_matter(dump_front_matter(meta, body), name="x") == (REDACTOR.value(meta), REDACTOR.text(body))


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.text(alphabet=st.characters()), values, max_size=3))
def test_records_round_trip_on_one_line(record: dict[str, Any]) -> None:
    line = dump_line(record)
    assert line.count(b"\n") == 1
    assert list(load_lines(line, name="x", report=pytest.fail)) == [REDACTOR.value(record)]


def test_a_document_is_written_for_readers() -> None:
    document = {
        "goal": "count lines of ${file}",
        "when": "2026-11-22",
        "answer": "no",
        "steps": [{"tool": "shell", "args": {"command": "set -e\n\nwc -l a.txt\n"}}, {"saw": "3\n4"}, [1, [2.5]]],
        "require": [],
        "params": {},
        "tail": "a\n\n",
        "tab": "a\tb",
    }
    assert dump_documents([document, "plain"]).decode() == (
        "---\n"
        "goal: count lines of ${file}\n"
        'when: "2026-11-22"\n'
        'answer: "no"\n'
        "steps:\n"
        "  - tool: shell\n"
        "    args:\n"
        "      command: |\n"
        "        set -e\n"
        "\n"
        "        wc -l a.txt\n"
        "  - saw: |-\n"
        "      3\n"
        "      4\n"
        "  - - 1\n"
        "    - - 2.5\n"
        "require: []\n"
        "params: {}\n"
        "tail: |+\n"
        "  a\n"
        "\n"
        'tab: "a\\tb"\n'
        "--- plain\n"
    )


def test_a_key_of_any_length_round_trips() -> None:
    document = {"k" * 3000: {"a": "x\ny"}, "\x00" * 400: [1], "b": [{"c" * 2000: "d"}]}
    assert load_documents(dump_documents([document]), name="x") == [document]


def test_a_lone_surrogate_is_refused_in_yaml_and_kept_in_json() -> None:
    with pytest.raises(CodecError, match="lone surrogate"):
        dump_documents([{"name": "\udc80"}])
    with pytest.raises(CodecError, match="lone surrogate"):
        dump_front_matter({}, "\udc80")
    assert list(load_lines(dump_line({"n": "\udc80é"}), name="x", report=pytest.fail)) == [{"n": "\udc80é"}]


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (float("nan"), "not finite"),
        ({1: "a"}, "a key must be a text, not int"),
        ({"a": object()}, "type object cannot be written"),
        (10**5000, "more than 4000 digits"),
        ("x" * 1_000_001, "larger than the 1000000 bytes"),
    ],
    ids=["nan", "key", "object", "digits", "size"],
)
def test_what_cannot_come_back_is_not_written(value: Any, sentence: str) -> None:
    with pytest.raises(CodecError, match=sentence):
        dump_documents([value])


def test_nesting_is_limited_alike_in_both_directions() -> None:
    deep: Any = "x"
    for _ in range(32):
        deep = [deep]
    assert load_documents(dump_documents([deep]), name="x") == [deep]
    with pytest.raises(CodecError, match="deeper than 32 levels"):
        dump_documents([[deep]])
    with pytest.raises(CodecError, match="x line 1: this is nested deeper than 32 levels"):
        load_documents(b"[" * 34 + b"]" * 34, name="x")


TRAPS = {
    "no": "no", "on": "on", "Yes": "Yes", "012": "012", "0x1f": "0x1f", "1_000": "1_000", "2026-11-22": "2026-11-22",
    "12:30:45": "12:30:45", "~": "~", ".inf": ".inf", ".nan": ".nan", "True": "True", "NULL": "NULL", "+1": "+1",
    "1.": "1.", ".5": ".5", "0b1": "0b1", "<<": "<<", "=": "=", "1e5": 1e5, "1.10": 1.1, "-3": -3, "true": True,
    "null": None, "": None, '"1"': "1", "'true'": "true",
}  # fmt: skip


@pytest.mark.parametrize("written", TRAPS)
def test_only_json_spellings_have_a_type(written: str) -> None:
    assert same(load_documents(f"k: {written}\n".encode(), name="x"), [{"k": TRAPS[written]}])


def test_keys_are_always_texts() -> None:
    assert load_documents(b"1: a\ntrue: b\nnull: c\n2026-11-22: d\n", name="x") == [
        {"1": "a", "true": "b", "null": "c", "2026-11-22": "d"}
    ]


BOMB = b"a: &a [x, x]\n" + b"".join(b"%c: &%c [*%c, *%c]\n" % (98 + n, 98 + n, 97 + n, 97 + n) for n in range(9))
HOSTILE: dict[str, tuple[bytes, str]] = {
    "alias bomb": (BOMB, "f.yaml line 1: anchors and aliases"),
    "alias to itself": (b"&a [*a]", "line 1: anchors and aliases"),
    "alias without anchor": (b"a: *b", "line 1: anchors and aliases"),
    "anchored key": (b"&k a: 1", "line 1: anchors and aliases"),
    "python tag": (b"x: 1\ny: !!python/object/apply:os.system ['id']", "line 2: tags"),
    "core tag": (b"!!str 1", "line 1: tags"),
    "bare tag": (b"a: ! b", "line 1: tags"),
    "tag in a key": (b"!x a: 1", "line 1: tags"),
    "tag directive": (b"%TAG ! tag:x,2000:\n---\na: 1", "begins with %"),
    "version directive": (b"%YAML 1.1\n---\na: 1", "begins with %"),
    "unknown version": (b"%YAML 9.9\n---\na: 1", "not valid YAML"),
    "duplicate key": (b"a: 1\nb: 2\na: 3", 'line 3: the key "a" is there twice'),
    "duplicate key, quoted": (b"a: 1\n'a': 3", 'line 2: the key "a" is there twice'),
    "list as a key": (b"? [a]\n: 1", "line 1: a key must be a word"),
    "mapping as a key": (b"{{a: 1}: 2}", "line 1: a key must be a word"),
    "open brackets": (b"[" * 900_000, "nested deeper than 32"),
    "open braces": (b"{a: " * 200_000, "nested deeper than 32"),
    "dashes": (b"- " * 450_000, "nested deeper than 32"),
    "question marks": (b"? " * 450_000, "a key must be a word"),
    "many keys": (b"".join(b"k%d: v\n" % n for n in range(80_000)), "more than 50000 values"),
    "many items": (b"[" + b"a," * 400_000 + b"]", "more than 50000 values"),
    "many documents": (b"---\n" * 240_000, "more than 100 documents"),
    "too large": (b"a" * 1_000_001, "larger than 1000000 bytes"),
    "NUL": (b"a: 1\nb: \x00", "line 2: the character U+0000"),
    "escape code": (b"a: \x1b[31m", "line 1: the character U+001B"),
    "bidirectional override hidden as bytes": (b"a: \xff\xfe", "line 1: this is not UTF-8"),
    "UTF-16": ("a: 1".encode("utf-16"), "not UTF-8"),
    "surrogate": (b'a: "\\ud800"', "not valid YAML"),
    "cut in a quote": (b'a: "x\nb: 1\n', "not valid YAML"),
    "cut in a list": (b"a: [1,\n", "not valid YAML"),
    "tab as indentation": (b"a:\n\tb: 1", "line 2: this is not valid YAML"),
    "wrong indentation": (b"a: 1\n  b: 2", "line 2: this is not valid YAML"),
    "colons": (b"a:" * 400_000, "not valid YAML|more than"),
    "unending quote": (b"'" + b"\n" * 900_000, "not valid YAML"),
    "huge integer": (b"a: " + b"9" * 5_000, "more than 4000 digits"),
    "infinite number": (b"a: 1e999", "out of range"),
    "conflict markers": (b"a: 1\n<<<<<<< HEAD\nb: 2\n", "line"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_yaml_is_one_sentence_in_time(name: str) -> None:
    text, sentence = HOSTILE[name]
    started = time.process_time()
    with pytest.raises(CodecError) as caught:
        load_documents(text, name="f.yaml")
    assert time.process_time() - started < 1
    message = str(caught.value)
    assert any(part in message for part in sentence.split("|"))
    assert message.startswith("f.yaml") and "\n" not in message and len(message) < 250


@pytest.mark.parametrize(
    "text",
    [b"#" * 999_000, b"\n" * 990_000, b"a: |\n" + b" b\n" * 200_000, b"a\n" * 400_000, b'"' + b"\\x41" * 200_000],
)
def test_large_but_plain_text_is_quick(text: bytes) -> None:
    started = time.process_time()
    try:
        load_documents(text, name="f.yaml")
    except CodecError as error:
        assert "not valid YAML" in str(error)
    assert time.process_time() - started < 1


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.binary(max_size=200), st.text(alphabet=AWKWARD, max_size=60).map(str.encode)))
def test_any_bytes_load_or_are_refused_in_a_sentence(data: bytes) -> None:
    for load in (
        lambda: load_documents(data, name="f"),
        lambda: load_front_matter(b"---\n" + data, name="f"),
        lambda: list(load_lines(data, name="f", report=str)),
    ):
        try:
            load()
        except CodecError as error:
            assert str(error).startswith("f") and "\n" not in str(error)


def test_the_first_document_is_read_alone() -> None:
    assert load_first_document(b"format: x/1\n---\n[broken", name="f") == {"format": "x/1"}
    with pytest.raises(CodecError, match="f is empty"):
        load_first_document(b"# nothing\n", name="f")


def test_lines_of_values_are_known() -> None:
    document, lines = load_with_lines(b"# c\na:\n  - 1\n  - b: x\nc: |\n  t\n", name="f")
    assert document == {"a": [1, {"b": "x"}], "c": "t\n"}
    assert lines == {(): 2, ("a",): 2, ("a", 0): 3, ("a", 1): 4, ("a", 1, "b"): 4, ("c",): 5}
    with pytest.raises(CodecError, match="f holds more than one document"):
        load_with_lines(b"a: 1\n---\nb: 1\n", name="f")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"no settings\n", "f.md line 1: there must be settings between two lines of ---"),
        (b"---\na: 1\n", "f.md line 1: there must be settings between two lines of ---"),
        (b"---\na: 1\na: 2\n---\nbody", 'f.md line 3: the key "a" is there twice'),
        (
            b"---\n- a\n---\n",
            "f.md line 2: between the two lines of --- there must be settings of the form `key: value`",
        ),
        (b"---\na: 1\n---\nx\n\xff", "f.md line 5: this is not UTF-8 text"),
    ],
)
def test_broken_front_matter_names_the_line(text: bytes, sentence: str) -> None:
    with pytest.raises(CodecError) as caught:
        load_front_matter(text, name="f.md")
    assert str(caught.value) == sentence


def test_front_matter_from_another_editor() -> None:
    assert load_front_matter(b"\xef\xbb\xbf---\r\na: no\r\n--- \r\nb\r\n---\r\n", name="f") == (
        {"a": "no"},
        "b\r\n---\r\n",
    )


def test_a_torn_last_record_is_reported_and_left_out() -> None:
    reports: list[str] = []
    assert list(load_lines(b'{"a":1}\n\n{"b":2}\n{"c":', name="log", report=reports.append)) == [{"a": 1}, {"b": 2}]
    assert reports == ["log line 4: the last record is incomplete and was left out"]


def test_a_whole_last_record_without_newline_is_kept() -> None:
    assert list(load_lines(b'{"a":1}\n{"b":2}', name="log", report=pytest.fail)) == [{"a": 1}, {"b": 2}]


@pytest.mark.parametrize("bad", [b'{"b":', b"[1]", b"NaN", b'{"b":NaN}', b"\xff", b"[" * 100_000], ids=range(6))
def test_a_broken_record_in_the_middle_is_refused(bad: bytes) -> None:
    with pytest.raises(CodecError, match="log line 2: this is not a JSON record"):
        list(load_lines(b'{"a":1}\n' + bad + b'\n{"c":1}\n', name="log", report=pytest.fail))


@pytest.mark.parametrize(
    ("hole", "kept"),
    [
        (b"\0\0\0\n", []),
        (b'\0\0\0{"b":2}\n', [{"b": 2}]),
        (b'{"torn":"ha\0\0\0{"b":2}\n', [{"b": 2}]),
        (b'{"b":2}\n\0\0\n', [{"b": 2}]),
    ],
)
def test_what_a_power_cut_left_as_zeros_is_told_and_the_rest_is_kept(hole: bytes, kept: list[dict[str, int]]) -> None:
    reports: list[str] = []
    read = list(load_lines(b'{"a":1}\n' + hole + b'{"c":3}\n', name="log", report=reports.append))
    assert read == [{"a": 1}, *kept, {"c": 3}]
    assert [report.partition(":")[2] for report in reports] == [" something was not on the disk when the power went"]


def test_a_record_that_json_cannot_hold_is_refused() -> None:
    for record in ({"a": float("nan")}, {"a": object()}):
        with pytest.raises(CodecError, match="a record cannot be written as JSON"):
            dump_line(record)


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        ("llmos-trace/3", "f was written by a newer llmos (format 3, this version reads up to 1); upgrade llmos"),
        ("llmos-core/1", "f is a llmos-core file, expected llmos-trace/1"),
        (None, "f has no `format:` line; it must say llmos-trace/1"),
        (1, 'f has an unreadable format "1"; expected llmos-trace/1'),
        ("llmos-trace/0", 'f has an unreadable format "llmos-trace/0"; expected llmos-trace/1'),
        ("llmos-trace/1\n", 'f has an unreadable format "llmos-trace/1\\n"; expected llmos-trace/1'),
    ],
)
def test_formats_that_are_not_read(found: object, sentence: str) -> None:
    with pytest.raises(StoreError) as caught:
        check_format(found, kind="llmos-trace", supported=1, name="f")
    assert str(caught.value) == sentence


def test_older_formats_are_read() -> None:
    assert [check_format(f"k/{n}", kind="k", supported=2, name="f") for n in (1, 2)] == [1, 2]

"""Answers that are computed again from a run's own outputs, never read from a recording.

`derive` looks at a finished run and finds a template that gives its answer from the outputs, or None. The words
around the values are kept only when they say nothing that the goal does not say itself: a sentence such as "the log
is clean" would be stale the next time, and nothing would show it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from llmos.core.goal import FUNCTION_WORDS, stem, words_of
from llmos.core.tool import Effect, FileChanges
from llmos.core.trace import AnswerTemplate, AnswerValue, RunStep

_REPORT_WORDS = frozenset(
    stem(word)
    for word in """created added appended written wrote made moved copied renamed deleted removed replaced changed
    updated extracted committed initialised initialized archived saved file files folder directory line lines
    successfully done named called content contains containing total number following result output working text
    word words character characters first second last""".split()
)
_DATA = re.compile(r"[^\s\"'`*(),;:!?]+")
_INTEGER = re.compile(r"[+-]?\d+")
_PLACEHOLDER = re.compile(r"\$\{(\d+)\}")


def derive(answer: str, goal: str, steps: Sequence[RunStep]) -> AnswerTemplate | None:
    """A template for `answer`, or None when it cannot be computed from what the steps gave."""
    text = answer.strip()
    for index in _readable(steps):
        stdout = steps[index].stdout.strip()
        if stdout and _restates(text, stdout, goal):
            return AnswerTemplate("${1}", (AnswerValue(index),))
    template = _with_lines(_with_fields(text, goal, steps), goal, steps)
    if template.values:
        return template if _says_nothing_new(template.text, goal, steps) else _bare(template)
    if any(step.changes for step in steps):
        known = _says_nothing_new(text, goal, steps)
        return AnswerTemplate(text.replace("${", "$ {") if known else "", ())
    return None


def compute(template: AnswerTemplate, stdouts: Sequence[str], changes: Sequence[FileChanges]) -> str | None:
    """The answer from this run's outputs; None when an output no longer says what the answer rests on."""
    if not template.text:
        return describe_changes(changes)
    found: list[str] = []
    for value in template.values:
        output = stdouts[value.step].strip()
        if not output or ("\n" in output and template.text != "${1}"):
            return None
        fields = output.split()
        if value.field is None:
            found.append(output)
        elif "\n" not in output and value.field < len(fields) and _same_line(value.line, fields):
            found.append(fields[value.field])
        else:
            return None
    return _PLACEHOLDER.sub(lambda match: found[int(match.group(1)) - 1], template.text)


def _with_lines(template: AnswerTemplate, goal: str, steps: Sequence[RunStep]) -> AnswerTemplate:
    """The template with the line that each field stands in, so that a line of another kind gives no answer."""
    values = []
    for value in template.values:
        if value.field is not None:
            fields = steps[value.step].stdout.split()
            taken = [
                fields[other.field] for other in template.values if other.step == value.step and other.field is not None
            ]
            value = replace(value, line=_line_of(fields, goal, taken))
        values.append(value)
    return replace(template, values=tuple(values))


def _line_of(fields: Sequence[str], goal: str, taken: Sequence[str]) -> str:
    """The fields with `0` for a whole number and `*` for another value; words, and what the goal names, stay."""
    named = set(_tokens(goal))
    return " ".join(
        part if part not in taken and (part.removeprefix("./") in named or not _is_data(part)) else _mark(part)
        for part in fields
    )


def _mark(part: str) -> str:
    return "0" if _INTEGER.fullmatch(part) else "*"


def _same_line(line: str, fields: Sequence[str]) -> bool:
    """Whether the fields stand where they stood: the same words between values of the same kind."""
    parts = line.split()
    return not parts or (
        len(parts) == len(fields) and all(_fits(part, field) for part, field in zip(parts, fields, strict=True))
    )


def _fits(part: str, field: str) -> bool:
    if part == "0":
        return _INTEGER.fullmatch(field) is not None
    return part in ("*", field) or stem(part.lower()) == stem(field.lower())


def unshown(answer: str, goal: str, steps: Sequence[RunStep]) -> str | None:
    """The first number, path or file name of the answer that neither the goal nor any step shows, or None."""
    shown = "\n".join([goal, *(step.output for step in steps), *(str(step.args) for step in steps)])
    shown += "\n".join(path for step in steps for path in step.changes.paths)
    plain = shown.replace(",", "")
    for token in _tokens(answer):
        piece = token.rstrip("/%")
        if _is_data(piece) and not any(_stands_in(piece, text) for text in (shown, plain)):
            return token
    return None


def _stands_in(piece: str, text: str) -> bool:
    return re.search(rf"(?<![\w.]){re.escape(piece)}(?![\w])", text) is not None


def describe_changes(changes: Sequence[FileChanges]) -> str:
    """The net file changes of a run in words: "Created a.txt. Deleted b.txt."."""
    created: set[str] = set()
    changed: set[str] = set()
    deleted: set[str] = set()
    for step in changes:
        for path in step.created:
            (changed if path in deleted else created).add(path)
            deleted.discard(path)
        changed.update(path for path in step.changed if path not in created)
        for path in step.deleted:
            if path in created:
                created.discard(path)
            else:
                deleted.add(path)
            changed.discard(path)
    sentences = [
        f"{word} {_listed(sorted(paths))}."
        for word, paths in (("Created", created), ("Changed", changed), ("Deleted", deleted))
        if paths
    ]
    return " ".join(sentences) or "Nothing changed."


def _readable(steps: Sequence[RunStep]) -> list[int]:
    """The steps whose output may carry an answer, latest first: what a file tool says of its own writing is no fact."""
    return [
        index for index in reversed(range(len(steps))) if steps[index].ok and steps[index].effect is not Effect.WRITE
    ]


def _listed(paths: list[str]) -> str:
    if len(paths) <= 6:
        return ", ".join(paths)
    return f"{', '.join(paths[:5])} and {len(paths) - 5} more"


def _tokens(text: str) -> list[str]:
    """White-space separated tokens without quotes, brackets, bullets, closing punctuation and a leading "./"."""
    found = []
    for match in _DATA.finditer(text):
        token = match.group().rstrip(".").removeprefix("./")
        if token and token not in {"-", "•"}:
            found.append(token)
    return found


def _restates(answer: str, stdout: str, goal: str) -> bool:
    """Whether the answer is this output: equal, or every line of it with no data beside it."""
    if answer == stdout:
        return True
    lines = [line.strip() for line in stdout.splitlines() if line.strip()]
    flat = " ".join(_tokens(answer))
    if not all(_contains(flat, " ".join(_tokens(line))) for line in lines):
        return False
    if len(lines) == 1:
        return False
    allowed = {*_tokens(stdout), *_tokens(goal)}
    return all(token in allowed or not _is_data(token) for token in _tokens(answer))


def _contains(text: str, piece: str) -> bool:
    return bool(piece) and re.search(rf"(?<!\S){re.escape(piece)}(?!\S)", text) is not None


def _is_data(token: str) -> bool:
    """Whether a token carries a fact on its own: a digit, a path, a file name, mixed case or underscore."""
    return bool(re.search(r"[\d/_=@\\]|\w\.\w|[a-z][A-Z]", token))


def _with_fields(answer: str, goal: str, steps: Sequence[RunStep]) -> AnswerTemplate:
    """The answer with each token that a one-line output holds replaced by a reference to it, latest step first."""
    known = {*_tokens(goal)}
    values: list[AnswerValue] = []
    text = answer.replace("${", "$ {")

    def replace_first(needle: str, value: AnswerValue) -> bool:
        nonlocal text
        pattern = rf"(?<![\w$./-]){re.escape(needle)}(?![\w/-]|\.\w)"
        if needle and re.search(pattern, text):
            values.append(value)
            text = re.sub(pattern, f"${{{len(values)}}}", text)
            return True
        return False

    for index in _readable(steps):
        output = steps[index].stdout.strip()
        if not output or "\n" in output:
            continue
        if output not in known and replace_first(output, AnswerValue(index)):
            continue
        for position, part in enumerate(output.split()):
            if part.removeprefix("./") not in known and (_is_data(part) or len(part) > 2):
                replace_first(part, AnswerValue(index, position))
    return AnswerTemplate(text, tuple(values))


def _says_nothing_new(text: str, goal: str, steps: Sequence[RunStep]) -> bool:
    """Whether every word of the text is in the goal, a path the run touched, or a word of reporting."""
    plain = _PLACEHOLDER.sub(" ", text)
    touched = {part for step in steps for path in step.changes.paths for part in (path, *path.split("/"))}
    known = {*_tokens(goal), *touched}
    stems = {stem(word) for word in words_of(goal)} | _REPORT_WORDS | {stem(word) for word in FUNCTION_WORDS}
    for token in _tokens(plain):
        if token in known or token.rstrip("/") in known:
            continue
        if _is_data(token) or not all(stem(word) in stems for word in words_of(token)):
            return False
    return True


def _bare(template: AnswerTemplate) -> AnswerTemplate | None:
    """The values alone, where the words around them cannot be vouched for."""
    if len(template.values) != 1:
        return None
    return AnswerTemplate("${1}", template.values)

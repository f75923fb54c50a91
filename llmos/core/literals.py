"""A goal as plain words and typed literals with their places, found without annotation and without a model.

A literal is a value that a person put in: a path, a number, quoted text. Its kind comes from its form and from the
word before it. Text is never changed: offsets count characters of the goal as given, and a literal's text is exactly
what stands there without its quotes.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from enum import StrEnum

from llmos.core.dataclass import dataclass
from llmos.core.literal_words import COMMON, is_common


class Kind(StrEnum):
    PATH = "path"
    FILE = "file"
    EXTENSION = "extension"
    GLOB = "glob"
    NUMBER = "number"
    TEXT = "text"
    NAME = "name"
    URL = "url"
    VARIABLE = "variable"
    HOST = "host"
    DATE = "date"
    BRANCH = "branch"
    PACKAGE = "package"
    USER = "user"
    PORT = "port"


@dataclass(frozen=True, slots=True)
class Literal:
    """A value. `text` is without quotes; the span includes them."""

    kind: Kind
    text: str
    start: int
    end: int
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Plain:
    """A word or sign that is no value, in lower case."""

    text: str
    start: int
    end: int


Token = Literal | Plain

MAX_TOKENS = 2_000
_OPENING = {'"': '"', "“": "”", "„": "“”", "”": "”", "'": "'", "‘": "’", "’": "’", "`": "`'’", "«": "»"}
_BEFORE_QUOTE = frozenset(" \t\n([{=:,/<-")
_AFTER_QUOTE = frozenset(" \t\n)]}.,;:!?/>-")
_SIGN = re.compile(r"[:;|_=+#@%^&!-]{1,2}")
_CALLS_SIGN = re.compile(
    r"\b(?:with|by|to|using|at|on|delimiters?|separators?|signs?|characters?|prefix|suffix|a|the|is|as|each|every)\s+\Z",
    re.IGNORECASE,
)
"""Words after which a sign that stands alone is a value: "replace the spaces with :"."""
_CHUNK = re.compile(r"\S+")
_LEADING, _TRAILING = "([{<", ".,;:!?)]}>"

_URL = re.compile(r"[A-Za-z][A-Za-z+.-]*://\S+")
_VARIABLE = re.compile(r"\$(?:\w+|\{\w+\})")
_IP = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}(?:[:/]\d+)?")
_AT_HOST = re.compile(r"[\w.+-]+@[\w.-]+(?::\S*)?")
_DATE = re.compile(r"\d{4}-\d{1,2}(?:-\d{1,2})?(?:[T_]\S+)?|\d{1,2}[/.]\d{1,2}[/.]\d{2,4}|\d{1,2}:\d{2}(?::\d{2})?")
_NUMBER = re.compile(r"([+-]?\d+(?:\.\d+)?)([A-Za-z]{1,5}|%)?")
_ORDINAL = re.compile(r"(\d+)(?:st|nd|rd|th)", re.IGNORECASE)
_STAR_EXTENSION = re.compile(r"\*\.[A-Za-z0-9]\w*(?:\.[A-Za-z]\w*)*")
_DOT_EXTENSION = re.compile(r"\.[A-Za-z][A-Za-z0-9]{0,5}|\.\w+\.(?:gz|bz2|xz|zip)")
_FILE = re.compile(r"[\w+@%~-]+(?:\.[\w+~-]+)*\.[A-Za-z_~][\w~-]*")
_DOMAIN = re.compile(r"(?:[A-Za-z0-9-]+\.)+(?:com|org|net|edu|gov)")
_ALTERNATION = re.compile(r"[A-Za-z]+(?:/[A-Za-z]+)+")
_WORDLIKE = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_SIZES = frozenset(["KB", "MB", "GB", "TB"])
_UNITS = frozenset(
    """b k kb kib m mb mib g gb gib t tb tib s sec secs min mins h hr hrs d ms kilobytes megabytes gigabytes bytes
    days px x th c""".split()
)
_ABBREVIATIONS = frozenset(["e.g", "i.e", "etc", "vs", "a.k.a", "w.r.t"])

FORMATS = frozenset(
    """txt xml html htm php js css json csv tsv yaml yml jpg jpeg png gif bmp svg tif tiff ico pdf doc docx xls xlsx
    ppt odt rtf mp3 mp4 m4a ogg ogv wav flac avi mov mkv flv wma zip gz tgz bz2 rar rpm deb jar war py rb pl cpp hpp
    java sql ini conf cfg bak swp tmp bam md log exe dll dmg iso""".split()
) - {"java", "log", "conf", "tmp"}
"""Names of file formats that are also their extension: "PDF files" are files whose names end in .pdf."""

_NAMED = frozenset(["named", "called", "titled"])
_CUES = {
    **dict.fromkeys(["user", "owner", "username", "login"], Kind.USER),
    **dict.fromkeys(["group", "variable", "alias", "word", "string", "process", "command", "service"], Kind.NAME),
    **dict.fromkeys(["option", "directory", "folder", "file", "filename", "table", "database"], Kind.NAME),
    **dict.fromkeys(["host", "server", "machine", "hostname", "domain"], Kind.HOST),
    "branch": Kind.BRANCH,
    "package": Kind.PACKAGE,
    "port": Kind.PORT,
}
_ALTERNATIVES = frozenset(
    """file files directory directories folder folders link links symlink symlinks subdirectory subdirectories
    subfolder subfolders normal regular ordinary symbolic soft hard and or read write readable writable executable
    name names path paths modified changed created user group owner input output hidden upper lower start stop
    enable disable enabled disabled on off yes no true false line lines word words character characters client server
    source destination archive compressed plain text email mail program programs process processes device devices
    its their his her he she systems operating filesystems size sizes date time dates times socket pipe fifo""".split()
)
"""Words that people put side by side with a slash ("files/directories"); any other word with a slash is a path."""


def tokens_of(goal: str) -> tuple[Token, ...]:
    """The words and literals of a goal in order; goals of more than 2,000 tokens are cut there."""
    found: list[Token] = []
    for token in _scan(goal):
        found.append(token)
        if len(found) >= MAX_TOKENS:
            break
    return tuple(_by_context(_replaced(_joined(found, goal), goal), goal))


def _scan(goal: str) -> Iterator[Token]:
    at = 0
    while at < len(goal):
        if goal[at].isspace():
            at += 1
            continue
        quoted = _quoted(goal, at)
        if quoted is not None:
            yield quoted
            at = quoted.end
            continue
        match = _CHUNK.match(goal, at)
        if match is None:
            return
        end = _cut_at_quote(goal, at, match.end())
        yield from _chunk(goal, at, end)
        at = end


def _quoted(goal: str, at: int) -> Literal | None:
    closing = _OPENING.get(goal[at])
    if closing is None or (at and goal[at - 1] not in _BEFORE_QUOTE and goal[at - 1] not in _OPENING):
        return None
    if goal.startswith("``", at):
        end = goal.find("''", at + 2)
        return _value(goal[at + 2 : end], at, end + 2) if end > 0 else None
    end = at + 1
    while end < len(goal):
        if goal[end] in closing and goal[end - 1] != "\\" and end > at + 1:
            after = goal[end + 1 : end + 2]
            if not after or after in _AFTER_QUOTE or after in _OPENING:
                return _value(goal[at + 1 : end], at, end + 1)
        end += 1
    return None


def _value(text: str, start: int, end: int) -> Literal | None:
    if not text.strip():
        return Literal(Kind.TEXT, text, start, end, True) if text else None
    found = _literal(text, start, end) if not re.search(r"\s", text) else None
    kind = found.kind if found is not None and found.text == text else Kind.TEXT
    if re.fullmatch(r"(?:/|~/|\./|\.\./)[\w./+@ ()-]*", text) and not re.search(r" -|\s$", text):
        kind = Kind.PATH
    if kind is Kind.TEXT and re.fullmatch(r"[\w.+-]+", text):
        kind = Kind.NAME
    return Literal(kind, text, start, end, True)


def _cut_at_quote(goal: str, start: int, end: int) -> int:
    """Where a chunk ends because a quoted value begins inside it ("name='x y'")."""
    for index in range(start + 1, end):
        if goal[index] in '"“`«' and _quoted(goal, index) is not None:
            return index
    return end


def _chunk(goal: str, start: int, end: int) -> Iterator[Token]:
    text = goal[start:end]
    if "," in text.rstrip(",") and "{" not in text and not _URL.match(text):
        offset = start
        for piece in re.split(r"(,)", text):
            if piece:
                yield from _chunk(goal, offset, offset + len(piece))
            offset += len(piece)
        return
    core_start, core_end = _core(goal, start, end)
    for index in range(start, core_start):
        yield Plain(goal[index], index, index + 1)
    if core_end > core_start:
        yield from _core_tokens(goal[core_start:core_end], core_start)
    for index in range(core_end, end):
        if goal[index] in ",;:":
            yield Plain(goal[index], index, index + 1)


def _core(goal: str, start: int, end: int) -> tuple[int, int]:
    """The span without punctuation that belongs to the sentence; brackets stay where they belong to a pattern."""
    text = goal[start:end]
    if _SIGN.fullmatch(text) and _CALLS_SIGN.search(goal[:start]) and not goal[end : end + 1].strip():
        return start, end
    if text in (".", "..", "./", "../", "...") or not any(c.isalnum() or c in "*?/~$" for c in text):
        spaced = start == 0 or goal[start - 1].isspace()
        return (start, end) if spaced and text[0] in "./*" else (start, start)
    while end > start + 1 and goal[end - 1] in _TRAILING:
        closer, inner = goal[end - 1], goal[start : end - 1]
        if closer in ")]}>" and inner.count("([{<"[")]}>".index(closer)]) > inner.count(closer):
            break
        if closer == "?" and re.search(r"[*?]|\[", inner):
            break
        end -= 1
    while start < end - 1 and goal[start] in _LEADING and _unbalanced(goal[start:end]):
        start += 1
    return start, end


def _unbalanced(text: str) -> bool:
    closer = ")]}>"["([{<".index(text[0])]
    return text.count(text[0]) > text.count(closer) or (text.startswith("(") and text.endswith(")"))


def _core_tokens(text: str, start: int) -> Iterator[Token]:
    end = start + len(text)
    if _SIGN.fullmatch(text):
        yield Literal(Kind.TEXT, text, start, end)
        return
    if match := re.fullmatch(r"(.+)['’]s?", text):
        possessor = match.group(1)
        yield from _core_tokens(possessor, start)
        return
    if _ALTERNATION.fullmatch(text) and all(p.lower() in _ALTERNATIVES for p in text.split("/")):
        offset = start
        for piece in re.split(r"(/)", text):
            yield Plain(piece.lower(), offset, offset + len(piece))
            offset += len(piece)
        return
    if match := re.fullmatch(r"([A-Za-z]+)\(([A-Za-z]+)\)?", text):
        # "empty(size 0)": a bracket that follows a word without a space.
        yield from _core_tokens(match.group(1), start)
        yield from _core_tokens(match.group(2), start + match.start(2))
        return
    if re.fullmatch(r"[A-Z]+\d?s", text) and text[:-1].lower() in FORMATS:
        yield Literal(Kind.EXTENSION, text[:-1], start, end - 1)
        yield Plain("files", end - 1, end)
        return
    literal = _literal(text, start, end)
    if literal is not None:
        yield literal
        if literal.kind is Kind.NUMBER and literal.end < end:
            yield Plain(text[literal.end - start :].lower(), literal.end, end)
        return
    offset = start
    for piece in re.split(r"([-/])", text):
        if piece and piece != "-":
            yield Plain(unicodedata.normalize("NFC", piece).lower(), offset, offset + len(piece))
        offset += len(piece)


def _literal(text: str, start: int, end: int) -> Literal | None:
    """The literal that a text without white space is, or None for a word."""
    number = _NUMBER.fullmatch(text)
    if number and (number.group(2) is None or number.group(2).lower() in _UNITS or number.group(2) == "%"):
        return Literal(Kind.NUMBER, number.group(1), start, start + number.end(1))
    if ordinal := _ORDINAL.fullmatch(text):
        return Literal(Kind.NUMBER, ordinal.group(1), start, start + ordinal.end(1))
    kind = _kind(unicodedata.normalize("NFC", text))
    return None if kind is None else Literal(kind, text, start, end)


def _kind(text: str) -> Kind | None:
    for kind, pattern in (
        (Kind.URL, _URL), (Kind.VARIABLE, _VARIABLE), (Kind.HOST, _IP), (Kind.HOST, _AT_HOST), (Kind.DATE, _DATE),
        (Kind.EXTENSION, _STAR_EXTENSION), (Kind.EXTENSION, _DOT_EXTENSION),
    ):  # fmt: skip
        if pattern.fullmatch(text):
            return kind
    if re.search(r"[*?]|\[.+\]", text):
        return Kind.GLOB
    if "/" in text or text in (".", "..", "~") or re.fullmatch(r"~\w+", text):
        return Kind.PATH
    if _DOMAIN.fullmatch(text):
        return Kind.HOST
    if _FILE.fullmatch(text) and text.lower() not in _ABBREVIATIONS:
        return Kind.FILE
    if text[0] == "-" or text[-1] == "-":
        return Kind.NAME
    if re.search(r"[\d_$\\{}=@^|+%#&]", text) or re.search(r"[a-z][A-Z]", text):
        return Kind.NAME
    if len(text) > 1 and text.isupper() and text.isalpha():
        return None if text in _SIZES else Kind.NAME
    # What no word of a sentence looks like is a value.
    return None if _WORDLIKE.fullmatch(text) or len(text) == 1 or not any(c.isalnum() for c in text) else Kind.NAME


# ---------------------------------------------------------------------------------------------- kinds from the context


def _joined(tokens: list[Token], goal: str) -> list[Token]:
    """The tokens with a hyphenated name after "named" or "folder" put together again ("folder main-site")."""
    found: list[Token] = []
    for token in tokens:
        last = found[-1] if found else None
        if isinstance(token, Literal) and isinstance(last, Literal) and token.start == last.end:
            # `/home/me/"$d"`: two pieces of one value, whose quoting only a shell would know.
            found[-1] = Literal(Kind.TEXT, goal[last.start : token.end], last.start, token.end)
            continue
        hyphen = last is not None and token.start == last.end + 1 and goal[last.end] == "-"
        if isinstance(token, Plain) and isinstance(last, Plain) and hyphen and len(found) > 1:
            cue = found[-2]
            if isinstance(cue, Plain) and (cue.text in _NAMED or cue.text in _CUES) and not is_common(last.text):
                found[-1] = Plain(f"{last.text}-{token.text}", last.start, token.end)
                continue
        found.append(token)
    return found


def _replaced(tokens: list[Token], goal: str) -> list[Token]:
    """The tokens with X and Y of "replace X with Y" as texts."""
    found = list(tokens)
    for at in range(len(tokens) - 3):
        four = [token for token in tokens[at : at + 4] if isinstance(token, Plain)]
        if len(four) < 4 or four[0].text != "replace" or four[2].text not in ("with", "by"):
            continue
        if not any(token.text in COMMON or len(token.text) < 2 for token in (four[1], four[3])):
            for index, token in ((at + 1, four[1]), (at + 3, four[3])):
                found[index] = Literal(Kind.NAME, goal[token.start : token.end], token.start, token.end)
    return found


def _by_context(tokens: list[Token], goal: str) -> Iterator[Token]:
    for index, token in enumerate(tokens):
        before = tokens[index - 1] if index else None
        after = tokens[index + 1] if index + 1 < len(tokens) else None
        if isinstance(after, Plain) and index + 2 < len(tokens):
            # "files/directories" is no word for files alone.
            further = tokens[index + 2]
            if isinstance(further, Plain) and further.text in ("/", "and", "or") and after.text.startswith("file"):
                after = further
        cue = before.text if isinstance(before, Plain) else ""
        following = after.text if isinstance(after, Plain) else ""
        if isinstance(token, Plain):
            yield _plain_in_context(token, cue, following, goal[token.start : token.end])
        else:
            after_number = isinstance(before, Literal) and before.kind is Kind.NUMBER
            yield _literal_in_context(token, cue, following, after_number=after_number)


def _plain_in_context(token: Plain, cue: str, following: str, given: str) -> Token:
    text = token.text
    if text in FORMATS and (following in ("file", "files", "image", "images") or cue in ("extension", "extensions")):
        return Literal(Kind.EXTENSION, given, token.start, token.end)
    if re.fullmatch(r"[b-hj-z]", text) and cue in _LETTER_CUES and following in _AFTER_LETTER:
        return Literal(Kind.NAME, given, token.start, token.end)
    if not re.fullmatch(r"[^\W\d_]{2,}(?:-\w+)*", text):
        return token
    named = cue in _NAMED and text not in _AFTER_NAMED
    cued = cue in _CUES and not (text in COMMON if cue in ("word", "string") else is_common(text))
    if named or cued:
        return Literal(Kind.NAME if named else _CUES[cue], given, token.start, token.end)
    if cue in ("extension", "extensions") and not is_common(text):
        return Literal(Kind.EXTENSION, given, token.start, token.end)
    return token


def _literal_in_context(token: Literal, cue: str, following: str, *, after_number: bool) -> Token:
    text = token.text.lower()
    if after_number and token.kind is Kind.NAME and text in _UNITS:
        return Plain(text, token.start, token.end)
    is_name = (
        cue in _NAMED
        or cue in ("name", "is", "are", "file", "directory", "folder")
        or following not in ("file", "files", "extension", "")
    )
    is_name = is_name and cue not in ("in", "with", "by", "extension", "extensions", "suffix", "of", "word")
    if token.kind is Kind.EXTENSION and text.startswith("."):
        return replace(token, kind=Kind.FILE) if is_name else token
    plural = following in ("file", "files", "image", "images")
    if token.kind is Kind.NAME and not token.quoted and text in FORMATS and plural:
        return replace(token, kind=Kind.EXTENSION)
    if cue in ("extension", "extensions") and re.fullmatch(r"[A-Za-z]\w{0,9}", token.text):
        return replace(token, kind=Kind.EXTENSION)
    if token.kind is Kind.NAME and cue in _CUES:
        return replace(token, kind=_CUES[cue])
    return replace(token, kind=Kind.PORT) if token.kind is Kind.NUMBER and cue == "port" else token


_LETTER_CUES = frozenset("named called folder directory file branch".split())
_AFTER_LETTER = frozenset(["", "and", "to", "into", "in", "from", "with", "then", ",", "or"])
_AFTER_NAMED = frozenset(
    "after as by for from in like of on or and the a an to with that it them this which exactly only by".split()
)

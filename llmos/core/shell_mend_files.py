"""Slips in what finds, moves and writes files: find, mv, cp, mkdir, tar, redirections, loops. Each rule knows one."""

from __future__ import annotations

import re
from itertools import pairwise

from llmos.core.shell_mend_line import (
    Edit,
    Line,
    One,
    Rule,
    before_last_quote,
    has_glob,
    is_fixed,
    is_opaque,
    rewritten,
)
from llmos.core.shell_words import Quote, Word

_NAME_TESTS = ("-name", "-iname", "-path", "-ipath")
_UNIT = {"k": 1024, "M": 1024**2, "G": 1024**3}
_WRITERS = ("echo", "printf", "ls", "find", "seq", "date")
"""What writes, and reads none of the files that it names."""
_MOVERS = ("mv", "cp")


def _starts_script(line: Line, one: One) -> list[Edit]:
    """A script of this folder is not on the path."""
    if one.head is None or "/" in one.name or not is_fixed(one.head):
        return []
    if one.name == "python":
        return [(one.head.start, one.head.end, "python3")]
    shell = next((runs for ending, runs in ((".sh", "bash"), (".py", "python3")) if one.name.endswith(ending)), "")
    return [(one.head.start, one.head.start, f"{shell} ")] if shell else []


def _no_terminal(line: Line, one: One) -> list[Edit]:
    """Nobody can type a password or turn pages."""
    if one.head is None:
        return []
    if one.name == "sudo" and one.args and not one.args[0].value.startswith("-"):
        return [(one.head.start, one.args[0].start, "")]
    pages = one.name in ("less", "more") and one.args
    return [(one.head.start, one.head.end, "cat")] if pages else []


def _find_pattern(line: Line, one: One) -> list[Edit]:
    """A pattern for find that the shell would put names for, or that holds alternatives find does not know."""
    if one.name != "find":
        return []
    for test, word in zip(one.args, one.args[1:], strict=False):
        if test.value not in _NAME_TESTS or is_opaque(word) or "'" in word.value:
            continue
        patterns = _alternatives(word)
        if len(patterns) > 1:
            joined = " -o ".join(f"{test.value} '{pattern}'" for pattern in patterns)
            return [(test.start, word.end, rf"\( {joined} \)")]
        if has_glob(word):
            return [(word.start, word.end, f"'{word.value}'")]
    return []


def _alternatives(word: Word) -> list[str]:
    """`a|b`, or `{a,b}` written out."""
    braces = re.fullmatch(r"([^{}]*)\{([^{}]+,[^{}]*)\}([^{}]*)", word.value)
    if braces:
        return [braces[1] + piece + braces[3] for piece in braces[2].split(",")]
    return word.value.split("|") if "|" in word.value and "(" not in word.value else [word.value]


def _find_itself(line: Line, one: One) -> list[Edit]:
    """Folders below a folder: it is not one of them."""
    values = [word.value for word in one.args]
    if one.name != "find" or "-mindepth" in values or not _adjacent(values, "-type", "d"):
        return []
    if any(value in _NAME_TESTS for value in values):
        return []
    following = line.next_in_pipe(one)
    counted = following is not None and following.name == "wc"
    if not (counted or _adjacent(values, "-maxdepth", "1") or {"-delete", "-empty"} & set(values)):
        return []
    first = next((word for word in one.args if word.value.startswith(("-", "!", "("))), None)
    return [(first.start, first.start, "-mindepth 1 ")] if first else []


def _adjacent(values: list[str], first: str, second: str) -> bool:
    return (first, second) in pairwise(values)


def _find_smaller(line: Line, one: One) -> list[Edit]:
    """`-size -5k` rounds up before it compares: a file of 4,100 bytes is five blocks, and -1M finds empty ones only."""
    word = one.after("-size") if one.name == "find" else None
    match = re.fullmatch(r"-(\d+)([kMG])", word.value) if word else None
    return rewritten(line, word, f"-{int(match[1]) * _UNIT[match[2]]}c") if word and match else []


def _find_end(line: Line, one: One) -> list[Edit]:
    r"""`-exec` without `\;` or `+`."""
    values = [word.value for word in one.args]
    run = next((at for at, value in enumerate(values) if value in ("-exec", "-execdir")), None)
    if one.name != "find" or run is None or any(value in (";", "+") for value in values[run + 1 :]):
        return []
    return [(one.args[-1].end, one.args[-1].end, " \\;")] if len(values) > run + 1 else []


def _find_plus(line: Line, one: One) -> list[Edit]:
    r"""`-exec mv {} d +`: only right behind the names is + an end; behind anything else it is `\;`."""
    for before, word in pairwise(one.args) if one.name == "find" else ():
        if word.value == "+" and before.value != "{}" and any(other.value == "{}" for other in one.args):
            return rewritten(line, word, "\\;")
    return []


def _find_print(line: Line, one: One) -> list[Edit]:
    """A format without a line end runs all names together."""
    word = one.after("-printf") if one.name == "find" else None
    if word is None or re.search(r"\\[n0]", word.value) or is_opaque(word):
        return []
    return [before_last_quote(line, word, "\\n")]


def _find_mode(line: Line, one: One) -> list[Edit]:
    word = one.after("-perm") if one.name == "find" else None
    return rewritten(line, word, f"/{word.value[1:]}") if word and re.fullmatch(r"\+\d+", word.value) else []


def _names_with_spaces(line: Line, one: One) -> list[Edit]:
    """`find | xargs` takes a name with a space for two."""
    following = line.next_in_pipe(one)
    if one.name != "find" or following is None or following.name != "xargs" or not one.args:
        return []
    if any(word.value.startswith(("-print", "-exec", "-fprint", "-ls")) for word in one.args):
        return []
    if following.letters & {"0", "d", "L", "n"}:
        return []
    return [(one.args[-1].end, one.args[-1].end, " -print0"), *following.with_option("-0")]


def _reads_what_it_empties(line: Line, one: One) -> list[Edit]:
    """`sort a > a`: the shell empties the file before it is read."""
    for sign, target in one.command.targets:
        if sign != ">" or target.end != one.end:
            continue
        name = line.raw(target)
        for other in line.pipeline_to(one):
            sources = [*other.args, *(word for mark, word in other.command.targets if mark == "<")]
            if other.name not in _WRITERS and any(line.raw(word) == name for word in sources):
                return [(target.start, target.end, f"{name}.new && mv {name}.new {name}")]
    return []


def _folder_first(line: Line, one: One) -> list[Edit]:
    """Several files go into a folder: it must be there."""
    folder: Word | None = None
    if one.name in _MOVERS:
        operands = one.operands("tS")
        several = len(operands) > 2 or (len(operands) == 2 and has_glob(operands[0]))
        folder = one.after("-t") or (operands[-1] if several else None)
    elif one.name == "find":
        folder = one.after("-t") if any(word.value in _MOVERS for word in one.args) else None
    elif one.name == "tar" and "x" in (one.letters | set(one.args[0].value if one.args else "")):
        folder = one.after("-C")
    if folder is None or not is_fixed(folder) or folder.value.startswith(("/", "-", ".", "~")):
        return []
    made = any(other.name == "mkdir" and other.start < one.start for other in line.commands)
    if made or line.reads_pipe(one):
        return []
    return [(one.start, one.start, f"mkdir -p {line.raw(folder)} && ")]


def _folders_on_the_way(line: Line, one: One) -> list[Edit]:
    deep = any("/" in word.value.strip("/") for word in one.operands("m"))
    return one.with_option("-p") if one.name == "mkdir" and deep and "p" not in one.letters else []


def _folder_copied(line: Line, one: One) -> list[Edit]:
    sources = one.operands("tS")[:-1]
    folder = one.name == "cp" and any(word.value.endswith("/") for word in sources)
    return one.with_option("-r") if folder and not one.letters & {"r", "R", "a"} else []


def _tar_reads(line: Line, one: One) -> list[Edit]:
    """Which packing an archive has tar finds by itself; a wrong letter is an error."""
    if one.name != "tar" or not one.args:
        return []
    word = one.args[0]
    letters = word.value.lstrip("-")
    if word.value.startswith("--") or not re.fullmatch(r"[a-zA-Z]+", letters) or not set("xt") & set(letters):
        return []
    return rewritten(line, word, re.sub(r"[zjJ]", "", line.raw(word)))


def _any_depth(line: Line, one: One) -> list[Edit]:
    """`**` means any depth only where that is switched on."""
    if "globstar" in line.text:
        return []
    words = [*one.command.words, *(word for _, word in one.command.targets)]
    deep = any("**/" in word.value and has_glob(word) for word in words)
    return [(0, 0, "shopt -s globstar; ")] if deep and one.name != "find" else []


def _loop_over_listing(line: Line, one: One) -> list[Edit]:
    """`for f in $(ls *.x)` takes a name with a space for two."""
    for word in one.command.words[1:] if one.loop else ():
        match = re.fullmatch(r"\$\(ls(?: -1)?( [^\s()|'\"$]*\*[^\s()|'\"$]*)?\)", line.raw(word))
        if match:
            return [(word.start, word.end, (match[1] or "*").strip())]
    return []


def _loop_name_unquoted(line: Line, one: One) -> list[Edit]:
    """A name in a loop, without quotes: one with a space falls apart."""
    loops = [other.command.words[0].value for other in line.commands if other.loop and other.command.words]
    if not loops or one.name not in (*_MOVERS, "rm", "cat", "touch", "gzip", "mkdir", "basename", "wc", "head"):
        return []
    edits: list[Edit] = []
    for word in one.args:
        raw = line.raw(word)
        named = any(re.search(rf"\$\{{?{re.escape(name)}\b", raw) for name in loops)
        open_only = all(quote in (Quote.NONE, Quote.OPAQUE) for quote in word.quotes)
        if named and open_only and not has_glob(word) and not re.search(r"[\"'`\\]|\$\(", raw):
            edits.append((word.start, word.end, f'"{raw}"'))
    return edits


def _first_space_only(line: Line, one: One) -> list[Edit]:
    """`${f/ /_}` replaces the first space of several."""
    return [
        edit
        for word in one.command.words
        for edit in rewritten(line, word, re.sub(r"\$\{(\w+)/( |\\ )/", r"${\1//\2/", line.raw(word)))
    ]


FILE_RULES: tuple[Rule, ...] = (
    _no_terminal,
    _starts_script,
    _find_pattern,
    _find_itself,
    _find_smaller,
    _find_end,
    _find_plus,
    _find_print,
    _find_mode,
    _names_with_spaces,
    _reads_what_it_empties,
    _folder_first,
    _folders_on_the_way,
    _folder_copied,
    _tar_reads,
    _loop_over_listing,
    _loop_name_unquoted,
    _first_space_only,
    _any_depth,
)

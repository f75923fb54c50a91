"""Slips in what reads and filters text: grep, sed, awk, sort, cut, uniq, wc, echo. Each rule knows one."""

from __future__ import annotations

import re
from dataclasses import field

from llmos.core.dataclass import dataclass
from llmos.core.shell_mend_line import Edit, Line, One, Rule, before_last_quote, ends, has_glob, is_fixed, rewritten
from llmos.core.shell_words import Quote, Word

_GREPS = ("grep", "zgrep")
_GREP_VALUES = "ABCmefd"
_LONG = {"--extended-regexp": "E", "--perl-regexp": "P", "--fixed-strings": "F", "--recursive": "r", "--count": "c"}
_ESCAPED_BASIC = re.compile(r"\\[|(){}+?]")
_EXTENDED = re.compile(r"\w\)?\|\(?\w|[\])\w.]\{\d+(?:,\d*)?\}|[\]).][+?]|\\[dw][+?]|\)\*")
_PERL = re.compile(r"\(\?[:=!<]|[.\]][*+]\?|\\K")
_DIGIT = re.compile(r"\\d")
_LITERAL_BRACKET = re.compile(r"(?<![\\\[])\[(x|X| |[A-Z]{3,})\](?![+*{])")
_BARE = re.compile(r"((?:==|!=)\s*)([A-Za-z]\w*)(?![\w(\[])")
_AWK_NAMES = frozenset("NR NF FNR FS OFS RS ORS FILENAME RSTART RLENGTH ENVIRON length".split())


@dataclass(frozen=True, slots=True)
class _Grep:
    letters: frozenset[str]
    pattern: Word | None
    files: list[Word] = field(default_factory=list)

    @property
    def recursive(self) -> bool:
        return bool(self.letters & {"r", "R"})


def _grep(one: One) -> _Grep:
    letters = {_LONG[word.value] for word in one.args if word.value in _LONG} | set(one.letters)
    pattern = one.after("-e")
    operands = one.operands(_GREP_VALUES)
    if pattern is None and operands:
        pattern, operands = operands[0], operands[1:]
    return _Grep(frozenset(letters), pattern, operands)


def _grep_needs_extended(line: Line, one: One) -> list[Edit]:
    """`grep 'a|b'`: without -E the bar is a letter."""
    if one.name not in _GREPS:
        return []
    found = _grep(one)
    text = found.pattern.value if found.pattern else ""
    plain = not found.letters & {"E", "P", "F"} and not _ESCAPED_BASIC.search(text)
    return one.with_option("-E") if plain and _EXTENDED.search(text) else []


def _grep_address(line: Line, one: One) -> list[Edit]:
    """`grep 10.0.0.7` finds 110.0.0.71 and 10x0.0.7 too."""
    found = _grep(one)
    if one.name not in (*_GREPS, "egrep") or not found.pattern or found.letters & {"F", "w", "x"}:
        return []
    return one.with_option("-wF") if re.fullmatch(r"\d{1,3}(?:\.\d{1,3}){3}", found.pattern.value) else []


def _grep_escapes_bar(line: Line, one: One) -> list[Edit]:
    r"""`grep -E 'a\|b'`: with -E the escaped bar is a letter."""
    found = _grep(one)
    if one.name not in (*_GREPS, "egrep") or not found.pattern or not (found.letters & {"E"} or one.name == "egrep"):
        return []
    return rewritten(line, found.pattern, re.sub(r"(?<=\w)\\\|(?=\w)", "|", line.raw(found.pattern)))


def _grep_needs_perl(line: Line, one: One) -> list[Edit]:
    """What only Perl's patterns have, without -P."""
    found = _grep(one)
    if one.name not in _GREPS or not found.pattern or found.letters & {"P", "F"}:
        return []
    if not _PERL.search(found.pattern.value):
        return []
    return one.without_letter("E", "P") if "E" in one.letters else one.with_option("-P")


def _digits(line: Line, one: One) -> list[Edit]:
    r"""`\d` in a pattern of grep or sed is no digit."""
    if one.name in (*_GREPS, "egrep"):
        found = _grep(one)
        word = None if found.letters & {"P", "F"} else found.pattern
    else:
        word = _program(one) if one.name == "sed" else None
    if word is None or not _DIGIT.search(word.value):
        return []
    raw = line.raw(word)
    inside = re.sub(r"\[[^\]\s]*\\d[^\]\s]*\]", lambda match: match[0].replace("\\d", "0-9"), raw)
    return rewritten(line, word, inside.replace("\\d", "[0-9]"))


def _literal_brackets(line: Line, one: One) -> list[Edit]:
    """`[x]`, `[ ]` or `[ERROR]` in a pattern: what is meant is the brackets, not one letter of those in them."""
    if one.name in (*_GREPS, "egrep"):
        found = _grep(one)
        word = None if found.letters & {"F"} else found.pattern
    else:
        word = _program(one) if one.name in ("sed", "awk", "gawk") else None
    if word is None or Quote.NONE in word.quotes:
        return []
    return rewritten(line, word, _LITERAL_BRACKET.sub(r"\\[\1\\]", line.raw(word)))


def _count_piped_on(line: Line, one: One) -> list[Edit]:
    """`grep -c a file | grep b` looks for b in a number; the lines are meant, and the last is to count."""
    following = line.next_in_pipe(one)
    if one.name not in _GREPS or following is None or following.name not in ("grep", "wc"):
        return []
    found = _grep(one)
    if "c" not in one.letters or found.recursive or len(found.files) > 1 or any(map(has_glob, found.files)):
        return []
    edits = one.without_letter("c")
    if following.name == "grep" and "c" not in following.letters and not line.pipes_on(following):
        edits += following.with_option("-c")
    return edits


def _grep_reads_nothing(line: Line, one: One) -> list[Edit]:
    """A grep without files, or with a folder, and without -r."""
    if one.name != "grep" or line.reads_pipe(one) or "while" in line.text or "xargs" in line.text:
        return []
    found = _grep(one)
    if found.recursive or found.pattern is None or any(sign.startswith("<") for sign, _ in one.command.targets):
        return []
    folder = any(is_fixed(word) and (word.value.endswith("/") or word.value == ".") for word in found.files)
    return one.with_option("-r") if folder or not found.files else []


def _packed(line: Line, one: One) -> list[Edit]:
    """A program for text on a packed file."""
    gzipped = [w for w in one.operands("nkdf") if ends(w, (".gz",)) and not ends(w, (".tar.gz", ".tgz"))]
    if not gzipped or one.head is None:
        return []
    if one.name == "grep" and len(_grep(one).files) == len(gzipped):
        return [(one.head.start, one.head.end, "zgrep")]
    if one.name == "cat" and not any(ends(word, (".gz",)) for _, word in one.command.targets):
        return [(one.head.start, one.head.end, "zcat")]
    if one.name in ("head", "tail", "wc", "sort", "cut", "awk", "sed") and len(gzipped) == 1:
        word = gzipped[0]
        return [(word.start - 1, word.end, ""), (one.start, one.start, f"zcat {line.raw(word)} | ")]
    return []


def _program(one: One) -> Word | None:
    """The program text of a sed or awk."""
    given = one.after("-e") if one.name == "sed" else None
    return given or next(iter(one.operands("Fvfe" if one.name != "sed" else "fl")), None)


def _sed_needs_extended(line: Line, one: One) -> list[Edit]:
    """`sed 's/[0-9]+/…/'` without -E: the plus is a letter."""
    if one.name != "sed" or one.letters & {"E", "r"} or (word := _program(one)) is None:
        return []
    text = word.value
    extended = re.search(r"\]\+|\]\{\d|\.\+|\)\+|\\1", text)
    return one.with_option("-E") if extended and not _ESCAPED_BASIC.search(text) else []


def _sed_empty_suffix(line: Line, one: One) -> list[Edit]:
    """`sed -i ''` is BSD's; here the empty word would be the script."""
    if one.name != "sed" or (word := one.after("-i")) is None or word.value:
        return []
    return [(word.start, word.end + 1, "")]


def _awk_in_double_quotes(line: Line, one: One) -> list[Edit]:
    """In double quotes the shell puts nothing for $2."""
    if one.name not in ("awk", "gawk") or (word := _program(one)) is None:
        return []
    raw = line.raw(word)
    if not re.fullmatch(r'".*(?<!\\)\$\d.*"', raw, re.DOTALL) or "'" in raw:
        return []
    return rewritten(line, word, "'" + re.sub(r'\\(["$])', r"\1", raw[1:-1]) + "'")


def _awk_bare_word(line: Line, one: One) -> list[Edit]:
    """`$2 == France` compares with a variable that nobody set."""
    if one.name not in ("awk", "gawk") or (word := _program(one)) is None or not line.raw(word).startswith("'"):
        return []
    text = word.value

    def quoted(match: re.Match[str]) -> str:
        name = match[2]
        known = name in _AWK_NAMES or re.search(rf"\b{name}\s*(?:=(?!=)|\+=|-=|\+\+|\[)|[(,]\s*{name}\b", text)
        return match[0] if known or f"{name}=" in line.text else f'{match[1]}"{name}"'

    return rewritten(line, word, _BARE.sub(quoted, line.raw(word)))


def _separator_of(line: Line, one: One) -> str:
    """What separates the columns of the table that a command reads, by the name of the file; empty if unknown."""
    readers = ("tail", "head", "cat", "grep", "sed", "sort")
    for other in line.pipeline_to(one):
        if other is not one and other.name not in readers:
            return ""
        sources = [*other.args, *(word for sign, word in other.command.targets if sign == "<")]
        for ending, separator in ((".csv", ","), (".tsv", "\t"), (".psv", "|")):
            if any(ends(word, (ending,)) for word in sources):
                return separator
    return ""


def _columns_of_table(line: Line, one: One) -> list[Edit]:
    """Columns of a table are asked for and no separator is given."""
    if one.name not in ("cut", "sort", "awk", "gawk"):
        return []
    values = [word.value for word in one.args]
    if one.name == "cut":
        asked, given, option = any(v.startswith("-f") for v in values), "d" in "".join(v[:2] for v in values), "-d"
    elif one.name == "sort":
        asked, given, option = any(v.startswith("-k") for v in values), any(v.startswith("-t") for v in values), "-t"
    else:
        program = _program(one)
        text = program.value if program else ""
        asked = bool(re.search(r"\$[1-9]", text)) and not re.search(r"\bFS\b|\bsplit\(", text)
        given, option = any(v.startswith("-F") for v in values), "-F"
    if not asked or given:
        return []
    separator = _separator_of(line, one)
    if separator == "\t":
        return one.with_option("-F'\\t'") if option == "-F" else []
    return (
        one.with_option(f"{option}'{separator}'" if separator == "|" else f"{option}{separator}") if separator else []
    )


def _long_separator(line: Line, one: One) -> list[Edit]:
    r"""A separator of two letters, where one is taken: ", " or \t."""
    option = {"cut": "-d", "sort": "-t"}.get(one.name)
    if option is None:
        return []
    for word in one.args:
        joined = word.value.startswith(option) and len(word.value) > 2
        value = word.value[2:] if joined else word.value if one.after(option) is word else ""
        if value == "\\t":
            return rewritten(line, word, (option if joined else "") + "\"$(printf '\\t')\"")
        if len(value) == 2 and value[1] == " ":
            return rewritten(line, word, f"{option if joined else ''}'{value[0]}'")
    return []


def _human_sizes(line: Line, one: One) -> list[Edit]:
    """`du -h | sort -n` takes 1.2M for less than 30K."""
    before = line.before_in_pipe(one)
    if one.name != "sort" or before is None or before.name not in ("du", "ls"):
        return []
    return one.without_letter("n", "h") if "h" in before.letters and "n" in one.letters else []


def _sizes_in_order(line: Line, one: One) -> list[Edit]:
    """Sizes of several folders, one under the other: in order they cannot be misread."""
    several = len(one.operands("d")) > 1 or any(map(has_glob, one.args))
    if one.name != "du" or not several or line.pipes_on(one) or one.command.targets:
        return []
    return [(one.end, one.end, " | sort -rh" if "h" in one.letters else " | sort -rn")]


def _uniq_without_sort(line: Line, one: One) -> list[Edit]:
    """uniq sees only neighbours that are equal."""
    following = line.next_in_pipe(one)
    counts = one.letters & {"c", "d", "u", "D"} or (following is not None and following.name in ("wc", "sort"))
    if one.name != "uniq" or not counts:
        return []
    files = one.operands("wsf")
    if len(files) == 1:
        word = files[0]
        return [(word.start - 1, word.end, ""), (one.start, one.start, f"sort {line.raw(word)} | ")]
    before = line.before_in_pipe(one)
    in_order = before is None or before.name in ("sort", "uniq", "comm")
    return [] if files or in_order else [(one.start, one.start, "sort | ")]


def _comm_without_sort(line: Line, one: One) -> list[Edit]:
    files = one.operands()
    if one.name != "comm" or len(files) != 2 or not all(map(is_fixed, files)):
        return []
    return [(word.start, word.end, f"<(sort {line.raw(word)})") for word in files]


def _total_counts(line: Line, one: One) -> list[Edit]:
    """The line `total` of wc is none of the files that are put in order."""
    following = line.next_in_pipe(one)
    several = len(one.operands()) > 1 or any(map(has_glob, one.args))
    if one.name != "wc" or not several or following is None or following.name != "sort":
        return []
    return [(one.end, one.end, " | grep -v ' total$'")]


def _list_counts_more(line: Line, one: One) -> list[Edit]:
    """`ls -l | wc -l` counts the line with the total too, `-a` the folder itself and the one above."""
    following = line.next_in_pipe(one)
    if one.name != "ls" or following is None or following.name != "wc" or not one.letters & {"l", "a"}:
        return []
    return one.without_letter("l") if "l" in one.letters else one.without_letter("a", "A")


def _commits_counted(line: Line, one: One) -> list[Edit]:
    """`git log | wc -l` counts the lines that tell of the commits."""
    following = line.next_in_pipe(one)
    values = [word.value for word in one.args]
    if one.name != "git" or "log" not in values[:1] or following is None or following.name != "wc":
        return []
    if any(value.startswith(("--oneline", "--format", "--pretty", "--name", "--stat", "-p")) for value in values):
        return []
    return [(one.args[0].end, one.args[0].end, " --oneline")]


def _echo_escapes(line: Line, one: One) -> list[Edit]:
    r"""`echo "a\nb"` writes a backslash and an n."""
    if one.name != "echo" or one.letters & {"e"} or not any(re.search(r"\\[nt]", word.value) for word in one.args):
        return []
    return one.with_option("-e")


def _printf_without_end(line: Line, one: One) -> list[Edit]:
    """A line that printf writes to a file has an end."""
    if one.name != "printf" or len(one.args) != 1 or not any(sign in (">", ">>") for sign, _ in one.command.targets):
        return []
    word = one.args[0]
    if "%" in word.value or word.value.endswith(("\\n", "\n")) or not word.value:
        return []
    return [before_last_quote(line, word, "\\n")]


TEXT_RULES: tuple[Rule, ...] = (
    _grep_needs_perl,
    _grep_needs_extended,
    _grep_escapes_bar,
    _grep_address,
    _digits,
    _literal_brackets,
    _count_piped_on,
    _grep_reads_nothing,
    _packed,
    _sed_empty_suffix,
    _sed_needs_extended,
    _awk_in_double_quotes,
    _awk_bare_word,
    _columns_of_table,
    _human_sizes,
    _sizes_in_order,
    _uniq_without_sort,
    _comm_without_sort,
    _total_counts,
    _list_counts_more,
    _commits_counted,
    _echo_escapes,
    _printf_without_end,
    _long_separator,
)

"""What each word of a parsed command is for: program name, option, argument, pattern, regular expression or code.

Tables of programs, not of goals. A program that is not listed is read by the common convention: words that begin
with a dash are options, all others arguments.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from enum import StrEnum

from llmos.core.dataclass import dataclass
from llmos.core.shell_words import Command, Script, Word


class Role(StrEnum):
    NAME = "name"
    OPTION = "option"
    ARGUMENT = "argument"
    PATTERN = "pattern"
    """A glob that the program itself matches, as `find -name` does."""
    REGEX = "regex"
    CODE = "code"
    """A program, format or expression in a language of its own."""


@dataclass(frozen=True, slots=True)
class RoledWord:
    """A word and its role. The first `fixed` characters of its value are an option's name ("--size=", "-n")."""

    word: Word
    role: Role
    program: str
    fixed: int = 0


_WRAPPERS = {
    "sudo": "ugpCDhrt", "env": "uCS", "nice": "n", "ionice": "cn", "nohup": "", "time": "fo", "exec": "a",
    "command": "", "builtin": "", "xargs": "ILnPsEadJ", "watch": "n", "stdbuf": "ioe", "chroot": "", "timeout": "ks",
    "setsid": "", "unbuffer": "", "strace": "eopP", "parallel": "jIN",
}  # fmt: skip
"""Programs that run the command that follows their options; the letters are short options that take a value."""

_SCRIPTS = {"sed": "ef", "gsed": "ef", "awk": "f", "gawk": "f", "mawk": "f", "jq": "f", "rename": "e", "prename": "e"}
"""Programs whose first operand is code unless one of these options gave it."""

_INTERPRETERS = {
    "perl": "eE", "ruby": "e", "python": "c", "python2": "c", "python3": "c", "bash": "c", "sh": "c", "zsh": "c",
    "dash": "c", "ksh": "c", "node": "e", "php": "r", "su": "c", "script": "c", "octave": "", "mysql": "e", "psql": "c",
}  # fmt: skip
"""Programs with an option whose value is code."""

_DASHLESS = {"tar": r"[A-Za-z]+", "ps": r"[aefgjlruvwxAX]+"}
_PYTHONS = frozenset(["python", "python2", "python3"])
_FAMILIES = frozenset(
    """git svn hg docker podman kubectl apt apt-get yum dnf brew pacman npm yarn pip pip3 cargo go gem systemctl ip
    conda uv poetry make terraform helm aws gcloud az gh""".split()
)
"""Programs whose first operand is a command of its own."""
_GREPS = frozenset("grep egrep zgrep zegrep bzgrep pgrep pkill ack ag rg".split())
_ALL_CODE = frozenset("tr eval expr bc dc let trap test [ [[ alias tput bind".split())
_FIRST_CODE = frozenset(["printf", "ssh", "screen", "tmux"])
_VALUE_OPTIONS = {
    "grep": "ABCmefD", "egrep": "ABCmef", "zgrep": "ABCmef", "sed": "efl", "awk": "vFf", "gawk": "vFf", "sort": "kotST",
    "head": "nc", "tail": "ncs", "cut": "dfcb", "tar": "fCTXI", "ssh": "pilLRDoF", "scp": "Pi", "rsync": "e",
    "split": "lbnaC", "join": "12jtoe", "paste": "d", "nl": "bnsw", "fold": "w", "read": "pndtu", "date": "dr",
    "ps": "opuCUtG", "top": "pnd", "screen": "SXp", "curl": "oXHdu", "wget": "OPo", "mount": "to", "du": "d",
    "chmod": "", "mkdir": "m", "touch": "dtr", "xargs": "ILnPsEadJ", "find": "",
}  # fmt: skip
_CODE_OPTIONS = {
    "awk": "Fv",
    "gawk": "Fv",
    "stat": "cf",
    "date": "",
    "ps": "o",
    "watch": "",
    "xargs": "I",
    "sort": "t",
    "cut": "d",
}
_FIND_PATTERNS = frozenset("-name -iname -path -ipath -wholename -iwholename -lname -ilname".split())
_FIND_REGEX = frozenset(["-regex", "-iregex"])
_FIND_CODE = frozenset("-printf -fprintf -regextype -type -xtype".split())
_FIND_EXEC = frozenset("-exec -execdir -ok -okdir".split())
_FIND_VALUES = frozenset(
    """-size -mtime -atime -ctime -mmin -amin -cmin -newer -anewer -cnewer -user -group -uid -gid -perm -inum -links
    -maxdepth -mindepth -samefile -fstype -used -newermt -newerct -newerat -fprint -fprint0 -fls""".split()
)
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*\+?=")


def program(word: Word) -> str:
    """The name of a program without its folder."""
    return word.value.rsplit("/", 1)[-1]


def roles(script: Script) -> tuple[RoledWord, ...]:
    """Every word of every command with its role, redirection targets included."""
    found: list[RoledWord] = []
    for command in script.commands:
        found.extend(_command(command))
        for operator, word in command.targets:
            role = Role.CODE if operator in (">&", "<&") and word.value.isdigit() else Role.ARGUMENT
            found.append(RoledWord(word, role, operator))
    return tuple(found)


def _command(command: Command) -> Iterator[RoledWord]:
    if command.loop:
        yield from (RoledWord(word, Role.ARGUMENT if i else Role.NAME, "for") for i, word in enumerate(command.words))
    else:
        yield from _simple(command.words)


def _simple(words: Sequence[Word]) -> Iterator[RoledWord]:
    index = 0
    while index < len(words) and (match := _ASSIGNMENT.match(words[index].value)):
        yield RoledWord(words[index], Role.ARGUMENT, "=", match.end())
        index += 1
    if index >= len(words):
        return
    name, rest = program(words[index]), words[index + 1 :]
    yield RoledWord(words[index], Role.NAME, name)
    if name in _WRAPPERS:
        yield from _wrapper(name, rest)
    elif name == "find":
        yield from _find(rest)
    elif name == "[[" or name in _ALL_CODE:
        yield from (RoledWord(word, Role.CODE, name) for word in rest)
    else:
        yield from _operands(name, rest)


def _wrapper(name: str, words: Sequence[Word]) -> Iterator[RoledWord]:
    index = 0
    while index < len(words):
        word = words[index]
        if word.value.startswith("-"):
            yield _option(name, word)
            takes = len(word.value) == 2 and word.value[1] in _WRAPPERS[name]
            if takes and index + 1 < len(words):
                index += 1
                yield RoledWord(words[index], Role.CODE if name in ("xargs", "parallel") else Role.ARGUMENT, name)
        elif (match := _ASSIGNMENT.match(word.value)) and name in ("env", "sudo"):
            yield RoledWord(word, Role.ARGUMENT, name, match.end())
        elif name == "timeout" and word.value[:1].isdigit():
            yield RoledWord(word, Role.ARGUMENT, name)
        elif name == "watch" and len(words) == index + 1 and " " in word.value:
            yield RoledWord(word, Role.CODE, name)
        else:
            break
        index += 1
    yield from _simple(words[index:])


def _find(words: Sequence[Word]) -> Iterator[RoledWord]:
    index = 0
    while index < len(words):
        word = words[index]
        test = word.value
        index += 1
        if test in _FIND_EXEC:
            yield RoledWord(word, Role.OPTION, "find")
            end = index
            while end < len(words) and words[end].value != ";" and not _is_batch(words, end):
                end += 1
            yield from _simple(words[index:end])
            index = end
        elif test.startswith("-") or test in ("!", "(", ")", ",", ";", "+"):
            yield RoledWord(word, Role.OPTION, "find")
            role = _find_value(test)
            if role is not None and index < len(words):
                yield RoledWord(words[index], role, test)
                index += 1
        else:
            yield RoledWord(word, Role.ARGUMENT, "find")


def _is_batch(words: Sequence[Word], index: int) -> bool:
    return words[index].value == "+" and words[index - 1].value == "{}"


def _find_value(test: str) -> Role | None:
    if test in _FIND_PATTERNS:
        return Role.PATTERN
    if test in _FIND_REGEX:
        return Role.REGEX
    if test in _FIND_CODE:
        return Role.CODE
    return Role.ARGUMENT if test in _FIND_VALUES or test.startswith("-newer") else None


def _operands(name: str, words: Sequence[Word]) -> Iterator[RoledWord]:
    first = _first_operand(name, words)
    if name in _FAMILIES and words and re.fullmatch(r"[a-z][a-z-]*", words[0].value):
        # `git commit`: the first operand says what is done, as a program's name does.
        yield RoledWord(words[0], Role.NAME, f"{name} {words[0].value}")
        words = words[1:]
    if name in _PYTHONS and len(words) > 1 and words[0].value == "-m":
        # `python -m pytest`: the module is the program.
        yield _option(name, words[0])
        yield RoledWord(words[1], Role.NAME, words[1].value)
        yield from _operands(words[1].value, words[2:])
        return
    if name in _DASHLESS and words and re.fullmatch(_DASHLESS[name], words[0].value):
        # `tar xf`: the first word is a cluster of options even without its dash.
        yield RoledWord(words[0], Role.OPTION, name, len(words[0].value))
        words = words[1:]
    index, ended = 0, False
    while index < len(words):
        word = words[index]
        index += 1
        if ended or not word.value.startswith("-") or word.value == "-":
            yield RoledWord(word, first or Role.ARGUMENT, name)
            first = Role.CODE if name == "ssh" and first is None else (Role.CODE if name == "ssh" else None)
            continue
        ended = word.value == "--"
        yield _option(name, word)
        role = _option_value(name, word.value)
        if role is not None and index < len(words):
            yield RoledWord(words[index], role, name)
            index += 1


def _first_operand(name: str, words: Sequence[Word]) -> Role | None:
    """The role of the first operand where it is not an argument."""
    given = [word.value for word in words if word.value.startswith("-")]
    if name in _SCRIPTS:
        letters = _SCRIPTS[name]
        return None if any(option[1:2] in letters for option in given) else Role.CODE
    if name in _GREPS:
        fixed = name == "fgrep" or any(re.fullmatch(r"-\w*F\w*", option) for option in given)
        by_option = any(re.fullmatch(r"-\w*[ef]|--regexp.*|--file.*", option) for option in given)
        return None if by_option or fixed else Role.REGEX
    if name == "ssh":
        return Role.ARGUMENT
    if name in _FIRST_CODE or (name == "date" and words and words[0].value.startswith("+")):
        return Role.CODE
    return None


def _option_value(name: str, option: str) -> Role | None:
    """The role of the word after an option, where that word is the option's value."""
    if option.startswith("--"):
        return None
    last = option[-1]
    if name in _INTERPRETERS and last in _INTERPRETERS[name]:
        return Role.CODE
    if name in _SCRIPTS and last == "e" and last in _SCRIPTS[name]:
        return Role.CODE
    if name in _GREPS and last == "e":
        return Role.REGEX
    if last in _CODE_OPTIONS.get(name, ""):
        return Role.CODE
    return Role.ARGUMENT if last in _VALUE_OPTIONS.get(name, "") else None


def _option(name: str, word: Word) -> RoledWord:
    """An option; where its value is attached ("--size=5", "-n10", "-10") only the name of the option is fixed."""
    value = word.value
    if value.startswith("--") and "=" in value:
        role = Role.CODE if re.match(r"--(?:format|printf|eval|expression|regexp|rsync-path)=", value) else Role.OPTION
        return RoledWord(word, role, name, value.index("=") + 1)
    if match := re.fullmatch(r"(-[A-Za-z]*)\d+[A-Za-z]?", value):
        return RoledWord(word, Role.OPTION, name, match.end(1))
    return RoledWord(word, Role.OPTION, name, len(value))


# ------------------------------------------------------------------------------------------------- what a command does

_CHANGES = {
    "delete": "rm rmdir unlink shred truncate",
    "move": "mv rename prename",
    "copy": "cp dd rsync scp install",
    "link": "ln",
    "permission": "chmod chown chgrp setfacl chattr",
    "stop": "kill killall pkill skill",
    "create": "mkdir touch mkfifo mktemp mknod tee split csplit",
    "archive": "tar gzip gunzip bzip2 bunzip2 xz unxz zip unzip cpio 7z compress uncompress zcat",
    "mount": "mount umount",
    "user": "useradd userdel usermod groupadd groupdel passwd adduser",
    "system": "shutdown reboot halt crontab systemctl service insmod rmmod modprobe swapon swapoff mkfs sysctl",
    "install": "apt apt-get yum dnf pip npm brew pacman",
    "fetch": "wget curl git svn ssh",
    "edit": "patch ed ex vi vim nano",
}
_EFFECTS = {name: effect for effect, names in _CHANGES.items() for name in names.split()}
_READ_ONLY = {"zcat", "ssh", "git", "curl"}


_SUBSTITUTION = re.compile(r"s([/|#,@])([^/|#,@\\&\n]+)\1([^/|#,@\\&\n]*)\1[gIip0-9]*")


def substitution_spans(roled: RoledWord) -> tuple[tuple[int, int], ...]:
    """Where in the word the two texts of a plain `s/old/new/` of sed stand; none for any other program text."""
    match = _SUBSTITUTION.fullmatch(roled.word.value) if roled.program in ("sed", "gsed") else None
    return (match.span(2), match.span(3)) if match and roled.role is Role.CODE else ()


def effects(script: Script) -> frozenset[str]:
    """The kinds of change that a command makes: "delete", "move", "write", ...; empty for one that only looks."""
    found: set[str] = set()
    for roled in roles(script):
        value = roled.word.value
        if roled.role is Role.NAME and roled.program in _EFFECTS and roled.program not in _READ_ONLY:
            found.add(_EFFECTS[roled.program])
        if (roled.program == "find" and value == "-delete") or roled.program in ("git rm", "git clean", "docker rm"):
            found.add("delete")
        if roled.program in ("sed", "gsed", "perl", "ruby") and re.match(r"-\w*i", value) and roled.role is Role.OPTION:
            found.add("edit")
        if roled.role is Role.CODE and re.search(r"\b(?:rm|unlink|rmdir)\b|-delete\b", value):
            found.add("delete")
        if roled.role is Role.CODE and re.search(r"\b(?:mv|cp|chmod|chown|kill|rename|system)\b", value):
            found.add("code")
        if roled.program in (">", ">>", ">|", "&>", "&>>") and value != "/dev/null":
            found.add("write")
    return frozenset(found)

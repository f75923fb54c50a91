"""Programs that run what they are given: as words after their options, or as code in an argument."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

_TAKES_VALUES = {
    "sudo": "ugpCDhrtTR", "doas": "uC", "env": "uCS", "nice": "n", "ionice": "cnp", "time": "fo", "exec": "a",
    "xargs": "ILnPsEadJi", "watch": "n", "stdbuf": "ioe", "timeout": "ks", "strace": "eopPsuE", "ltrace": "eop",
    "parallel": "jINn", "flock": "wE", "systemd-run": "p", "script": "c", "nsenter": "t", "proot": "r",
    "cpulimit": "lp", "npx": "p",
}  # fmt: skip
_OTHERS = """nohup command builtin chroot setsid unbuffer chrt taskset busybox toybox pkexec unshare bwrap firejail
    fakeroot caffeinate dbus-run-session xvfb-run catchsegv gdb valgrind setarch numactl then do else if while until !
    { coproc eatmydata run0 su torsocks proxychains softlimit direnv poetry uv pipx bunx docker podman kubectl"""
WRAPPERS = {**dict.fromkeys(_OTHERS.split(), ""), **_TAKES_VALUES}
"""The letters are short options whose value is the next word."""

SHELLS = frozenset("sh bash zsh dash ksh ash fish csh tcsh rbash eval source .".split())
_CODE_OPTION = re.compile(r"-[A-Za-z]*c")
_OPERAND_FIRST = {"timeout": 1, "chroot": 1, "flock": 1, "taskset": 1, "chrt": 1, "numactl": 0, "setarch": 1}
_RUNNERS = {
    "docker": ("exec", "run"),
    "podman": ("exec", "run"),
    "kubectl": ("exec",),
    "poetry": ("run",),
    "uv": ("run",),
}
_EXECS = ("-exec", "-execdir", "-ok", "-okdir")


def program_name(words: Sequence[str]) -> str:
    """The name of the program without its folder."""
    return words[0].rsplit("/", 1)[-1] if words else ""


def unwrapped(words: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """The command, and the commands that it runs in turn. Which word begins one is guessed, rather once too often."""
    for _ in range(12):
        while words and re.match(r"[A-Za-z_]\w*\+?=", words[0]):
            words = words[1:]
        if not words:
            return
        yield tuple(words)
        name = program_name(words)
        if name == "find":
            yield from _found(words)
            return
        if name not in WRAPPERS:
            return
        if name in _RUNNERS and not any(word in _RUNNERS[name] for word in words[1:4]):
            return
        if name == "env" and any(word.startswith(("-S", "--split-string")) for word in words):
            words = ["env", *re.sub(r"-S|--split-string=?", " ", " ".join(words[1:])).split()]
        rest = _after_options(name, words[1:])
        if name in _RUNNERS:
            # Which operand is the program depends on options without number: each may be.
            yield from (tuple(rest[at:]) for at in range(len(rest)))
            return
        words = rest


def _found(words: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """What `find` runs on what it finds."""
    for at, word in enumerate(words):
        if word in _EXECS:
            end = next((i for i in range(at + 1, len(words)) if words[i] in (";", "+")), len(words))
            yield from unwrapped(words[at + 1 : end])


def _after_options(name: str, words: Sequence[str]) -> Sequence[str]:
    index, operands = 0, _OPERAND_FIRST.get(name, 0)
    while index < len(words):
        word = words[index]
        if word == "--":
            index += 1
        elif word.startswith("-") and len(word) > 1:
            takes = len(word) == 2 and word[1] in WRAPPERS[name]
            index += 2 if takes else 1
        elif re.match(r"[A-Za-z_]\w*\+?=", word):
            index += 1
        elif operands:
            operands -= 1
            index += 1
        else:
            break
    return words[index:]


def code_in(words: Sequence[str]) -> list[str]:
    """The arguments of a command that a shell will read as commands."""
    name, rest = program_name(words), words[1:]
    if name in ("eval", "trap"):
        return [" ".join(rest)] if name == "eval" else list(rest[:1])
    if name in ("watch", "parallel", "entr", "hyperfine"):
        return [word for word in rest if " " in word]
    if name in ("ssh", "mosh", "rsh"):
        return [" ".join(rest[at:]) for at in range(1, min(len(rest), 8)) if not rest[at].startswith("-")][:3]
    if name in SHELLS or name in ("su", "script", "flock", "runuser", "nix-shell", "sg"):
        return [
            rest[at + 1]
            for at, word in enumerate(rest[:-1])
            if _CODE_OPTION.fullmatch(word) or word in ("--command", "--run")
        ]
    if name in ("git",):
        return [word.split("!", 1)[1] for word in rest if "alias." in word and "=!" in word]
    return []

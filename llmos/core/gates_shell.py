"""The gates on what shells and their tools make of a value: words they know, signs they split at, how deep a path is.

Each check gives a reason for a person, or an empty text when it is open.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmos.core.gate import Case, Landing
from llmos.core.literals import Kind
from llmos.core.shell_roles import Role
from llmos.core.wording import base_word

_SET_OPTIONS = frozenset(
    """allexport braceexpand emacs errexit errtrace functrace hashall histexpand history ignoreeof interactive-comments
    keyword monitor noclobber noexec noglob nolog notify nounset onecmd physical pipefail posix privileged verbose vi
    xtrace""".split()
)
_BUILTINS = frozenset(
    """alias bg bind break builtin caller case cd command compgen complete continue declare dirs disown echo enable eval
    exec exit export false fc fg for function getopts hash help history if jobs kill let local logout mapfile popd
    printf pushd pwd read readarray readonly return select set shift shopt source suspend test time times trap true
    type typeset ulimit umask unalias unset until variables wait while""".split()
)
_ALSO_PROGRAMS = frozenset("echo false kill printf pwd test time true".split())
"""Builtins that exist as programs as well."""
_FINDERS = frozenset("which whereis".split())


def check_vocabulary(case: Case) -> str:
    """Programs that take words from a list of their own: shopt knows none of the options of `set -o`."""
    for landing in case.landings:
        program, old, new = landing.place.program, landing.old.text, landing.value or ""
        if program == "shopt" and new in _SET_OPTIONS:
            return f"shopt does not know {new!r}; it is an option of set"
        if program == "set" and old in _SET_OPTIONS and new not in _SET_OPTIONS:
            return f"set does not know the option {new!r}"
        if program == "help" and new not in _BUILTINS:
            return f"help does not know {new!r}, which is no part of the shell"
        if program in _FINDERS and new in _BUILTINS - _ALSO_PROGRAMS and old not in _BUILTINS:
            return f"{program} does not find {new!r}, which is a part of the shell"
        if program in _DECLARERS and {landing.old.kind, landing.new.kind} > {Kind.VARIABLE}:
            return f"{program} takes the name of a variable, and only one of {old!r} and {landing.new.text!r} is one"
        if program == "dig" and landing.place.whole and bool(_ADDRESS.fullmatch(old)) != bool(_ADDRESS.fullmatch(new)):
            return f"only one of {old!r} and {new!r} is an address"
    return ""


_DECLARERS = frozenset("unset export read declare local typeset readonly printenv = for let".split())
_ADDRESS = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}|[0-9a-fA-F]*(?::[0-9a-fA-F]*){2,7}")

_SPLITTERS = frozenset("cut sort join paste column tr awk gawk mawk xargs read nl seq =".split())
_JOINERS = "@:=,"
"""Signs at which programs split what stands in one word: a user and a host, a name and a value."""


_READ_AGAIN = frozenset("watch parallel su eval at batch".split())
_PLAIN_WORD = re.compile(r"[\w./@%+:,~-]+")


def check_separator(case: Case) -> str:
    """A sign stays a sign, and what stands inside a word brings no sign with it at which that word is split."""
    again = sorted(case.template.programs & _READ_AGAIN)
    for landing in case.landings:
        if again and landing.place.quotes and not _PLAIN_WORD.fullmatch(landing.value or ""):
            return f"{again[0]} would read {landing.value!r} once more as a piece of a command"
        old, new, place = landing.place.written, landing.value or "", landing.place
        if place.program in _SPLITTERS and len(old) == 1 and not old.isalnum() and (len(new) != 1 or new.isalnum()):
            return f"{new!r} is no single sign as {old!r} is"
        inside = not place.whole and place.quotes and place.role is not Role.PATTERN
        added = [sign for sign in _JOINERS if sign in new and sign not in old]
        if inside and added:
            return f"{new!r} holds {added[0]!r}, at which the word around it would be split"
    return ""


_GOES_DOWN = re.compile(r"-[A-Za-z]*[rRa][A-Za-z]*|--recursive|--archive")


def check_depth(case: Case) -> str:
    """How many folders a path goes through, where paths are cut; and a folder, where one file was copied."""
    options = [option for option, _ in case.template.options]
    for landing in case.landings:
        old, new, program = landing.place.written, landing.value or "", landing.place.program
        deeper = new.strip("/").count("/") - old.strip("/").count("/")
        if deeper and landing.old.kind is not Kind.URL and _cuts_paths(case):
            return f"{new!r} has more or fewer folders than {old!r}, and the saved run cuts paths into pieces"
        source = landing.old.kind is Kind.FILE and program in ("cp", "scp")
        if source and not any(_GOES_DOWN.fullmatch(option) for option in options) and _may_be_folder(case, landing):
            return f"{landing.new.text!r} may be a folder, and the saved run copied one file"
    return ""


def _may_be_folder(case: Case, landing: Landing) -> bool:
    """Whether what is to be copied has no ending by which it is known as a file and is called none."""
    ends = re.search(r"[^/]\.\w+$", landing.new.text) is not None
    said = "file" in map(base_word, case.goal.surface)
    return not ends and not said and landing.new.kind is not Kind.GLOB


def _cuts_paths(case: Case) -> bool:
    return any(
        (option.startswith(("-d", "-F", "-t")) and (option[2:] == "/" or (len(option) == 2 and value == "/")))
        for option, value in case.template.options
    )


_READERS = frozenset(
    """cat head tail wc sort uniq nl tac rev cut paste fold fmt less more od xxd sed awk gawk grep egrep md5sum sha1sum
    sha256sum diff comm tee""".split()
)
_WITH_OUTPUT = frozenset(
    """ls date pwd who whoami id ps df du printenv uptime uname hostname seq ifconfig netstat dmesg lsof lsblk cal
    vmstat iostat dpkg rpm systemctl docker git""".split()
)
"""Programs whose output a person means when their name stands where a file could."""


def check_command_output(case: Case) -> str:
    """ "The first line of 'ls'" is that of its output, no line of a file of that name."""
    for landing in case.landings:
        if landing.place.program in _READERS and landing.place.role is Role.ARGUMENT:
            named = sorted(_commands(landing.old.text, landing.new.text))
            if len(named) == 1:
                return f"{named[0]!r} may be a command whose output is meant"
    return ""


def _commands(*values: str) -> Iterator[str]:
    return (value for value in values if value in _WITH_OUTPUT)

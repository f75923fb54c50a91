"""The gates on where a value lands: in the call it must be a value and nothing that a program would obey.

Each check gives a reason for a person, or an empty text when it is open.
"""

from __future__ import annotations

import re

from llmos.core.gate import Case, Landing
from llmos.core.literals import Kind
from llmos.core.shell_roles import Role


def check_form(case: Case) -> str:
    for landing in case.landings:
        if landing.value is None:
            return f"{landing.new.text!r} has no form that can stand for {landing.place.written!r}"
    return ""


def check_command(case: Case) -> str:
    for landing in case.landings:
        if landing.place.role is Role.NAME:
            return f"{landing.old.text!r} is also the name of a command in the saved run"
    return ""


def check_code(case: Case) -> str:
    for landing in case.landings:
        value = landing.value or ""
        if landing.place.role is Role.CODE:
            return f"{value!r} would become part of a program ({landing.place.program})"
        regex = landing.place.role is Role.REGEX and landing.place.whole and _names_regex(case, landing)
        if regex and _operators(value) <= _operators(landing.place.written):
            continue
        is_sed = landing.place.program in ("sed", "gsed") and landing.place.role is Role.REGEX
        if is_sed and not _is_whole_substitution(case, landing):
            return f"{value!r} would become part of a program ({landing.place.program})"
        if landing.place.role is Role.REGEX and not (_is_plain(value) and _is_plain(landing.place.written)):
            return f"{value!r} would become part of a regular expression"
        if not landing.place.quotes and not landing.place.whole and re.search(r"[\"'\\`$<>{}&\n]", value):
            return f"{value!r} would change the text around it"
    return ""


def _is_whole_substitution(case: Case, landing: Landing) -> bool:
    """Whether both texts of sed's `s/old/new/` are values of the goal, and the new one can stand there."""
    place = landing.place
    sides = {(other.start, other.end) for other in case.template.places if other.program == place.program
             and (other.role, other.step, other.path) == (Role.REGEX, place.step, place.path)}  # fmt: skip
    return len(sides) == 2 and re.search(r"[/|#,@&]", landing.value or "") is None


def _names_regex(case: Case, landing: Landing) -> bool:
    """Whether the goal itself calls the value a regular expression."""
    return case.word_before(landing.new) in ("regex", "regexp", "expression")


def _operators(regex: str) -> set[str]:
    """What two dialects of regular expressions write differently."""
    return set(re.findall(r"\\.|[+?(){}|]", regex))


def _is_plain(value: str) -> bool:
    return re.search(r"[\\.^$*+?()\[\]{}|\n]", value) is None


def check_option(case: Case) -> str:
    for landing in case.landings:
        if landing.place.role is Role.OPTION:
            return f"{landing.old.text!r} is part of an option"
        value = landing.value or ""
        if value.startswith("-"):
            return f"{value!r} would be read as an option"
        if _is_operator(landing, value):
            return f"{value!r} means something of its own to {landing.place.program}"
    return ""


_OWN_SIGNS = {
    "find": re.compile(r"[()!,;+]|\{\}"),
    "git": re.compile(r"[:+^].*|.*(?:\.\.|@\{|:).*|\./?|/.*|\./.*", re.DOTALL),
    "make": re.compile(r".*=.*", re.DOTALL),
    "awk": re.compile(r"\w+=.*", re.DOTALL),
    "test": re.compile(r"[()!=<>]|!=|==|=~|&&|\|\|"),
}
"""What is an operator, a path, a revision or a variable to a program where a name of the saved run stood."""
_OWN_SIGNS |= {
    "gmake": _OWN_SIGNS["make"],
    "gawk": _OWN_SIGNS["awk"],
    "mawk": _OWN_SIGNS["awk"],
    "[": _OWN_SIGNS["test"],
}


def _is_operator(landing: Landing, value: str) -> bool:
    """Whether a program would read the value as a part of its own language, and not the old one."""
    program = landing.place.program.partition(" ")[0]
    signs = _OWN_SIGNS.get(program)
    if signs is None or landing.place.role is not Role.ARGUMENT or not landing.place.whole:
        return False
    if program == "git" and landing.new.kind is not Kind.BRANCH and landing.old.kind is not Kind.BRANCH:
        return False
    return signs.fullmatch(value) is not None and signs.fullmatch(landing.place.written) is None


_BRACES = re.compile(r"(?<!\$)\{[^}]*(?:,|\.\.)[^}]*\}")


def check_glob(case: Case) -> str:
    for landing in case.landings:
        old, value = landing.place.written, landing.value or ""
        special = set("*?[]\\") & set(value) | ({"{"} if _BRACES.search(value) else set())
        if not special or not landing.place.quotes or landing.place.role in (Role.REGEX, Role.CODE):
            continue
        is_glob = bool(special & {"*", "?"}) and special <= set("*?[]")
        if landing.place.role is Role.PATTERN and landing.place.whole and is_glob:
            continue
        if landing.place.role is Role.ARGUMENT and landing.new.kind is Kind.TEXT and landing.new.quoted:
            continue
        if landing.place.whole and special <= set(old) and landing.old.kind in (Kind.GLOB, Kind.EXTENSION):
            continue
        return f"{value!r} would be read as a pattern"
    return ""


def check_quotes(case: Case) -> str:
    for landing in case.landings:
        if landing.value is not None and landing.written is None:
            return f"{landing.value!r} cannot be written inside the quotes of the saved command"
    return ""

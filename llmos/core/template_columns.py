"""What a run knows of a file that its goal does not say: columns picked by number, keys, versions written into it.

"The average of the score column of quiz.csv" was answered by `awk "{s += $2}"` because somebody had looked into it;
in another file the scores may stand elsewhere. Columns of what a program prints (`ls -l`, `ps`) stay where they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmos.core.shell_roles import Role, RoledWord, roles
from llmos.core.shell_words import Script
from llmos.core.wording import Analysis

_PRINTERS = frozenset(
    """ls ps df du find stat wc git ifconfig ip host hostname date who w last netstat ss top free mount id getent lsof
    lsblk uname vmstat md5sum sha1sum sha256sum cksum file locate history jobs dpkg apt rpm ping route arp nslookup dig
    env set tree bc seq systemctl docker kubectl crontab uptime tar unzip pgrep xrandr""".split()
)
"""Programs whose output has its columns by itself."""
_EDITORS = frozenset("sed gsed perl awk gawk mawk".split())
_AWKS = frozenset(["awk", "gawk", "mawk"])
_ORDINALS = ("", *"first second third fourth fifth sixth seventh eighth ninth tenth".split())


def unsaid(script: Script, goal: Analysis) -> Iterator[str]:
    """Columns and keys that the command picks and the goal does not name, as they are written."""
    found = roles(script)
    if not _PRINTERS & {roled.program for roled in found if roled.role is Role.NAME}:
        said = {literal.text for literal in goal.literals}
        said |= {str(number) for number, word in enumerate(_ORDINALS) if word in goal.surface}
        yield from (written for written, number in _columns(found) if number not in said)
    for roled in found:
        if roled.role is Role.CODE and roled.program in _EDITORS:
            numbers = re.findall(r"(?<![\w.])\d+(?:\.\d+)+|(?<![\w.])\d{3,}", roled.word.value)
            yield from (number for number in numbers if number not in goal.goal)
    words = {part for word in goal.surface for part in re.findall(r"[^\W_]+", word)}
    words |= {literal.text.lower() for literal in goal.literals}
    for roled in found:
        if roled.program == "jq" and roled.role is Role.CODE:
            keys = re.findall(r"\.([A-Za-z_]\w*)", roled.word.value)
            yield from (f".{key}" for key in keys if not _is_said(key.lower(), words))


def _is_said(key: str, words: set[str]) -> bool:
    return key in words or f"{key}s" in words or key.removesuffix("s") in words


def _columns(found: tuple[RoledWord, ...]) -> Iterator[tuple[str, str]]:
    """How each column is written, and its number."""
    for index, roled in enumerate(found):
        value = roled.word.value
        if roled.program in _AWKS and roled.role is Role.CODE:
            yield from ((f"${number}", number) for number in re.findall(r"\$([1-9]\d*)", value))
        option = {"cut": "-f", "sort": "-k"}.get(roled.program)
        if option is None or roled.role is not Role.OPTION or not value.startswith(option):
            continue
        after = found[index + 1].word.value if value == option and index + 1 < len(found) else value[2:]
        yield from ((f"{option}{after}", number) for number in re.findall(r"[1-9]\d*", re.sub(r"\.\d+", "", after)))

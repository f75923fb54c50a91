"""The gate on formats: what a file's name ends in says which programs can read it, and what belongs into it."""

from __future__ import annotations

import re

from llmos.core.gate import Case, Landing
from llmos.core.literal_forms import forms
from llmos.core.literals import Kind, Literal
from llmos.core.shell_roles import Role
from llmos.core.template_facts import CONTENTS, LANGUAGES, texts

_NO_TEXT = frozenset(
    """gz tgz bz2 tbz xz zip tar rar 7z z lz zst deb rpm jar war whl pdf doc docx xls xlsx ppt pptx odt ods odp rtf png
    jpg jpeg gif bmp ico tif tiff webp psd mp3 mp4 m4a avi mov mkv flv wma wav flac ogg epub mobi exe dll so o a pyc
    class db sqlite sqlite3 bin iso img woff woff2 ttf parquet pkl npy npz dmg""".split()
)
"""Endings of files that hold no lines of text."""
_NEUTRAL = frozenset(
    """find ls locate tree cat grep egrep fgrep zgrep wc head tail cut sort uniq nl tr sed awk gawk tee echo printf
    xargs sudo env nice nohup time test [ cp mv rm rsync scp ln touch mkdir rmdir chmod chown chgrp du df stat file
    basename dirname realpath readlink md5sum sha1sum sha256sum cksum diff cmp comm paste read cd watch tac
    shuf split less more git ssh parallel while vim vi nano sum bc for = kill curl wget test""".split()
)
"""Programs that do the same with a file whatever its format."""
_RUN_FILES = frozenset("sh bash dash zsh ksh source . python python2 python3 perl ruby node php".split())
_NEVER_READ = frozenset(
    """find ls locate tree echo printf xargs sudo cp mv rm rsync scp ln touch mkdir rmdir chmod chown chgrp du df stat
    basename dirname realpath readlink md5sum sha1sum sha256sum cksum git curl wget test [ for while = cd""".split()
)
"""Programs that do the same with a file whether it is packed or not."""
_SEPARATED = frozenset("csv tsv tab psv".split())
_BY_SEPARATOR = frozenset("cut awk gawk mawk sort join paste column sed perl".split())
"""Programs that are told by which sign columns are separated."""
_ENDS = re.compile(r"\.([A-Za-z]\w{0,4})$")


def check_format(case: Case) -> str:
    """What a file's name ends in says which programs can read it."""
    other = sorted(name for name in case.template.programs if name.partition(" ")[0] not in _NEUTRAL)
    readers = sorted(case.template.programs - _NEVER_READ)
    for landing in case.landings:
        ends = [_ending(literal) for literal in (landing.old, landing.new)]
        if ends[0] == ends[1] or case.template.only_lists or landing.place.role is Role.REGEX:
            continue
        said = LANGUAGES.get(ends[0], ends[0])
        if ends[0] not in ("", "txt") and landing.old.kind is Kind.FILE and {said, ends[0]} & set(case.goal.surface):
            return f"the goal says {said!r}, and {landing.new.text!r} does not end in .{ends[0]}"
        if landing.place.program in _RUN_FILES:
            return f"{landing.place.program} may not run {landing.new.text!r} as it does {landing.old.text!r}"
        if _writes_own_text(case, landing):
            return f"what was written for {landing.old.text!r} may not fit {landing.new.text!r}"
        if _SEPARATED & set(ends) and case.template.programs & _BY_SEPARATOR:
            return f"{landing.new.text!r} may separate its columns in another way than {landing.old.text!r}"
        packed = [end in _NO_TEXT for end in ends]
        if (other and (all(ends) or any(packed))) or (readers and packed[0] != packed[1]):
            return f"{(other or readers)[0]} may not read {landing.new.text!r} as it does {landing.old.text!r}"
    return ""


def _writes_own_text(case: Case, landing: Landing) -> bool:
    """Whether the step that names a file also gives it a text which is more than a value of the goal."""
    args = case.template.steps[landing.place.step].args
    contents = [text.strip() for path, text in texts(args) if path in CONTENTS]
    given = {literal.text.strip() for literal in case.template.analysis.literals}
    return landing.place.path not in CONTENTS and any(text and text not in given for text in contents)


def _ending(literal: Literal) -> str:
    if literal.kind is Kind.EXTENSION:
        return forms(literal)["bare"].lower()
    found = None if literal.kind is Kind.HOST else _ENDS.search(literal.text)
    return found.group(1).lower() if found else ""

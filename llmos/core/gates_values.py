"""The gates on values: what differs must be of the same kind and role, and no old value may be left.

Each check gives a reason for a person, or an empty text when it is open.
"""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from itertools import pairwise

from llmos.core.gate import Case, Landing
from llmos.core.literal_forms import forms
from llmos.core.literal_words import is_dot_file
from llmos.core.literals import Kind, Literal
from llmos.core.shell_roles import Role
from llmos.core.template_facts import texts


def check_values(case: Case) -> str:
    old, new = len(case.template.analysis.literals), len(case.goal.literals)
    return "" if old == new else f"the goal names {new} values, the saved run was for {old}"


_NAMES = frozenset(
    [Kind.PATH, Kind.FILE, Kind.NAME, Kind.TEXT, Kind.VARIABLE, Kind.USER, Kind.HOST, Kind.BRANCH, Kind.PACKAGE]
)
_ALIKE: tuple[frozenset[Kind], ...] = (
    frozenset([Kind.NUMBER, Kind.PORT]),
    frozenset([Kind.EXTENSION, Kind.GLOB, Kind.FILE]),
    frozenset([Kind.GLOB, Kind.FILE]),
    _NAMES,
)
_NO_FILES = frozenset([Kind.PACKAGE, Kind.USER])


_NUMERAL = re.compile(r"\d+")
_ENDINGS = frozenset([Kind.EXTENSION, Kind.FILE])


def check_kinds(case: Case) -> str:
    for old, new in case.changed:
        if _is_bare(old) != _is_bare(new) and Kind.FILE in (old.kind, new.kind):
            return f"one of {old.text!r} and {new.text!r} is a format, the other a name"
        if old.kind is not new.kind and not any(old.kind in group and new.kind in group for group in _ALIKE):
            return f"{new.text!r} is a {new.kind}, where the saved run had the {old.kind} {old.text!r}"
        kinds = {old.kind, new.kind}
        if reason := _written_otherwise(old, new):
            return reason
        if (" " in old.text) != (" " in new.text) and Kind.TEXT in kinds and kinds - {Kind.TEXT, Kind.NAME}:
            return f"only one of {old.text!r} and {new.text!r} is a text of several words"
        if kinds & _NO_FILES and kinds & {Kind.PATH, Kind.FILE}:
            return f"one of {old.text!r} and {new.text!r} is a file, the other a {min(kinds & _NO_FILES)}"
        if {old.kind, new.kind} == {Kind.EXTENSION, Kind.FILE} and (old.text[0], new.text[0]).count(".") == 1:
            return f"{new.text!r} may be a whole name where {old.text!r} is only how names end, or the other way round"
        if old.text.startswith("/dev/") != new.text.startswith("/dev/"):
            return f"one of {old.text!r} and {new.text!r} is a device"
        file = _is_file(old.text) or _is_file(new.text) or case.template.effects & {"copy", "move", "create", "write"}
        if _is_folder(old.text) != _is_folder(new.text) and file:
            return f"one of {old.text!r} and {new.text!r} is a folder, the other a file"
    return ""


def _scheme(url: str) -> str:
    """How an address is reached: `file:` and `git+ssh:` are other ways than `https:`, which is one with `http:`."""
    return url.partition("://")[0].lower().replace("https", "http")


def _written_otherwise(old: Literal, new: Literal) -> str:
    """Why two values of a kind are not written alike: a signed number, a date of another form, a hidden file."""
    kinds = {old.kind, new.kind}
    if kinds == {Kind.URL} and _scheme(old.text) != _scheme(new.text):
        return f"{new.text!r} is another kind of address than {old.text!r}"
    if kinds == {Kind.NUMBER} and _NUMERAL.sub("", old.text) != _NUMERAL.sub("", new.text):
        return f"{new.text!r} is another kind of number than {old.text!r}"
    if kinds == {Kind.DATE} and _NUMERAL.sub("0", old.text) != _NUMERAL.sub("0", new.text):
        return f"{new.text!r} is written as another date than {old.text!r}"
    if kinds == {Kind.NUMBER} and len(old.text) > 7 and len(old.text) != len(new.text):
        return f"{new.text!r} has another number of digits than {old.text!r}"
    dotted = old.text[:1] == new.text[:1] == "." and kinds <= _ENDINGS
    if dotted and is_dot_file(old.text) != is_dot_file(new.text):
        return f"one of {old.text!r} and {new.text!r} is a whole name, the other how names end"
    return ""


def _is_bare(literal: Literal) -> bool:
    """A format named by its word alone: "PDF files"."""
    return literal.kind is Kind.EXTENSION and literal.text[0] not in "*."


_NAME_PARTS = frozenset("NAMEEND NAMESTART NAMEHAS start end begin contain with".split())


def check_role(case: Case) -> str:
    """What the word before a value makes of it: a place to look in, or a piece of a name."""
    before = [w for w, after in zip(("", *case.goal.form), case.goal.form, strict=False) if after == "§"]
    for (old, new), word in zip(case.pairs, before, strict=False):
        if old.text == new.text:
            continue
        if word == "in" and _is_file(old.text) != _is_file(new.text):
            return f"{new.text!r} may not be a folder as {old.text!r} was, or the other way round"
        extension = (old.kind is Kind.EXTENSION) != (new.kind is Kind.EXTENSION)
        if word in _NAME_PARTS and (("*" in old.text) != ("*" in new.text) or extension):
            return f"only one of {old.text!r} and {new.text!r} is a pattern"
    for landing in case.landings:
        if reason := _misplaced(case, landing):
            return reason
        if _relinks(case, landing):
            return f"{landing.new.text!r} lies in another folder, from where a link leads elsewhere"
        leads = not _argument_around(case, landing).startswith(landing.place.written)
        rooted = (landing.value or "").startswith(_ROOTS if leads else _ROOTS[:3])
        if rooted and not landing.place.whole and not landing.old.text.startswith(_ROOTS):
            return f"{landing.new.text!r} starts at a place of its own, where {landing.old.text!r} was part of a path"
    return ""


_ROOTS = ("/", "~", "$", "./", "../")


def _relinks(case: Case, landing: Landing) -> bool:
    """Whether a link is put into another folder while its target is said from where it was."""
    place = landing.place
    if place.program != "ln" or posixpath.dirname(landing.old.text) == posixpath.dirname(landing.value or ""):
        return False
    start, index = min((p.start, p.literal) for p in case.template.places if p.program == "ln" and p.step == place.step)
    return start != place.start and not case.pairs[index][1].text.startswith(("/", "~", "$"))


def _misplaced(case: Case, landing: Landing) -> str:
    """Why the run took the value of its own goal for another thing than the goal says, a place for a name say."""
    place, word = landing.place, case.word_before(landing.new)
    if place.role is Role.PATTERN and place.whole and place.form in ("dotted", "bare"):
        return f"{place.written!r} is how names end, and the saved run took it for a whole name"
    if place.role is Role.PATTERN and word == "in" and place.program in ("-name", "-iname"):
        return f"{place.written!r} is a place in the goal, and the saved run looked for that name"
    if place.program in ("-name", "-iname") and "/" in (landing.value or "").strip("/"):
        return f"{landing.new.text!r} is a path, and the saved run looked for a name"
    text = _argument_around(case, landing)
    before, _, after = text.partition(place.written)
    if place.role is Role.PATTERN and ((word == "NAMESTART" and before) or (word == "NAMEEND" and after)):
        return f"the saved run looked for {text!r}, which is not what its goal says of names"
    return ""


def _argument_around(case: Case, landing: Landing) -> str:
    """The whole argument of the saved run in which a value stands."""
    written = landing.place.written
    return next((value for value in case.template.arguments if written in value), written)


def _is_folder(text: str) -> bool:
    return text.endswith("/") or text in (".", "..", "~", "/")


def _is_file(text: str) -> bool:
    return re.search(r"[^/.]\.[A-Za-z]\w{0,3}$", text) is not None


def check_pairing(case: Case) -> str:
    """Equal values of the old goal must stay equal: which of them stands at which place is not known.

    Two values that become one ("copy a to a") are another job.
    """
    for old, new in case.pairs:
        for other, again in case.pairs:
            if old.text == other.text and new.text != again.text:
                return f"the saved run had {old.text!r} twice, the goal has {new.text!r} and {again.text!r}"
            alike = old.kind is other.kind and old.kind not in (Kind.NUMBER, Kind.PORT)
            if not case.template.only_lists and alike and old.text != other.text and new.text == again.text:
                return f"the goal has {new.text!r} twice, the saved run had {old.text!r} and {other.text!r}"
    return _turned_range(case)


_JOINTS = frozenset("to and through until -".split())
_UNITS = frozenset("kilobyte megabyte gigabyte byte second minute hour day week month line".split())
"""What may stand between the two ends of a range."""


def _turned_range(case: Case) -> str:
    """Why the ends of a range ("between 1 and 5") do not stand to each other as in the saved goal."""
    form = case.goal.form
    at = [index for index, word in enumerate(form) if word == "§"]
    pairs = list(zip(at, case.pairs, strict=False))
    for (first, (a, x)), (second, (b, y)) in pairwise(pairs):
        between = form[first + 1 : second]
        if {x.kind, y.kind} != {Kind.NUMBER} or not _JOINTS & set(between) or not set(between) <= _JOINTS | _UNITS:
            continue
        if _sign(float(a.text) - float(b.text)) != _sign(float(x.text) - float(y.text)):
            return f"from {x.text} to {y.text} is no range as from {a.text} to {b.text} is"
    return ""


def _sign(number: float) -> int:
    return (number > 0) - (number < 0)


def check_unused(case: Case) -> str:
    landed = {id(landing.old) for landing in case.landings}
    texts_landed = {landing.old.text for landing in case.landings}
    for old, _ in case.changed:
        if id(old) not in landed and old.text not in texts_landed:
            return f"where {old.text!r} went into the saved run is not known"
    return ""


def check_unaccounted(case: Case) -> str:
    """A value of the old goal that is nowhere in the run: then the run is not all that its goal asked for."""
    if case.is_identical:
        return ""
    placed = {case.template.analysis.literals[place.literal].text for place in case.template.places}
    for literal in case.template.analysis.literals:
        if literal.text not in placed and literal.text not in _NO_VALUE:
            return f"the saved run's own goal says {literal.text!r}, which is nowhere in what was run"
    return ""


_NO_VALUE = frozenset(["1", "0", ".", "/", "~"])


def check_repeated(case: Case) -> str:
    """A short value that stands more often in the run than in the goal may be there for another reason."""
    goals = Counter(literal.text for literal in case.template.analysis.literals)
    places = Counter(case.template.analysis.literals[place.literal].text for place in case.template.places)
    said = set(case.template.analysis.surface)
    for landing in case.landings:
        if landing.place.form in ("stem", "base", "bare") and landing.place.written.lower() in said:
            return f"{landing.place.written!r} is a part of a value and a word of the saved goal"
    for old, _ in case.changed:
        if old.text.lower() in case.template.analysis.form:
            return f"{old.text!r} is a value and a word of the saved goal"
        weak = old.kind in (Kind.NUMBER, Kind.PORT, Kind.DATE) or (len(old.text) < 4 and "/" not in old.text)
        taken_up = sum(word in ("it", "them") for word in case.template.analysis.surface)
        if weak and places[old.text] > goals[old.text] + (0 if old.kind is Kind.NUMBER else taken_up):
            return f"{old.text!r} stands {places[old.text]} times in the saved run, not each for the goal's"
    return ""


_WIDE = re.compile(
    r"/?|[.*/]+|~\w*/?(?:\*)?|\$\{?HOME\}?/?|/(?:bin|boot|dev|etc|home|lib\w*|media|mnt|opt|proc|root|run|s?bin|srv|sys|tmp|"
    r"usr|var|Users)/?(?:\*)?|/(?:home|Users)/[\w-]+/?"
)
"""Places of which more than one job depends."""


def check_reach(case: Case) -> str:
    """A run that changes things must not be let loose on the system, a home or the folder above."""
    for landing in case.landings:
        if case.template.effects and _WIDE.fullmatch(landing.new.text) and not _WIDE.fullmatch(landing.old.text):
            return (
                f"{landing.new.text!r} reaches further than {landing.old.text!r} did, and the saved run changes things"
            )
    return ""


def check_constant(case: Case) -> str:
    if case.is_identical:
        return ""
    if case.template.variables:
        return f"the saved run rests on {case.template.variables[0]!r}, whose value its goal does not give"
    if not case.template.constants:
        return ""
    return f"the saved run holds {case.template.constants[0]!r}, which its goal does not account for"


def check_column(case: Case) -> str:
    """In another file, what was picked by its place may stand elsewhere."""
    picks = case.template.columns
    if picks and any(old.kind not in (Kind.NUMBER, Kind.PORT) for old, _ in case.changed):
        return f"the saved run rests on {picks[0]}, which its goal does not name: elsewhere it may be another"
    return ""


def check_leftover(case: Case) -> str:
    """No old value may stand anywhere in the bound arguments, in whatever case of letters."""
    if not case.changed:
        return ""
    given = sorted({v for landing in case.landings if (v := landing.value)}, key=len, reverse=True)
    kept = {new.text.lower() for _, new in case.pairs} | {old.text.lower() for old, new in case.pairs if old == new}
    for step, call in enumerate(case.calls):
        for path, text in texts(call):
            for value in given:
                text = text.replace(value, "\0")
            proven = [p.written.lower() for p in case.template.kept if (p.step, p.path) == (step, path)]
            for old, _ in case.changed:
                for name, form in forms(old).items():
                    strong = name in ("text", "glob") or len(form) > 2
                    if not strong or form.lower() in kept:
                        continue
                    if _times_in(form.lower(), text.lower()) > sum(_times_in(form.lower(), one) for one in proven):
                        return f"the old value {form!r} would still stand in a call"
    return ""


def _times_in(value: str, text: str) -> int:
    before = r"(?<![^\W_])" if value[0].isalnum() else ""
    after = r"(?![^\W_])" if value[-1].isalnum() else ""
    return len(re.findall(f"{before}{re.escape(value)}{after}", text)) if value in text else 0

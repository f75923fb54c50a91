"""The wording of a goal in a canonical form, in which two ways to ask the same thing of a shell are one.

Every rule is about English and shells, none about a goal. A rule may only join what asks for the same thing; where
that depends on the command (finding and listing files, say), the analysis notes what was joined and a gate decides.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from functools import cache, lru_cache
from itertools import pairwise

from llmos.core.dataclass import dataclass
from llmos.core.goal import context_reference
from llmos.core.literal_forms import strange_text
from llmos.core.literals import Kind, Literal, Plain, Token, tokens_of
from llmos.core.wording_frame import request_in
from llmos.core.wording_rules import RULES

DROPPED = frozenset(
    """a an the all of that which who is are be been being was were has have had do does please so there me
    us""".split()
)
"""Words that carry no meaning of their own in a request; removed after the phrases were read."""

_IRREGULAR = {
    "folder": "directory", "folders": "directory", "directories": "directory", "dir": "directory",
    "dirs": "directory", "subfolder": "subdirectory", "subfolders": "subdirectory",
    "subdirectories": "subdirectory", "subdir": "subdirectory", "subdirs": "subdirectory", "sub": "sub",
    "numbers": "numbers", "filesystem": "filesystem", "filesystems": "filesystem", "symlinks": "symlink",
    "files": "file", "contents": "content", "copies": "copy", "begins": "begin", "beginning": "begin", "ending": "end",
    "finding": "find", "putting": "put", "running": "running", "getting": "get", "setting": "setting",
    "containing": "contain", "contains": "contain", "has": "have", "having": "have", "matches": "match",
    "matching": "match", "starting": "start", "lines": "line", "uses": "use", "using": "using", "mb": "megabyte",
    "megabytes": "megabyte", "m": "megabyte", "gb": "gigabyte", "g": "gigabyte",
    "gigabytes": "gigabyte", "kb": "kilobyte", "k": "kilobyte", "kilobytes": "kilobyte",
    "st": "th", "nd": "th", "rd": "th",
    "mins": "minute", "min": "minute", "minutes": "minute", "hrs": "hour", "hours": "hour", "secs": "second",
    "sec": "second", "filenames": "filename", "pathnames": "pathname", "excludes": "exclude",
    "excluding": "exclude", "ignores": "ignore", "ignoring": "ignore", "existing": "existing", "pwd": "pwd",
    "cannot": "not", "can't": "not", "don't": "not", "doesn't": "not", "aren't": "not", "isn't": "not",
    "didn't": "not", "won't": "not", "shouldn't": "not", "haven't": "not", "hasn't": "not", "wasn't": "not",
}  # fmt: skip

_PLURAL_KEPT = frozenset("as is this ls ps its less access class process pass address status was has does bus".split())

_NUMBER_WORDS = {
    **{word: number for number, word in enumerate("two three four five six seven eight nine ten".split(), start=2)},
    "eleven": 11, "twelve": 12, "fifteen": 15, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "hundred": 100,
}  # fmt: skip


@lru_cache(maxsize=8192)
def base_word(word: str) -> str:
    """A word without the endings of number and person: "files" and "file", "prints" and "print" are one."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word in _PLURAL_KEPT or len(word) < 4 or not word.endswith("s") or word.endswith(("ss", "us")):
        return word
    if word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "xes", "sses")):
        return word[:-2]
    return word[:-1]


@cache
def _compiled() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Compiled when the first goal is read: what only replays the identical goal reads none."""
    return tuple((re.compile(pattern), replacement) for pattern, replacement in RULES)


LOOKING = frozenset("find list display show print see view output get".split())
"""Verbs that ask to see which things there are; the same only where the recorded command does nothing but look."""


@dataclass(frozen=True, slots=True)
class Analysis:
    """What a goal says. `form` holds canonical words with `§` for each literal; `literals` are in the form's order."""

    goal: str
    form: tuple[str, ...]
    literals: tuple[Literal, ...]
    surface: tuple[str, ...]
    """The words as given, lower case, with `§` for literals: equal for goals that differ in their values alone."""
    polite: tuple[str, ...]
    """The words of courtesy around the request, which its surface is without ("could you ... for me")."""
    span: tuple[int, int]
    """Where the request stands in the goal, without that courtesy."""
    verb: str
    """The verb of looking that was joined with others, as given; empty when there was none."""
    recurses: bool
    """Whether the goal says that it means everything below a place."""
    outward: str
    """The words that point at something outside the goal; empty when there are none."""
    strange: str
    """Why its letters are not what they look like; empty when they are."""

    @property
    def key(self) -> tuple[str, ...]:
        return tuple(sorted(self.form))


@lru_cache(maxsize=512)
def analyse(goal: str) -> Analysis:
    """Read a goal; total: any text has an analysis."""
    given = tokens_of(goal)
    asked = request_in(given)
    tokens = given[asked]
    text, literals = _marked(tokens)
    for pattern, replacement in _compiled():
        text = pattern.sub(replacement, text)
    words = list(_meant(text.split()))
    words, verb = _joined_verb(_led_by_verb(words))
    words = _out_of_place(words)
    recurses = "RECURSE" in words or any(isinstance(t, Plain) and t.text in _BELOW for t in tokens)
    words = _placed([word for word in words if word != "RECURSE"])
    order = [int(word[2:]) for word in words if word.startswith("§")]
    return Analysis(
        goal,
        tuple("§" if word.startswith("§") else word for word in words),
        tuple(literals[index] for index in order),
        tuple("§" if isinstance(token, Literal) else token.text for token in tokens),
        tuple(token.text for token in (*given[: asked.start], *given[asked.stop :])),
        (tokens[0].start if asked.start else 0, tokens[-1].end if asked.stop < len(given) else len(goal)),
        verb,
        recurses,
        context_reference(_without_values(goal, tokens)) or "",
        strange_text(goal),
    )


def _meant(words: list[str]) -> Iterator[str]:
    """The words that carry meaning. An "of" before a value does: "a container of web1" is not "the container web1"."""
    for word, after in pairwise([*words, ""]):
        if word not in "():;" and (word not in DROPPED or (word == "of" and re.match(r"§[pfn]", after))):
            yield word


def _without_values(goal: str, tokens: tuple[Token, ...]) -> str:
    """The goal with its quoted values taken out: what they say is not said by the goal."""
    for token in reversed(tokens):
        if isinstance(token, Literal) and token.quoted:
            goal = f"{goal[: token.start]}VALUE{goal[token.end :]}"
    return goal


_BELOW = frozenset("under below beneath throughout underneath deeper".split())


def _marked(tokens: tuple[Token, ...]) -> tuple[str, list[Literal]]:
    literals: list[Literal] = []
    words: list[str] = []
    for index, (token, after) in enumerate(zip(tokens, [*tokens[1:], None], strict=False)):
        if _only_names(tokens, index):
            words.pop()
            continue
        if isinstance(token, Plain) and token.text == "a" and _is_name(after):
            words.append("NAMED_A")
            continue
        if isinstance(token, Plain) and token.text in _NUMBER_WORDS:
            token = Literal(Kind.NUMBER, str(_NUMBER_WORDS[token.text]), token.start, token.end)
        if isinstance(token, Literal):
            words.append(f"§{_LETTERS.get(token.kind, 'p')}{len(literals)}")
            literals.append(token)
        else:
            several = token.text in _FOLDERS and words[-1:] == ["home"]
            words.append("homes" if several else base_word(token.text.replace("§", "")))
    return _numerals(" ".join(words), tokens), literals


_NUMERAL = re.compile(
    r"\bnumber of the (?:\w+ ){0,2}?(?P<noun>\w+)(?= (?:that|which|with|in|of|for|contain\w*|where|at)\b|$)"
)


def _numerals(text: str, tokens: tuple[Token, ...]) -> str:
    """The text with "the number of the line", which is not how many there are, as its own word."""
    said = {token.text for token in tokens if isinstance(token, Plain)}
    return _NUMERAL.sub(lambda found: found[0] if found["noun"] not in said else f"numeral{found[0][6:]}", text)


_NOUNS = {
    "file": (Kind.FILE, Kind.URL, Kind.PATH), "files": (Kind.FILE,), "archive": (Kind.FILE,), "script": (Kind.FILE,),
    "host": (Kind.HOST,),
}  # fmt: skip


def _only_names(tokens: tuple[Token, ...], index: int) -> bool:
    """Whether a noun says no more of the value behind it than its form: "the owner of the file a.txt".

    Behind a verb that looks it does: "find the file a.txt" looks for no folder.
    """
    token, around = tokens[index], [*tokens[max(0, index - 2) : index], *tokens[index + 1 : index + 2]]
    if not isinstance(token, Plain) or token.text not in _NOUNS or len(around) != 3:
        return False
    verb, the, value = around
    named = isinstance(value, Literal) and value.kind in _NOUNS[token.text] and value.text[0] != "."
    if not named or not isinstance(the, Plain) or the.text != "the":
        return False
    is_path = isinstance(value, Literal) and value.kind is Kind.PATH
    return isinstance(verb, Plain) and verb.text == "of" if is_path else not _looks(verb)


def _looks(token: Token) -> bool:
    return isinstance(token, Plain) and (base_word(token.text) in LOOKING or token.text in _SEEKS)


_SEEKS = frozenset("search for locate use".split())
_FOLDERS = frozenset(["directories", "folders", "dirs"])
"""After "home" they are those of all users, which are no one's home."""


def _is_name(after: Token | None) -> bool:
    """Whether an "a" with this after it is a name ("copy a to b"), not an article."""
    return after is None or (isinstance(after, Plain) and after.text in _NO_NOUN)


_NO_NOUN = frozenset("to and or in into from as with on at by is , . ; :".split())
_LETTERS = {Kind.EXTENSION: "e", Kind.FILE: "f", Kind.PATH: "f", Kind.GLOB: "g", Kind.NUMBER: "n"}


def _out_of_place(words: list[str]) -> list[str]:
    """ "Delete X from Y" as "delete X in Y", where nothing is carried from one place to another.

    Where the goal only looks, Y must be a path: commits "from v1.0" are those after it, "in v1.0" those before.
    """
    if words[:1] not in (["delete"], ["LOOK"], ["count"]) or {"to", "into", "and"} & set(words):
        return words
    place = _PLACE_WORD if words[0] == "delete" else _PATH_WORD
    pairs = pairwise([*words, ""])
    return ["in" if word == "from" and place.fullmatch(after) else word for word, after in pairs]


def _led_by_verb(words: list[str]) -> list[str]:
    """ "In X do Y" as "do Y in X"; a plain word is a place only before a comma ("in src, count the files")."""
    if len(words) < 3 or words[0] != "in":
        return words
    if not _PLACE_WORD.fullmatch(words[1]) and (words[2] != "," or class_of(words[1]) is not WordClass.TOPIC):
        return words
    rest = words[3:] if words[2] == "," else words[2:]
    end = next((i for i, word in enumerate(rest) if word in _CLAUSE), len(rest))
    return [*rest[:end], *words[:2], *rest[end:]]


def _joined_verb(words: list[str]) -> tuple[list[str], str]:
    """The words with a leading verb of looking as LOOK, and that verb."""
    rest = words
    if len(rest) > 1 and rest[0] in LOOKING:
        verb = rest[0]
        rest = rest[1:]
        if rest and rest[0] in ("list", "listing") and verb in LOOKING:
            rest = rest[1:]
        return ["LOOK", *rest], verb
    return rest, ""


_CLAUSE = frozenset(
    ["and", "or", "then", "but", ",", "not", "except", "exclude", "without", "to", "into", "from", "if"]
)
_PLACE_WORD = re.compile(r"CWD|HOME|ROOT|§[pfge]\d+")
_PATH_WORD = re.compile(r"CWD|HOME|ROOT|§f\d+")


def _placed(words: list[str]) -> list[str]:
    """The words with the only place of the first clause ("in X") moved to the clause's end: where it stands is free.

    So is it with the case of letters, where there is only one value to which it can belong.
    """
    end = next((i for i, word in enumerate(words) if word in _CLAUSE), len(words))
    places = [i for i in range(end - 1) if words[i] == "in" and _PLACE_WORD.fullmatch(words[i + 1])]
    values = sum(word.startswith("§") for word in words) - len(places)
    floats = [i for i, word in enumerate(words) if word == "NOCASE" and values < 2]
    if len(places) == 1:
        at = places[0]
        words = [*words[:at], *words[at + 2 : end], "in", words[at + 1], *words[end:]]
    if len(floats) == 1:
        words = [*[word for word in words if word != "NOCASE"], "NOCASE"]
    return words


# ------------------------------------------------------------------------------------------------------- word classes


class WordClass(StrEnum):
    """What a word of a form does to the meaning of a goal."""

    VALUE = "value"
    NEGATION = "negation"
    EXCEPTION = "exception"
    POLARITY = "polarity"
    COMPARATIVE = "comparative"
    QUANTIFIER = "quantifier"
    CONJUNCTION = "conjunction"
    ORDER = "order"
    PRONOUN = "pronoun"
    VERB = "verb"
    TOPIC = "topic"


_CLASS_WORDS = {
    WordClass.NEGATION: "not no NOTALL without never none neither nor nothing nobody non FLAT lack lacking missing un",
    WordClass.EXCEPTION: "except exclude ignore skip omit but besides apart unless instead other rather bypass prune",
    WordClass.POLARITY: """enable disable enabled disabled enabling disabling start stop on off up down set unset mount
        unmount umount lock unlock read write readable writable executable rw ro encode decode encrypt decrypt include
        including open close show hide hidden visible login logout online offline upper lower uppercase lowercase
        compress decompress uncompress archive extract push pull upload download install uninstall add subtract
        uppercase lowercase increase decrease
        ascending descending forward backward left right begin end input output stdin stdout stderr
        sensitive insensitive NOCASE true false success fail failure local remote public private allow deny grant revoke
        attach detach connect disconnect pack unpack import export resume suspend raise accept reject head tail
        existing broken valid invalid empty nonempty same different equal unequal odd even""",
    WordClass.COMPARATIVE: """MORE LESS than more less least most exactly precisely newer older larger smaller bigger
        greater fewer largest smallest biggest newest oldest latest earliest longest shortest longer shorter before
        after within between since until ago maximum minimum max min above over beyond later earlier highest lowest
        recent recently approximately around about equal""",
    WordClass.QUANTIFIER: """each ALL any some both either only one single once twice many several few another every
        half total per multiple""",
    WordClass.CONJUNCTION: "and or , / plus & while",
    WordClass.ORDER: "then first last next previous reverse reversed finally second third top bottom afterwards again",
    WordClass.PRONOUN: "it them they this these those my your our his her mine itself themselves he she",
    WordClass.VERB: """LOOK find list display show print see view output get delete copy move rename change create make
        write append replace edit count sum calculate compute sort split join merge run execute launch kill send
        search check test compare archive save store put go switch ping follow monitor watch convert
        insert update modify truncate clear touch link report return assign define""",
}
_CLASSES = {word: kind for kind, words in reversed(_CLASS_WORDS.items()) for word in words.split()}


def class_of(word: str) -> WordClass:
    """The class of a word of a form. A word in two classes belongs to the first of them."""
    return WordClass.VALUE if word == "§" else _CLASSES.get(word, WordClass.TOPIC)

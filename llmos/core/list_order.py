"""In which order the items of an explicit list must run, as far as their words tell. Pure.

Two items keep their order unless it is known that it cannot matter: both only look, or each says all that it touches
and they share nothing of it. An item says all that it touches where every word of it is accounted for: its order, its
files, text that it hands over, and what lies in those files. Any other word ("the pictures", "the project") may stand
for anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from llmos.core.blend import clauses
from llmos.core.dataclass import dataclass
from llmos.core.goal import FUNCTION_WORDS, asks_for_change, asks_only, context_reference, words_of
from llmos.core.graph import Graph, SubGoal
from llmos.core.literals import Kind, Literal, tokens_of
from llmos.core.split import Shape, paths_of

_COUNTED = r"(?:two|three|four|five|six)"
_RESULTS = re.compile(
    rf"\b(?:results|outputs|findings|answers|above|numbers|totals?|sums?|both|differences?"
    rf"|(?:the|these|those|all|of) {_COUNTED}|(?:each|all|any|which|none) of (?:them|these|those))\b",
    re.IGNORECASE,
)
"""What points at all that was found out before."""
_THING = (
    "(?:file|folder|directory|archive|copy|copie|list|report|summary|table|script|program|picture|image|document|page|"
    "line|word)s?"
)
_RESULT = re.compile(
    r"\b(?:the|its|this|that) (?:result|output|answer|count|number|finding)\b"
    r"|\b(?:its|theirs?|this|that|these|those|(?<!is )(?<!are )there(?! is| are))\b"
    r"|\bthe (?:same|rest|others?|latter|former)\b"
    rf"|\bthe (?:new |last |first )?{_THING}(?=\s*(?:[.,;!?]|$|(?:to|into|as|by|and|for|is|are|has|have)\b))",
    re.IGNORECASE,
)
"""What points at the item before."""
_MAKES = frozenset(["create", "touch"])
_WRITES = frozenset(
    """create make add append write put insert replace change edit update set rename move copy delete remove erase
    clear empty sort merge join combine concatenate fill truncate touch strip comment uncomment prepend duplicate
    uppercase lowercase capitalise capitalize""".split()
)
"""Orders that change the files they name, and no others."""
_LOOKS = frozenset("list show count print display tell give compare find search how which what where when".split())
_FIRST = frozenset("please can could you also then now just finally and".split())
_PLAIN = frozenset(
    """file files line lines word words character characters byte bytes text content contents name named called new
    empty containing contains saying says every each first last then also finally number me""".split()
)
"""Words that name nothing by themselves."""
_ENTRUSTS = re.compile(
    r"\b(?:containing|contains|saying|says|(?:with|as) (?:the |this )?(?:text|words?|lines?|content))\b"
)
_DETERMINED = re.compile(r"\b(?:the|all|every|each|both|its|their|my|of|any|whatever|today|now|current)\b")
_LOCATED = ("in", "of", "from", "inside", "within")
_BEFORE_TEXT = frozenset(
    """containing contains says saying text word words line lines content with by write append add insert replace put
    prepend every all each of""".split()
)
_DESTINATION = re.compile(r"\b(?:to|into|as|onto)\s+(?:(?:a|an|the|new|file)\s+)*\x02")


def graph_of_list(goal: str, shape: Shape) -> Graph:
    """The parts of an explicit list as a graph. Pieces that touch the same stay in their order; so do unsure ones."""
    touched = [_touched(part) for part in shape.parts]
    above: list[set[int]] = []
    subs: list[SubGoal] = []
    for number, part in enumerate(shape.parts):
        before = set(range(number))
        points_back = bool(_RESULT.search(part) or context_reference(part))
        points_at_all = bool(_RESULTS.search(part))
        waits = {other for other in before if _clash(touched[other], touched[number])}
        if number and points_back:
            waits.add(number - 1)
        if points_at_all or shape.in_order or number in shape.then:
            waits |= before
        above.append(waits.union(*(above[other] for other in waits)))
        needed = {one for one in waits if not any(one in above[other] for other in waits)}
        inputs = waits if points_at_all else ({number - 1} & waits if points_back else set[int]())
        subs.append(SubGoal(str(number + 1), part, _ids(needed), _ids(inputs), _leaves(part)))
    return Graph(goal, tuple(subs))


def _ids(numbers: set[int]) -> tuple[str, ...]:
    return tuple(str(number + 1) for number in sorted(numbers))


@dataclass(frozen=True, slots=True)
class _Touched:
    """What a part may look at or change: paths, or everything where it does not say."""

    paths: frozenset[str]
    words: frozenset[str]
    everything: bool
    looks: bool


def _touched(part: str) -> _Touched:
    paths = paths_of(part)
    return _Touched(
        frozenset(path.lower() for path in paths),
        frozenset(words_of(part)),
        not paths or not all(map(_known_order, clauses(part))) or next(_unaccounted(part), None) is not None,
        _only_looks(part),
    )


def _known_order(clause: str) -> bool:
    """Whether a clause orders what reaches the files that it names and nothing else."""
    return next((word for word in words_of(clause) if word not in _FIRST), "") in _WRITES | _LOOKS


def _only_looks(part: str) -> bool:
    """Whether every order in a part is to look, and none of what is found goes into a file."""
    marked = part
    for token in reversed(tokens_of(part)):
        if isinstance(token, Literal) and token.kind in (Kind.PATH, Kind.FILE):
            marked = f"{marked[: token.start]}\x02{marked[token.end :]}"
    return asks_only(part) and not any(asks_for_change(c) for c in clauses(part)) and not _DESTINATION.search(marked)


def _unaccounted(part: str) -> Iterator[str]:
    """The words of a part that may stand for something it does not name."""
    tokens = tokens_of(part)
    handed = _ENTRUSTS.search(part)
    if handed is not None and not _DETERMINED.search(part, handed.end()):
        tokens = tuple(token for token in tokens if token.start < handed.end() or isinstance(token, Literal))
    waiting: list[str] = []
    previous = ""
    for at, token in enumerate(tokens):
        if isinstance(token, Literal):
            if token.kind in (Kind.GLOB, Kind.EXTENSION) or (token.kind is Kind.TEXT and previous not in _BEFORE_TEXT):
                yield token.text
            previous = ""
            continue
        word = previous = token.text.lower()
        if word in _LOCATED and _names_file(tokens[at + 1 :]):
            waiting.clear()
        elif word in FUNCTION_WORDS or not word.isalpha():
            yield from waiting if word in ("and", "to", "into", "with", "as", "by", "or") else ()
            waiting = [] if word in ("and", "to", "into", "with", "as", "by", "or") else waiting
        elif word not in _WRITES | _LOOKS | _PLAIN:
            waiting.append(word)
    yield from waiting


def _names_file(after: Sequence[object]) -> bool:
    """Whether a file is the next that is named, with nothing but small words before it."""
    for token in after:
        if isinstance(token, Literal):
            return token.kind in (Kind.PATH, Kind.FILE)
        if str(getattr(token, "text", "")).lower() not in ("the", "a", "file", "folder", "both", "each"):
            return False
    return False


def _clash(first: _Touched, second: _Touched) -> bool:
    """Whether the order of two parts may matter."""
    if first.looks and second.looks:
        return False
    if first.everything or second.everything:
        return True
    return _shares_file(first, second) or _shares_folder(first, second) or _shares_folder(second, first)


def _shares_file(one: _Touched, other: _Touched) -> bool:
    """Whether they name one file, or files of one name: which folder is meant, a text may leave open."""
    names = {path.rpartition("/")[2] for path in one.paths}
    return any(path.rpartition("/")[2] in names for path in other.paths)


def _shares_folder(one: _Touched, other: _Touched) -> bool:
    """Whether one names a folder, perhaps as a plain word, in which a path of the other lies."""
    folders = {piece for path in other.paths for piece in path.split("/")[:-1] if piece not in (".", "")}
    return bool(folders & one.words) or any(
        path.startswith(f"{folder}/") for folder in one.paths for path in other.paths
    )


def _leaves(part: str) -> tuple[str, ...]:
    """The one file that a part says is to be created."""
    verb = next((word for word in words_of(part) if word not in ("please", "now")), "")
    paths = sorted(path for path in paths_of(part) if not path.startswith(("/", "~", "..")))
    return (paths[0],) if verb in _MAKES and len(paths) == 1 else ()

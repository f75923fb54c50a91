"""The write gate of memory: what may be remembered at all, decided before and after any model and never by one.

Only the person's own words count: not what tools printed, files held, the system prompt said or memory recalled. A fact
must quote them to the letter, hold no secret, outlive the day, and be said outright or borne out twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from llmos.core.core_edits import OBSERVATIONS, text_refusal
from llmos.core.dataclass import dataclass
from llmos.core.memory_text import holds_secret, negations, numbers_of, stem, stems, words_of
from llmos.core.passage import Source

ABOUT = ("persona", "human", "system_context", "fact")
"""The core blocks, and what belongs into none of them."""
MESSAGE_CHARS = 1_200
"""Of one message; what is longer is mostly pasted."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A message of the person, as far as it can be theirs."""

    name: str
    at: datetime
    text: str
    project: str = ""

    @property
    def day(self) -> str:
        return self.at.date().isoformat()


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that may be remembered; every source is a message that was heard."""

    text: str
    about: str
    sources: tuple[Source, ...]
    explicit: bool
    """Said in so many words."""
    day: str
    """Of the newest source."""
    subject: str = ""
    attribute: str = ""
    project: str = ""
    at: str = ""
    """Time of the newest source: what is said later outranks what was said before."""

    @property
    def evidence(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(source.message for source in self.sources))


# -------------------------------------------------------------------------------------------------------- before

_FENCED = re.compile(r"```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)", re.DOTALL)
_FOREIGN_LINE = re.compile(
    r"^(?:>|\$ |# |%|\+\+\+|---|@@|\||<|\d{4}-\d\d-\d\d[T ]|\s{4,}\S|Traceback|\s*File \").*$", re.M
)


def own_words(text: str) -> str:
    """A message without what was pasted into it: fenced code, quoted lines, prompts, diffs, logs, indented text."""
    kept = _FOREIGN_LINE.sub("", _FENCED.sub("\n", text))
    lines = (" ".join(line.split()) for line in kept.splitlines())
    return "\n".join(line for line in lines if line)[:MESSAGE_CHARS]


def heard(name: str, at: datetime, text: str, project: str) -> Heard | None:
    """The message for consolidation; None when nothing of it may be remembered."""
    words = own_words(text)
    return Heard(name, at, words, project) if words and not holds_secret(text) else None


# --------------------------------------------------------------------------------------------------- what is said

_SENTENCE = re.compile(r"[^.!?\n]+(?:\.(?=\S)[^.!?\n]*)*[.!?]*")
_STATES = re.compile(
    r"\b(?:i|we|i'm|i've|we're|we've|my|our)\b|\b(?:always|never|from now on|prefer|remember|note that|keep in mind)\b"
    r"|\b(?:is|are|was|were|has|have|runs?|lives?|uses?|means|moved|belongs)\b",
    re.IGNORECASE,
)
_ASKS = re.compile(
    r"^(?:please|can|could|would|will|now|then|ok|okay|and|also|add|build|change|check|clean|commit|compare|convert|copy"
    r"|count|create|delete|deploy|do|draw|explain|extract|find|fix|generate|get|give|go|help|how|install|kill|let|list|look"
    r"|make|merge|move|open|pack|print|pull|push|put|read|remove|rename|replace|restart|run|search|see|send|set|show|sort"
    r"|split|start|stop|summari[sz]e|tell|test|translate|try|undo|update|use|what|when|where|which|who|why|write|yes|no)\b",
    re.IGNORECASE,
)
_TO_KEEP = re.compile(
    r"^(?:please )?(?:remember|note|keep in mind|don't forget|do not forget)\b(?: that)?[:,]?\s+(?P<said>.+)",
    re.IGNORECASE,
)
_INSTRUCTS = re.compile(
    r"^(?:(?:please )?(?:always|never)\b|from now on\b|call me\b|(?:please )?(?:do not|don't) ever\b)"
    r"|\b(?:i want you to|you (?:should|must) (?:always|never)|in future|when you (?:answer|write|commit))\b",
    re.IGNORECASE,
)
_OF_THE_PERSON = re.compile(
    r"^(?:i (?:always|never|usually|prefer|like|love|hate|dislike|live|work|speak|use|am|have)\b|i'm\b|my \w+)",
    re.IGNORECASE,
)
_OF_THE_PROJECT = re.compile(r"^(?:we|our)\b", re.IGNORECASE)
_PASSING = re.compile(
    r"\b(?:right now|at the moment|currently|just now|for now|this time|still (?:running|failing|broken)|in progress"
    r"|is (?:running|failing|down|stuck|slow|broken)|are (?:running|failing|broken)|(?:it|that|this) (?:works?|failed)"
    r"|(?:i am|i'm) (?:\w+ly )?(?:stuck|done|ready|back|waiting|looking|trying|working on|going to|about to)"
    r"|waiting for|going to try|will try|tests? (?:pass|fail)|build (?:pass|fail))",
    re.IGNORECASE,
)


def is_passing(text: str) -> bool:
    """Whether a statement is about a state that is over soon."""
    return _PASSING.search(text) is not None


def sentences(text: str) -> list[str]:
    """The sentences of own words, questions left out."""
    found = (match.strip() for line in text.splitlines() for match in _SENTENCE.findall(line))
    return [sentence for sentence in found if sentence and not sentence.endswith("?")]


def makes_a_statement(sentence: str) -> bool:
    """Whether a sentence states something, as far as its words show: no job, no question."""
    return _STATES.search(sentence) is not None and _ASKS.match(sentence) is None


def says_something(text: str) -> bool:
    """Whether a message holds a statement that may still be so: more than a job or a question."""
    return any(_STATES.search(one) and not is_passing(one) for one in sentences(own_words(text)))


def stated(message: Heard, *, asked_only: bool = False) -> list[Fact]:
    """What a message says outright that is to be remembered, in its own words: the part that needs no model.

    With `asked_only` only what the person asked to be remembered, and instructions.
    """
    found = []
    for sentence in sentences(message.text):
        text = sentence.rstrip(".!").strip()
        kept = _TO_KEEP.match(text)
        about = _about(kept["said"].strip() if kept else text, asked=kept is not None)
        said = resolved((kept["said"] if kept else text).strip(), message.at)
        if asked_only and kept is None and about != "persona":
            continue
        if about is None or is_passing(said) or holds_secret(said) or text_refusal(said):
            continue
        said = said[0].upper() + said[1:]
        source = Source(message.name, sentence)
        at = message.at.isoformat()
        found.append(Fact(said, about, (source,), True, message.day, project=message.project, at=at))
    return found


def _about(text: str, *, asked: bool) -> str | None:
    """The block that a sentence belongs to; None when it is none to keep."""
    if _INSTRUCTS.search(text):
        return "persona"
    if _OF_THE_PERSON.match(text):
        return "human"
    if asked:
        return "system_context" if _OF_THE_PROJECT.match(text) else "human"
    return None


def block_for(text: str) -> str:
    """The core block that a lasting statement belongs to."""
    return _about(text, asked=False) or "system_context"


_RELATIVE = (
    ("yesterday", -1),
    ("today", 0),
    ("tonight", 0),
    ("this morning", 0),
    ("tomorrow", 1),
)


def resolved(text: str, at: datetime) -> str:
    """The text with days that are named from its own time made absolute."""
    for word, step in _RELATIVE:
        day = (at + timedelta(days=step)).date().isoformat()
        text = re.sub(rf"\b{word}\b", f"on {day}", text, flags=re.IGNORECASE)
    monday = (at - timedelta(days=at.weekday())).date()
    for words, first in (("last week", monday - timedelta(days=7)), ("next week", monday + timedelta(days=7))):
        text = re.sub(rf"\b{words}\b", f"in the week of {first.isoformat()}", text, flags=re.IGNORECASE)
    return text


# -------------------------------------------------------------------------------------------------------- after

_FILLER = frozenset(
    stem(word)
    for word in """user person prefer prefers want wants like likes use uses always never name called they has have is
    project fact known say says said llmos assistant should must""".split()
)
_LEAST_SHARE = 0.6
"""Of a fact's words that the person must have said, for it to be said in so many words."""


def admitted(
    text: str, about: str, quotes: Iterable[tuple[str, str]], messages: Mapping[str, Heard]
) -> tuple[Fact | None, str]:
    """A fact that a model proposes, as far as it is borne out; None, and why, when it may not be remembered.

    `quotes` are names of messages and the words of each that the model rests it on.
    """
    sources = tuple(
        Source(name, words)
        for name, words in dict(quotes).items()
        if name in messages and _is_quoted(words, messages[name].text)
    )
    if not sources:
        return None, "it quotes nothing that the person said"
    newest = max((messages[source.message] for source in sources), key=lambda message: message.at)
    text = resolved(" ".join(text.split()), newest.at)
    if why := text_refusal(text):
        return None, why
    if holds_secret(text):
        return None, "it may hold a secret"
    if is_passing(text) or all(is_passing(source.quote) for source in sources):
        return None, "it is about a passing state"
    if set(numbers_of(text)) - {number for source in sources for number in numbers_of(_dated(source, messages))}:
        return None, "it names a number that the person did not"
    explicit = any(_says(source.quote, text) for source in sources)
    if not explicit and len({source.message for source in sources}) < OBSERVATIONS:
        return None, "it was neither said outright nor seen twice"
    if not explicit and not all(_shared(source.quote, text) for source in sources):
        return None, "what it quotes is about something else"
    kept = about if about in ABOUT else "fact"
    at = newest.at.isoformat()
    return Fact(text, kept, sources, explicit, newest.day, project=newest.project, at=at), ""


def _dated(source: Source, messages: Mapping[str, Heard]) -> str:
    """The quote with the days that it may be resolved to."""
    at = messages[source.message].at
    return (
        f"{source.quote} {resolved('yesterday today tomorrow last week next week', at)} {at.year} {at.month} {at.day}"
    )


def _is_quoted(quote: str, text: str) -> bool:
    words = words_of(quote)
    said = words_of(text)
    size = len(words)
    return size >= 2 and any(said[start : start + size] == words for start in range(len(said) - size + 1))


def _says(quote: str, text: str) -> bool:
    """Whether the quoted words are a statement that says what the fact says."""
    if quote.strip().endswith("?") or not _STATES.search(quote):
        return False
    if (negations(quote) > 0) is not (negations(text) > 0):
        return False
    meant = stems(text) - _FILLER
    return bool(meant) and len(meant & stems(quote)) / len(meant) >= _LEAST_SHARE


def _shared(quote: str, text: str) -> bool:
    return bool((stems(text) - _FILLER) & stems(quote))


def about_the_same(one: str, other: str) -> bool:
    """Whether two statements share a word that says what they are about."""
    return bool((stems(one) - _FILLER) & (stems(other) - _FILLER))


def nearest(text: str, others: Sequence[str], limit: int) -> list[int]:
    """Places of the statements that share most with a text, best first; those that share nothing left out."""
    wanted = stems(text) - _FILLER
    scored = []
    for place, other in enumerate(others):
        has = stems(other) - _FILLER
        shared = len(wanted & has)
        if shared:
            scored.append((-shared / (len(wanted | has) ** 0.5), place))
    return [place for _, place in sorted(scored)[:limit]]

"""Words, identifiers, dates and secrets in what is said: what memory is keyed and refused by."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from llmos.core.dataclass import dataclass

STOP_WORDS = frozenset(
    """a about after all also am an and any are as at be because been before being but by can could did do does doing
    for from had has have having he her here hers him his how i if in into is it its just me more most my no nor not of
    on once only or other our out over own same she so some such than that the their them then there these they this
    those through to too under until up very was we were what when where which while who whom why will with would you
    your""".split()
)
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")
_IDENTIFIER = re.compile(r"[\w$@~./:\\#+=%-]{3,200}")
_MONTHS = ("january february march april may june july august september october november december").split()


def words_of(text: str) -> list[str]:
    """The words in lower case, in order."""
    return _WORD.findall(text.lower())


def content_words(text: str) -> list[str]:
    """The words that say what a text is about; all words where there are no others."""
    words = [word.removesuffix("'s") for word in words_of(text)]
    return [word for word in words if word not in STOP_WORDS] or words


@lru_cache(maxsize=65_536)
def stem(word: str) -> str:
    """A word without its commonest English endings; for comparing, never for showing."""
    word = word.removesuffix("'s")
    for ending, put in (("ies", "y"), ("sses", "ss"), ("ing", ""), ("edly", ""), ("ed", ""), ("ly", ""), ("es", "e")):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word.removesuffix(ending) + put
            break
    else:
        if word.endswith("s") and not word.endswith("ss") and len(word) > 3:
            word = word[:-1]
    word = word.removesuffix("e") if len(word) > 4 else word
    return word[:-1] if len(word) > 4 and word[-1] == word[-2] else word


def stems(text: str) -> frozenset[str]:
    """The stems of the content words."""
    return frozenset(stem(word) for word in content_words(text))


def named_in(question: str, speakers: frozenset[str]) -> frozenset[str]:
    """The speakers (in lower case) that a question names."""
    return frozenset(word.removesuffix("'s") for word in words_of(question)) & speakers if speakers else speakers


def in_first_person(question: str, speakers: frozenset[str]) -> str:
    """The question as the speakers that it names would put it ("my band" for "Maya's band"): who tells something of
    themselves does not say their name, so the name would lead the meaning to those who address them."""
    if not speakers:
        return question
    names = "|".join(sorted(map(re.escape, speakers), key=len, reverse=True))
    possessive = re.sub(rf"\b(?:{names})['\u2019]s?(?!\w)", "my", question, flags=re.IGNORECASE)
    return re.sub(rf"\b(?:{names})\b", "I", possessive, flags=re.IGNORECASE)


def fingerprint(text: str) -> str:
    """16 hex digits by which a text is known again however it is cased and punctuated."""
    return hashlib.sha256(" ".join(words_of(text)).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def words_pattern(text: str) -> re.Pattern[str] | None:
    """Finds a text however it is cased, spaced and punctuated; None for one too short to be told from other words."""
    words = [re.escape(word) for word in words_of(text)]
    if len("".join(words)) < 6:
        return None
    return re.compile(r"(?<![^\W_])" + r"[\W_]{1,6}".join(words) + r"(?![^\W_])[.!?]?", re.IGNORECASE)


def is_near_duplicate(one: str, other: str) -> bool:
    """Whether two statements say the same in the same words: nothing but filler differs."""
    if fingerprint(one) == fingerprint(other):
        return True
    mine, others = stems(one), stems(other)
    return mine == others and numbers_of(one) == numbers_of(other) and negations(one) == negations(other)


def numbers_of(text: str) -> list[str]:
    return re.findall(r"\d+(?:[.,]\d+)*", text)


def negations(text: str) -> int:
    """How many words turn a statement round."""
    return sum(word in _NEGATIONS or word.endswith("n't") for word in words_of(text))


_NEGATIONS = frozenset("no not never nor neither none nothing without stop stopped avoid avoids except unless".split())


def identifiers(text: str) -> frozenset[str]:
    """Paths, error codes, hashes, version numbers, names_with_underscores: what must be found to the letter."""
    found = set()
    for match in _IDENTIFIER.findall(text):
        word = match.strip(".:,;-=")
        if len(word) >= 3 and _is_identifier(word):
            found.add(word.lower())
    return frozenset(found)


def _is_identifier(word: str) -> bool:
    if any(mark in word for mark in "_/\\@~$#+=%") or ("." in word and not word.replace(".", "").isalpha()):
        return True
    if "." in word:
        return word.rsplit(".", 1)[1].islower() and len(word.rsplit(".", 1)[1]) <= 5
    has_digit = any(c.isdigit() for c in word)
    return (has_digit and any(c.isalpha() for c in word)) or (word.isdigit() and len(word) >= 4)


# ------------------------------------------------------------------------------------------------------------ secrets

_SECRETS = re.compile(
    r"""-----BEGIN[ A-Z]*PRIVATE\ KEY
    |\b(?:sk|pk|rk)-[A-Za-z0-9_-]{16,}|\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_\w{20,}|\bglpat-[\w-]{16,}
    |\bxox[abprs]-[\w-]{10,}|\bAKIA[0-9A-Z]{16}\b|\bAIza[\w-]{30,}|\beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]*
    |://[^\s/:@]+:[^\s/@]+@
    |\b(?i:password|passwd|passphrase|secret|token|api[ _-]?key|pin|pwd)\b\s*(?:(?:is|:|=|to)\s*)+["']?[^\s"']{4,}
    """,
    re.VERBOSE,
)


def holds_secret(text: str) -> bool:
    """Whether the text looks as if it held a credential. Errs on the side of yes."""
    return _SECRETS.search(text) is not None


# -------------------------------------------------------------------------------------------------------------- time


@dataclass(frozen=True, slots=True)
class TimeWindow:
    """From `start` until before `end`, UTC."""

    start: datetime
    end: datetime

    def closeness(self, moment: datetime) -> float:
        """1.0 within, 0.5 for a while after it, when people tell what happened then, 0.0 else."""
        if self.start <= moment < self.end:
            return 1.0
        while_after = min(max(self.end - self.start, timedelta(days=2)), timedelta(days=14))
        return 0.5 if self.end <= moment < self.end + while_after else 0.0


def asks_for_a_time(question: str) -> bool:
    """Whether the answer is a time: when, what day, how long ago."""
    return _ASKS_TIME.search(question) is not None


def names_a_time(text: str) -> bool:
    """Whether a text says when: a day, a month, a year, or a time seen from the day it was said."""
    return _NAMES_TIME.search(text) is not None


_ASKS_TIME = re.compile(
    r"\bwhen\b|\b(?:what|which)\s+(?:date|day|weekday|month|year|time|week|season)\b|\bhow long ago\b|\bsince when\b",
    re.IGNORECASE,
)
_NAMES_TIME = re.compile(
    r"""\b(?:yesterday|today|tonight|tomorrow|ago|recently|mon|tues|wednes|thurs|fri|satur|sun(?=day))(?:day)?s?\b
    |\b(?:last|next|this|past|coming|previous|following)\s+(?:\w+\s+)?
      (?:night|day|week|weekend|month|year|summer|winter|spring|autumn|fall|time|mon|tue|wed|thu|fri|sat|sun)
    |\b(?:january|february|march|april|june|july|august|september|october|november|december)\b
    |\b(?:in|on|of|since|until|by)\s+may\b|\bmay\s+\d|\b(?:19|20)\d\d\b|\b\d{1,2}(?:st|nd|rd|th)\b
    |\b(?:for|since|in|after|before)\s+(?:\w+\s+){0,2}(?:day|week|month|year)s?\b|\bweekend\b|\bthe other day\b""",
    re.IGNORECASE | re.VERBOSE,
)


def spoken_date(moment: datetime) -> str:
    """A date in the words in which people ask for it: 8 May 2023."""
    return f"{moment.day} {_MONTHS[moment.month - 1].capitalize()} {moment.year}"


def time_window(question: str, now: datetime) -> TimeWindow | None:
    """The time that a question names ("in March", "last week", "on 8 May 2023", "2023-05-08"); None without one."""
    text = " ".join(question.lower().replace(",", " ").split())
    return _absolute(text, now) or _relative(text, now)


def _absolute(text: str, now: datetime) -> TimeWindow | None:
    if match := re.search(r"\b(\d{4})-(\d{2})-(\d{2})\b", text):
        return _day(int(match[1]), int(match[2]), int(match[3]))
    names = "|".join(_MONTHS)
    if match := re.search(rf"\b(\d{{1,2}})(?:st|nd|rd|th)? (?:of )?({names})(?: (\d{{4}}))?\b", text):
        day, month, year = int(match[1]), match[2], match[3]
    elif match := re.search(rf"\b({names}) (\d{{1,2}})(?:st|nd|rd|th)?(?: (\d{{4}}))?\b", text):
        day, month, year = int(match[2]), match[1], match[3]
    elif match := re.search(rf"\b(?:in|during|since|of) ({names})(?: (\d{{4}}))?\b", text):
        return _month(_year(_MONTHS.index(match[1]) + 1, match[2], now), _MONTHS.index(match[1]) + 1)
    elif match := re.search(r"\b(?:in|during) (\d{4})\b", text):
        return TimeWindow(datetime(int(match[1]), 1, 1, tzinfo=UTC), datetime(int(match[1]) + 1, 1, 1, tzinfo=UTC))
    else:
        return None
    number = _MONTHS.index(month) + 1
    return _day(_year(number, year, now), number, day)


def _year(month: int, named: str | None, now: datetime) -> int:
    """A month without a year is the latest one that is not to come."""
    if named:
        return int(named)
    return now.year if month <= now.month else now.year - 1


def _relative(text: str, now: datetime) -> TimeWindow | None:
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    day = timedelta(days=1)
    monday = today - today.weekday() * day
    first = today.replace(day=1)
    if re.search(r"\byesterday\b", text):
        return TimeWindow(today - day, today)
    if re.search(r"\b(?:today|this morning|earlier today)\b", text):
        return TimeWindow(today, today + day)
    if re.search(r"\blast week\b", text):
        return TimeWindow(monday - 7 * day, monday)
    if re.search(r"\bthis week\b", text):
        return TimeWindow(monday, monday + 7 * day)
    if re.search(r"\blast month\b", text):
        return TimeWindow((first - day).replace(day=1), first)
    if match := re.search(r"\b(\d{1,3}) (day|week)s? ago\b", text):
        start = today - int(match[1]) * (day if match[2] == "day" else 7 * day)
        return TimeWindow(start, start + (day if match[2] == "day" else 7 * day))
    return None


def _day(year: int, month: int, day: int) -> TimeWindow | None:
    try:
        start = datetime(year, month, day, tzinfo=UTC)
    except ValueError:
        return None
    return TimeWindow(start, start + timedelta(days=1))


def _month(year: int, month: int) -> TimeWindow | None:
    if not 1 <= year <= 9998:
        return None
    start = datetime(year, month, 1, tzinfo=UTC)
    return TimeWindow(start, datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC))

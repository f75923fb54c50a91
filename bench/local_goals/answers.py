"""Reading facts out of an answer in prose: numbers, names, days. Lenient as to words, strict as to facts."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import date

WORDS = dict(
    zip(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen".split(),
        range(16),
        strict=True,
    )
)
NONE_WORDS = ("no", "none")
NUMBER = re.compile(r"(?<![\w.])-?\d+(?:,\d{3})*(?:\.\d+)?(?![\w])")
NOT_A_COUNT = re.compile(
    r"\d{4}-\d{2}-\d{2}|\d{1,2}:\d{2}(?::\d{2})?|^\s*\d+[.)]\s+(?=\S)|\d[\d.,]*\s?[kKMG]i?B\b", re.MULTILINE
)


def name_pattern(name: str) -> re.Pattern[str]:
    """`name` as a whole word: not a piece of a longer name, a folder before it is fine."""
    return re.compile(rf"(?<![\w.-]){re.escape(name)}(?![\w-]|\.\w)", re.IGNORECASE)


def names_in(answer: str, candidates: Collection[str]) -> set[str]:
    """The candidates that the answer names."""
    text = answer.replace("./", " ")
    return {name for name in candidates if name_pattern(name).search(text)}


def numbers_in(answer: str, paths: Collection[str]) -> list[float]:
    """The numbers that the answer gives; not those in file names, dates, times of day, list numbering
    and sizes rounded to kB or MB.

    Numbers written as words count when there are no digits, since "one" is mostly no number.
    """
    known = {name for path in paths for name in (path, path.rpartition("/")[2]) if re.search(r"\D", name)}
    text = answer
    for name in sorted(known, key=len, reverse=True):
        text = name_pattern(name).sub(" ", text)
    text = NOT_A_COUNT.sub(" ", text)
    digits = [float(found.replace(",", "")) for found in NUMBER.findall(text)]
    if digits:
        return digits
    words = re.findall(r"[a-z]+", text.lower())
    spelled = [float(WORDS[word]) for word in words if word in WORDS]
    return spelled or ([0.0] if any(word in NONE_WORDS for word in words) else [])


def plain(text: str) -> str:
    """Lower case, single blanks, without quotes and Markdown marks."""
    return " ".join(re.sub(r"[`*\"'‘’“”]", "", text).lower().split())


def gives_day(answer: str, iso: str) -> bool:
    """Whether the answer gives this day in one of the usual ways, that of `ls`, `stat` and `date` among them."""
    when = date.fromisoformat(iso)
    month = f"(?:{when.strftime('%B')}|{when.strftime('%b')})".lower()
    number = f"0?{when.day}(?:st|nd|rd|th)?"
    forms = (
        iso,
        when.strftime("%Y/%m/%d"),
        when.strftime(r"%d\.%m\.%Y"),
        when.strftime("%m/%d/%Y"),
        rf"{number} (?:of )?{month} {when.year}",
        rf"{month} {number}(?: [\d:.]+)?(?: [a-z]{{3,4}})? {when.year}",
    )
    text = plain(answer).replace(",", "")
    return any(re.search(rf"(?<!\w){form}(?!\d)", text) for form in forms)

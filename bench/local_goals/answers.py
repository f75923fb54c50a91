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
NOT_A_COUNT = re.compile(r"\d{4}-\d{2}-\d{2}|\d{1,2}:\d{2}(?::\d{2})?|^\s*\d+[.)]\s+(?=\S)", re.MULTILINE)


def name_pattern(name: str) -> re.Pattern[str]:
    """`name` as a whole word: not a piece of a longer name, a folder before it is fine."""
    return re.compile(rf"(?<![\w.-]){re.escape(name)}(?![\w-]|\.\w)", re.IGNORECASE)


def names_in(answer: str, candidates: Collection[str]) -> set[str]:
    """The candidates that the answer names."""
    text = answer.replace("./", " ")
    return {name for name in candidates if name_pattern(name).search(text)}


def numbers_in(answer: str, paths: Collection[str]) -> list[float]:
    """The numbers that the answer gives; not those in file names, dates, times of day and list numbering.

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


def day_forms(iso: str) -> list[str]:
    """The usual ways to write a day, in the form `plain` gives and without commas."""
    when = date.fromisoformat(iso)
    forms = [iso, when.strftime("%Y/%m/%d"), when.strftime("%d.%m.%Y"), when.strftime("%m/%d/%Y")]
    for month in (when.strftime("%B").lower(), when.strftime("%b").lower()):
        for number in {str(when.day), f"{when.day:02d}", f"{when.day}th"}:
            forms += [f"{number} {month} {when.year}", f"{month} {number} {when.year}"]
    return forms

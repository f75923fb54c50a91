"""An archival passage: one fact, who said it, where, from when until when, and what became of it.

Its text never changes. What is no longer so is closed with a date, and what contradicts it stands beside it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from enum import StrEnum

from llmos.core.core_block import FIRST_STRENGTH, USER
from llmos.core.dataclass import dataclass
from llmos.core.goal import slug
from llmos.core.memory_text import fingerprint


class PassageState(StrEnum):
    """SUPERSEDED: a later one took its place. DISPUTED: another says otherwise. RETRACTED: it was never right."""

    CURRENT = "current"
    SUPERSEDED = "superseded"
    DISPUTED = "disputed"
    RETRACTED = "retracted"


HOLDING = (PassageState.CURRENT, PassageState.DISPUTED)


@dataclass(frozen=True, slots=True)
class Source:
    """A message (`session:seq`) that says so, and its words."""

    message: str
    quote: str = ""


@dataclass(frozen=True, slots=True)
class Passage:
    """One archival passage. Times are UTC in ISO 8601; `valid_from` and `valid_to` may be a day."""

    id: str
    text: str
    by: str = USER
    subject: str = ""
    attribute: str = ""
    sources: tuple[Source, ...] = ()
    valid_from: str = ""
    valid_to: str = ""
    """Empty while it holds."""
    recorded_at: str = ""
    supersedes: tuple[str, ...] = ()
    disputes: tuple[str, ...] = ()
    """Passages that say otherwise."""
    state: PassageState = PassageState.CURRENT
    strength: float = FIRST_STRENGTH
    block: str = ""
    """The core block that it is proposed to while there was no room for it; empty for none."""
    project: str = ""
    """The folder that it is about; empty for everywhere."""
    asked: str = ""
    """When the person was asked which of the disputed ones holds; empty before that."""

    @property
    def since(self) -> str:
        """The day from which it holds, as far as is known."""
        return (self.valid_from or self.recorded_at)[:10]

    def held_on(self, day: str) -> bool:
        """Whether it was so on a day (ISO 8601), as far as is known; what was taken back never was."""
        return (
            self.state is not PassageState.RETRACTED
            and self.since <= day
            and (not self.valid_to or day < self.valid_to)
        )

    @property
    def dated(self) -> str:
        """The text with its time and standing, for a person or a model."""
        match self.state:
            case PassageState.SUPERSEDED:
                return f"{self.text} (until {self.valid_to[:10] or 'a later one'})"
            case PassageState.DISPUTED:
                return f"{self.text} (said {self.since}; disputed)"
            case PassageState.RETRACTED:
                return f"{self.text} (taken back {self.valid_to[:10]})".replace(" )", ")")
        return f"{self.text} (since {self.since})" if self.since else self.text


def passage_id(text: str) -> str:
    """A readable piece of the text and 8 hex digits; the same words always give the same id."""
    return f"{slug(text)}-{hashlib.sha256(fingerprint(text).encode()).hexdigest()[:8]}"


def standing(passages: Iterable[Passage]) -> list[Passage]:
    """The passages with what follows from each other, also where a crash came before it was written into their files.

    One that a later one supersedes is closed; a disputed one holds when nothing that stands against it holds still.
    """
    found = list(passages)
    closed: dict[str, str] = {}
    for passage in found:
        if passage.state is not PassageState.RETRACTED:
            for old in passage.supersedes:
                closed[old] = max(closed.get(old, ""), passage.valid_from or passage.recorded_at)
    after = [
        replace(passage, state=PassageState.SUPERSEDED, valid_to=passage.valid_to or closed[passage.id])
        if passage.id in closed and passage.state in HOLDING
        else passage
        for passage in found
    ]
    holding = {passage.id for passage in after if passage.state in HOLDING}
    against = {passage.id for passage in after for other in passage.disputes if other in holding}
    against |= {other for passage in after if passage.id in holding for other in passage.disputes}
    return [
        replace(passage, state=PassageState.CURRENT)
        if passage.state is PassageState.DISPUTED and passage.id not in against
        else passage
        for passage in after
    ]

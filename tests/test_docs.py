"""What holds of all documents: links lead somewhere, decisions have the number of their file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
PAGES = sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")])
DECISIONS = sorted((REPOSITORY / "docs" / "decisions").glob("[0-9]*.md"))


def broken_links(text: str, folder: Path) -> Iterator[str]:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if not target.startswith("http") and not (folder / target).exists():
            yield target


def test_links_lead_somewhere() -> None:
    found = {page.name: list(broken_links(page.read_text("utf-8"), page.parent)) for page in PAGES}
    assert {name: links for name, links in found.items() if links} == {}


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.md").touch()
    text = "[a](a.md) [b](b.md#part) [c](../nowhere/c.md) [d](https://example.org/d)"
    assert list(broken_links(text, tmp_path)) == ["b.md", "../nowhere/c.md"]


def test_decisions_are_headed_by_the_number_of_their_file_and_have_one_each() -> None:
    numbers = [page.name[:4] for page in DECISIONS]
    assert len(numbers) > 20 and sorted(set(numbers)) == numbers
    assert [page.read_text("utf-8").split()[:2] for page in DECISIONS] == [["#", number] for number in numbers]

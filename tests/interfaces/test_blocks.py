"""Text that streams: cut into blocks, and rendered without hiding anything."""

from __future__ import annotations

import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.console import Console

from llmos.interfaces.blocks import Blocks
from llmos.interfaces.markdown_view import block_view, is_markdown

ANSWER = """The report has **3** parts:

- first
- second

```python
one = 1

two = 2
```
Done.
"""


def cut(text: str, size: int) -> list[str]:
    blocks = Blocks()
    found = [block for at in range(0, len(text), size) for block in blocks.feed(text[at : at + size])]
    return [*found, *filter(None, [blocks.end()])]


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_block_ends_at_a_blank_line_or_a_closing_fence(size: int) -> None:
    assert cut(ANSWER, size) == [
        "The report has **3** parts:",
        "- first\n- second",
        "```python\none = 1\n\ntwo = 2\n```",
        "Done.",
    ]


@given(st.text(alphabet="ab `~\n*-", max_size=200), st.integers(1, 50))
def test_the_pieces_do_not_matter_and_nothing_is_lost(text: str, size: int) -> None:
    whole = cut(text, max(1, len(text)))
    assert cut(text, size) == whole
    assert "".join("\n".join(whole).split()) == "".join(text.split())


def shown(block: str, width: int = 60) -> list[str]:
    console = Console(file=io.StringIO(), width=width, color_system=None, force_terminal=False, _environ={})
    console.print(block_view(block))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_markdown_is_rendered_and_other_text_is_as_it_is() -> None:
    assert {block: shown(block) for block in ("# Result", "- a\n- b", "| x | y |\n|---|---|\n| 1 | 2 |")} == {
        "# Result": ["Result"],
        "- a\n- b": [" • a", " • b"],
        "| x | y |\n|---|---|\n| 1 | 2 |": [" x  y", " ────", " 1  2"],
    }
    assert shown("```diff\n- old\n+ new\n```") == [" - old", " + new"]
    assert shown("a.txt\nb.txt  2*3*4 __init__.py <tag>") == ["a.txt", "b.txt  2*3*4 __init__.py <tag>"]


words = st.text(alphabet="abc_*<>&[]()!~\\.#|/", min_size=1, max_size=12)


@given(st.lists(st.lists(words, min_size=1, max_size=5).map(" ".join), min_size=1, max_size=4))
@example([r"**\< <**"])
@example(["**a `<b>` <c> _d_**"])
def test_in_a_block_with_marks_every_other_character_is_seen(lines: list[str]) -> None:
    block = "\n".join([f"x {line} x" for line in lines] + ["`sign of code`"])
    assert is_markdown(block)
    seen = "".join("".join(shown(block, 200)).split())
    # Strong words lose their stars; nothing else goes.
    assert seen.replace("*", "") == "".join(block.split()).replace("*", "").replace("`", "")

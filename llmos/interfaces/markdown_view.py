"""What a model wrote, as a person reads it: Markdown rendered where it is Markdown, everything else as it is.

Invariant: no character is hidden but the marks that are rendered. Names such as `__init__.py` and `*.txt`, line
breaks, `<tags>` and addresses stay what they are.
"""

from __future__ import annotations

import re

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.segment import Segment
from rich.text import Text

_SIGNS = re.compile(
    r"""^\ {0,3}\#{1,6}\ \S          # a heading
      | ^\ *(?:[-+]|\d{1,9}[.)])\ \S # an item of a list
      | ^\ {0,8}(?:`{3,}|~{3,})      # code between fences
      | `[^`\n]+`                    # code in a line
      | \*\*\S(?:[^\n]*\S)?\*\*      # strong words
      | ^\ *\|?\ *:?-{3,}:?\ *\|     # the line below the head of a table
    """,
    re.MULTILINE | re.VERBOSE,
)
_FENCED = re.compile(r" {0,8}(`{3,}|~{3,})")
_CODE = re.compile(r"(`+)(?!`).*?(?<!`)\1(?!`)")
_STRONG = re.compile(r"\*\*(?=\S)(?:[^*\n]*[^*\s])?\*\*")
_LITERAL = re.compile(r"[\\_<&\[\]!*~]")


def is_markdown(block: str) -> bool:
    """Whether a block has a sign of Markdown that plain text seldom has."""
    return _SIGNS.search(block) is not None


def block_view(block: str, style: str = "") -> RenderableType:
    """The block for a terminal; `block` must be printable already."""
    if not is_markdown(block):
        return Text(block, style=style)
    from rich.markdown import Heading, Markdown

    class LeftHeading(Heading):
        """A heading where the text begins: rich's own stands in the middle."""

        def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
            self.text.justify = "left"
            yield self.text

    class Rendered(Markdown):
        elements = {**Markdown.elements, "heading_open": LeftHeading}  # noqa: RUF012 - as the class above declares it

    return _Trimmed(Rendered(_only_what_is_rendered(block), code_theme="ansi_dark", hyperlinks=False, style=style))


class _Trimmed:
    """Without the empty lines around it and the spaces at the ends of its lines: they are no part of a text."""

    def __init__(self, inner: RenderableType) -> None:
        self._inner = inner

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = [_stripped(line) for line in console.render_lines(self._inner, options, pad=False)]
        while lines and not lines[0]:
            del lines[0]
        while lines and not lines[-1]:
            del lines[-1]
        for line in lines:
            yield from line
            yield Segment.line()


def _stripped(line: list[Segment]) -> list[Segment]:
    kept = list(line)
    while kept and not kept[-1].text.strip():
        kept.pop()
    if kept:
        kept[-1] = kept[-1]._replace(text=kept[-1].text.rstrip())
    return kept


def _only_what_is_rendered(block: str) -> str:
    """The block with every mark escaped that would be taken away without being shown, and its line breaks kept."""
    lines: list[str] = []
    fence = ""
    for line in block.split("\n"):
        mark = _FENCED.match(line)
        if fence or mark:
            lines.append(line)
            if mark:
                fence = "" if fence and mark[1].startswith(fence) else fence or mark[1]
            continue
        lines.append(_escaped(line) + ("" if "|" in line else "  "))
    return "\n".join(lines).rstrip(" ")


def _escaped(line: str) -> str:
    """One line: code and strong words as they are, what else has a meaning in Markdown escaped."""
    indent = len(line) - len(line.lstrip())
    bullet = re.match(r"[*+-] |\d{1,9}[.)] |#{1,6} ", line[indent:])
    start = indent + (bullet.end() if bullet else 0)
    made, at = [line[:start]], start
    for kept in _kept(line, start, (_CODE, _STRONG)):
        made += [_literal(line[at : kept.start()]), kept.group() if kept.re is _CODE else _strong(kept.group())]
        at = kept.end()
    return "".join([*made, _literal(line[at:])])


def _strong(words: str) -> str:
    """Strong words with their stars: what else has a meaning in them is escaped, but for code."""
    inner, made, at = words[2:-2], ["**"], 0
    for code in _kept(inner, 0, (_CODE,)):
        made += [_literal(inner[at : code.start()]), code.group()]
        at = code.end()
    return "".join([*made, _literal(inner[at:]), "**"])


def _literal(text: str) -> str:
    return _LITERAL.sub(r"\\\g<0>", text)


def _kept(line: str, start: int, patterns: tuple[re.Pattern[str], ...]) -> list[re.Match[str]]:
    found: list[re.Match[str]] = []
    at = start
    while at < len(line):
        matches = [match for match in (pattern.search(line, at) for pattern in patterns) if match]
        if not matches:
            break
        first = min(matches, key=lambda match: match.start())
        found.append(first)
        at = first.end()
    return found

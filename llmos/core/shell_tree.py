"""The syntax tree of a bash text, as the port of the parser gives it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from llmos.core.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Node:
    """A piece of the syntax tree of a bash text, from character to character."""

    kind: str
    start: int
    end: int
    children: tuple[Node, ...] = ()


ParseShell: TypeAlias = Callable[[bytes], Node]
"""The port of the parser. It is given ASCII, a letter X in place of each other character, which in bash too is nothing
but a part of a word. Errors in the text are nodes of the kind ERROR or MISSING."""


def no_parser(_: bytes) -> Node:
    """In place of a parser: nothing is understood, so everything that needs one is asked about."""
    return Node("ERROR", 0, 0)


def adjoining(node: Node) -> bool:
    """Whether nothing stands between the children."""
    return all(left.end == right.start for left, right in zip(node.children, node.children[1:], strict=False))

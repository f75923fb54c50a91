"""tree-sitter-bash behind the ParseShell port. Importing it takes about 16 ms, so only a command that needs it does."""

from __future__ import annotations

from functools import cache

import tree_sitter
import tree_sitter_bash

from llmos.core.shell_tree import Node


@cache
def _parser() -> tree_sitter.Parser:
    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_bash.language()))


def parse_bash(source: bytes) -> Node:
    """The syntax tree of a bash text; what is wrong in it are nodes of the kind ERROR or MISSING.

    Only ASCII is taken: the grammar's scanner asks the C library's tables of characters for letters far beyond their
    end, which ended the process now and then.
    """
    if not source.isascii():
        raise ValueError("the parser is given ASCII only")
    cursor = _parser().parse(source).walk()
    # Without recursion: a text may be nested as deeply as it likes.
    open_nodes: list[tuple[str, int, int, list[Node]]] = []
    while True:
        found = cursor.node
        assert found is not None
        kind = "MISSING" if found.is_missing else found.type
        open_nodes.append((kind, found.start_byte, found.end_byte, []))
        if cursor.goto_first_child():
            continue
        while True:
            kind, start, end, children = open_nodes.pop()
            made = Node(kind, start, end, tuple(children))
            if not open_nodes:
                return made
            open_nodes[-1][3].append(made)
            if cursor.goto_next_sibling():
                break
            cursor.goto_parent()

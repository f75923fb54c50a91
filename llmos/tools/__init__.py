"""The tool declaration and the built-in tools."""

from __future__ import annotations

from llmos.core.tool import Tool


def builtin_tools() -> dict[str, Tool]:
    """The tools that come with llmos, by name, in the order in which a model is told of them."""
    from llmos.tools.files import edit_file, list_files, read_file, write_file
    from llmos.tools.search import search_files
    from llmos.tools.shell import shell

    tools = (shell, read_file, write_file, edit_file, list_files, search_files)
    return {tool.spec.name: tool for tool in tools}

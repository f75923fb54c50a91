"""The tool declaration and the built-in tools."""

from __future__ import annotations

from llmos.core.tool import Tool


def builtin_tools() -> dict[str, Tool]:
    """The tools that come with llmos, by name, in the order in which a model is told of them."""
    from llmos.tools.delegate import delegate
    from llmos.tools.files import edit_file, list_files, read_file, write_file
    from llmos.tools.memory import archival_memory_add, core_memory_edit, memory_search
    from llmos.tools.search import search_files
    from llmos.tools.shell import shell

    files = (shell, read_file, write_file, edit_file, list_files, search_files)
    tools = (*files, memory_search, core_memory_edit, archival_memory_add, delegate)
    return {tool.spec.name: tool for tool in tools}

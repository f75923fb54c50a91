"""The tool declaration and the built-in tools."""

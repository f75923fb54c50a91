"""llmos: an agent shell that pays for reasoning once."""

__version__ = "0.1.0"

"""The ways in: dispatcher, command line, REPL, rendering."""

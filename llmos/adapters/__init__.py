"""The outside: one third-party package a file, each behind a port of core/ports.py."""

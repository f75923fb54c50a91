"""Values and decisions. Standard library only; no I/O, clock, randomness or await."""

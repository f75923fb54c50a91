"""Pairs of a saved goal and a new one, carried out in throw-away directories and judged by what is left there."""

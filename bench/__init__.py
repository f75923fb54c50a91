"""Measurements of llmos, each beside its baselines. Not part of the installed package."""

"""Pairs of a done job and another goal, in domains beyond the goal-matching benchmark."""

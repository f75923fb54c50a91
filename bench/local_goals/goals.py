"""All local goals, half for development and half held out.

The split was fixed when the goals were written, kind by kind, before anybody tuned anything. Tune on "dev" only;
"held-out" is run to report. "later" are goals that were written for tuning afterwards; they stand in no figure of the
two halves.
"""

from __future__ import annotations

from bench.local_goals.build import Attempt, LocalGoal, Split
from bench.local_goals.goals_edit import EDITS
from bench.local_goals.goals_facts import FACTS
from bench.local_goals.goals_files import FILES
from bench.local_goals.goals_find import FIND
from bench.local_goals.goals_later import LATER
from bench.local_goals.goals_packs import PACKS
from bench.local_goals.goals_repos import REPOS
from bench.local_goals.goals_tables import TABLES
from bench.local_goals.goals_text import TEXT

__all__ = ["Attempt", "LocalGoal", "Split", "later_goals", "load_goals"]


def load_goals() -> list[LocalGoal]:
    """Every goal, in a fixed order; ids are unique."""
    return [*FIND, *FACTS, *FILES, *PACKS, *EDITS, *TEXT, *TABLES, *REPOS]


def later_goals() -> list[LocalGoal]:
    return list(LATER)

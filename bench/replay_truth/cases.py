"""All jobs of the bench."""

from __future__ import annotations

from bench.replay_truth.cases_classes import JOBS as CLASSES
from bench.replay_truth.cases_files import JOBS as FILES
from bench.replay_truth.cases_more import JOBS as MORE
from bench.replay_truth.cases_services import JOBS as SERVICES
from bench.replay_truth.cases_text import JOBS as TEXT
from bench.replay_truth.cases_trees import JOBS as TREES
from bench.replay_truth.cases_words import JOBS as WORDS

JOBS = (*FILES, *TEXT, *TREES, *WORDS, *SERVICES, *MORE, *CLASSES)

"""Words that no command takes: what is meant, in plain words, and the way out."""

from __future__ import annotations

import pytest
from cli_world import Llmos

from llmos.interfaces.usage_words import with_verb


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("count", "the", "lines"), "no such command: count; to carry out a goal write: llmos run 'count the lines'"),
        (("count it",), "no such command: count it; to carry out a goal write: llmos run 'count it'"),
        (("-p", "count it"), "no such option: -p; to carry out a goal write: llmos run 'count it'"),
        (("--mod", "x"), "no such option: --mod; did you mean --mode or --model?"),
        (
            ("--mode", "trusted", "run", "x"),
            "--mode stands alone, or after a command that works on goals: llmos run --mode …",
        ),
        (
            ("--offline", "traces"),
            "--offline stands alone, or after a command that works on goals: llmos run --offline …",
        ),
        (
            ("run", "--mode", "bogus", "x"),
            "invalid value for '--mode': 'bogus' is not one of 'read-only', 'ask', 'accept-edits', 'trusted'; "
            "`llmos run --help` shows what it takes",
        ),
        (
            ("run", "--max-cost", "much", "x"),
            "invalid value for '--max-cost': it must be a number; `llmos run --help` shows what it takes",
        ),
        (
            ("run", "--max-steps", "0", "x"),
            "invalid value for '--max-steps': it must be at least 1; `llmos run --help` shows what it takes",
        ),
        (("traces", "list", "x"), "too many words: x; `llmos traces list --help` shows what it takes"),
        (("traces", "inspect", "x"), "there is no saved run 'x'; `llmos traces list` shows them"),
        (
            ("config", "set", "tiers", "1"),
            "unknown setting tiers; it is a group, name one of tiers.core_every, tiers.archival_every, "
            "tiers.recall_stability, tiers.core_stability, tiers.archival_stability, tiers.recall_base_rate, "
            "tiers.core_base_rate, tiers.archival_base_rate, tiers.update_usd, tiers.update_s",
        ),
    ],
)
def test_one_plain_sentence_with_the_way_out(words: tuple[str, ...], sentence: str, llmos: Llmos) -> None:
    ended = llmos(*words)
    assert (ended.out, ended.err.splitlines()[-1]) == ("", f"llmos: {sentence}")


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["traces"], ["traces", "list"]),
        (["config", "--json"], ["config", "show", "--json"]),
        (["--workspace", "traces", "memory"], ["--workspace", "traces", "memory", "list"]),
        (["traces", "--help"], ["traces", "--help"]),
        (["traces", "prune"], ["traces", "prune"]),
        (["run", "traces"], ["run", "traces"]),
        (["doctor"], ["doctor"]),
        ([], []),
    ],
)
def test_a_group_without_a_verb_lists(words: list[str], meant: list[str]) -> None:
    assert with_verb(words) == meant


def test_a_bare_group_does_what_its_list_does(llmos: Llmos, kept: str) -> None:
    for group, verb in (("traces", "list"), ("sessions", "list"), ("memory", "list"), ("config", "show")):
        assert llmos(group) == llmos(group, verb) and llmos(group).code == 0

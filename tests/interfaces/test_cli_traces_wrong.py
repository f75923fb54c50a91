"""`llmos traces wrong` and `llmos traces check` as a person meets them, on real replays and transcripts."""

from __future__ import annotations

import json
import os
import sqlite3
from pathlib import Path

from cli_world import COUNT, Ended, Llmos

from llmos.core.errors import ExitStatus


def mode_of(llmos: Llmos) -> str:
    return str(json.loads(llmos("run", "--dry-run", "-o", "json", COUNT).out)["mode"])


def test_the_last_replay_is_named_asked_about_and_never_made_again(kept: str, llmos: Llmos) -> None:
    assert json.loads(llmos("run", "-y", "-o", "json", COUNT).out)["mode"] == "FOLLOWER"
    asked = llmos("traces", "wrong")
    assert (asked.code, asked.out) == (ExitStatus.DENIED, "")
    assert f" of {kept} wrong for '{COUNT}'? --yes answers it" in asked.err
    assert mode_of(llmos) == "FOLLOWER"
    assert llmos("traces", "wrong", "--yes", "--reason", "too few") == Ended(
        0, "", f"llmos: {kept} is never replayed again for '{COUNT}'; what it did stays done\n"
    )
    assert mode_of(llmos) != "FOLLOWER"
    when, trace, goal, reason = llmos("traces", "wrong", "--list").out.rstrip("\n").split("\t")
    assert (trace, goal, reason) == (kept, COUNT, "too few")
    assert f"blocked     for '{COUNT}', since {when[:10]}: too few" in llmos("traces", "inspect", kept).out


def test_the_verdicts_are_a_regression_test(kept: str, llmos: Llmos) -> None:
    assert llmos("traces", "check") == Ended(0, "", "llmos: no replay was called wrong yet\n")
    llmos("traces", "wrong", kept, "--yes")
    checked = llmos("traces", "check")
    assert (checked.code, checked.err) == (0, "llmos: all 1 replays that were called wrong are refused\n")
    assert checked.out.startswith(f"refused  {kept}  '{COUNT}': {kept} not replayed: wrong: a person called")
    index = sqlite3.connect(Path(os.environ["LLMOS_HOME"]) / ".llmos/traces.sqlite")
    index.executescript("delete from wrong; delete from outcomes;")
    index.close()
    failed = llmos("traces", "check")
    assert (failed.code, failed.out.split()[0]) == (ExitStatus.FAILED, "REPLAYED")
    assert "1 of 1 replays that were called wrong would be made again; delete " in failed.err


def test_what_cannot_be_meant_is_said(llmos: Llmos) -> None:
    nothing = llmos("traces", "wrong", "--yes")
    assert (nothing.code, nothing.err) == (
        ExitStatus.BAD_USAGE,
        "llmos: no replay is on record here; `llmos traces wrong ID --goal TEXT` says which one was wrong\n",
    )
    assert llmos("traces", "wrong", "--goal", "x", "--yes").code == ExitStatus.BAD_USAGE
    assert "there is no saved run 'nosuch'" in llmos("traces", "wrong", "nosuch", "--yes").err

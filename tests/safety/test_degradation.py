"""On a poorer machine there is the right tier or a refusal, and never a command that nothing holds."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cli_world import COUNTED

from llmos.testing import FakeMessagesServer

POORER = Path(__file__).parent / "poorer.py"
FIND = """
import pathlib, tempfile
from llmos.adapters.sandbox import find_sandbox
from llmos.memory.private_folder import PrivateFolder
private = PrivateFolder()
print(find_sandbox(private.path).tier.name)
private.remove()
"""


def machine(case: str, *words: str, bwrap: str | None = None, **options: object) -> subprocess.CompletedProcess[str]:
    """Run words on a machine like that; `bwrap` is a script in the place of the real one, which takes root."""
    start = [sys.executable, str(POORER), case, *words]
    if bwrap is not None:
        hide = f'mount --bind {bwrap} $(readlink -f $(command -v bwrap)) && exec "$@"'
        start = ["unshare", "--mount", "sh", "-c", hide, "sh", *start]
    return subprocess.run(start, capture_output=True, text=True, timeout=60, check=False, **options)  # type: ignore[call-overload,no-any-return]


def tier(case: str, **options: str) -> str:
    ended = machine(case, sys.executable, "-c", FIND, **options)
    assert ended.stderr == ""
    return ended.stdout.strip()


def best() -> str:
    return tier("as-it-is")


@pytest.mark.parametrize(
    ("case", "expected"),
    [("container", "landlock"), ("nothing", "none"), ("no-seccomp", "none")],
)
def test_what_is_left_is_found(case: str, expected: str) -> None:
    assert best() in ("bubblewrap", "landlock"), "no sandbox tier works on this machine"
    assert tier(case) == expected


def test_without_landlock_bubblewrap_is_enough() -> None:
    expected = "bubblewrap" if best() == "bubblewrap" else "none"
    assert tier("no-landlock") == expected


@pytest.mark.parametrize("script", ["exit 1", 'while [ "$1" != -- ]; do shift; done; shift; exec "$@"', None])
def test_a_bubblewrap_that_fails_or_holds_nothing_is_none(tmp_path: Path, script: str | None) -> None:
    """The second one starts the command and isolates nothing: a version number would have believed it."""
    if os.geteuid() != 0 or shutil.which("bwrap") is None:
        pytest.skip("needs root and bubblewrap: it puts another program in its place, in a mount namespace of its own")
    fake = tmp_path / "bwrap"
    if script is not None:
        fake.write_text(f"#!/bin/sh\n{script}\n")
        fake.chmod(0o755)
    assert tier("as-it-is", bwrap=str(fake) if script is not None else "/dev/null") == "landlock"


@pytest.mark.slow
class TestWithoutAnyTier:
    """The command line on a machine that can hold nothing."""

    @pytest.fixture
    def place(self, tmp_path: Path, api: FakeMessagesServer) -> Path:
        work = tmp_path / "work"
        work.mkdir(exist_ok=True)
        (work / "notes.txt").write_text("a\nb\nc\n")
        return work

    def llmos(self, case: str, place: Path, *words: str) -> tuple[int, dict[str, object], str]:
        ended = machine(case, sys.executable, "-m", "llmos", *words, cwd=place, env=dict(os.environ))
        return ended.returncode, json.loads(ended.stdout) if ended.stdout.strip() else {}, ended.stderr

    def test_nothing_runs_unattended_unless_the_risk_is_named(self, place: Path, api: FakeMessagesServer) -> None:
        goal = ("-o", "json", "count the lines of notes.txt")
        api.add(*COUNTED)
        code, result, said = self.llmos("nothing", place, "run", "--yes", *goal)
        assert code == 12
        assert result["outcome"] == "denied"
        assert "no sandbox holds commands on this machine" in said and "--unsafe-no-sandbox" in said
        api.add(*COUNTED)
        code, result, _ = self.llmos("nothing", place, "run", "--yes", "--unsafe-no-sandbox", *goal)
        assert (code, result["outcome"], result["answer"]) == (0, "ok", "3")
        # What was learned is replayed where commands are held, and not where they are not.
        code, result, _ = self.llmos("as-it-is", place, "run", "--yes", "--offline", *goal)
        assert (code, result["mode"]) == (0, "FOLLOWER")
        code, result, said = self.llmos("nothing", place, "run", "--yes", "--offline", *goal)
        assert code == 11
        assert "nothing is replayed without one" in said + json.dumps(result)

    def test_several_tasks_end_with_the_same_code(self, place: Path, api: FakeMessagesServer) -> None:
        api.add(*COUNTED)
        goal = "1. count the lines of notes.txt\n2. then count the words of notes.txt"
        code, result, _ = self.llmos("nothing", place, "run", "--yes", "-o", "json", goal)
        assert (code, result["outcome"], result["mode"]) == (12, "denied", "ORCHESTRATOR")

    def test_required_is_refused_at_once(self, place: Path) -> None:
        home = Path(os.environ["LLMOS_HOME"])
        home.mkdir(parents=True, exist_ok=True)
        (home / "config.yaml").write_text("format: llmos-config/1\nsandbox: {mode: required}\n")
        code, _, said = self.llmos("nothing", place, "run", "--yes", "count the lines of notes.txt")
        assert code == 12
        assert "sandbox.mode is required" in said and "install bubblewrap" in said

    def test_doctor_says_so(self, place: Path) -> None:
        ended = machine("nothing", sys.executable, "-m", "llmos", "doctor", cwd=place, env=dict(os.environ))
        assert "WARN sandbox" in ended.stdout.replace("warn", "WARN")
        assert "nothing here can hold commands back" in " ".join(ended.stdout.split())

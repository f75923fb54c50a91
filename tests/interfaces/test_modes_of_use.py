"""--dry-run, --offline, --freeze and --explain, through the real command line, SDK and tools."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cli_world import COUNT, COUNTED, Llmos

from llmos.core.errors import ExitStatus
from llmos.core.events import Mode, PlanMade, PlannedStep
from llmos.core.tool import Effect
from llmos.interfaces.plan_view import plan_diff
from llmos.testing import FakeMessagesServer, reply, text, tool_use

pytestmark = pytest.mark.slow

UTILS = "Create a Python file called utils.py containing 'x = 1'"
HELPERS = "Create a Python file called helpers.py containing 'y = 2'"
MADE = (
    reply(tool_use("write_file", {"path": "utils.py", "content": "x = 1\n"})),
    reply(text("Created utils.py.")),
)


@pytest.fixture
def home(work: Path) -> Path:
    return Path(os.environ["LLMOS_HOME"])


@pytest.fixture
def utils(llmos: Llmos, api: FakeMessagesServer, work: Path) -> str:
    """The id of a trace that writes utils.py; the file is gone again."""
    api.add(*MADE)
    kept = json.loads(llmos("run", "-y", "-o", "json", UTILS).out)["kept"]
    (work / "utils.py").unlink()
    return str(kept)


def tree(*folders: Path) -> dict[str, str]:
    """Every file and folder with its time and content."""
    found = {}
    for folder in folders:
        for path in [folder, *sorted(folder.rglob("*"))]:
            content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
            found[str(path)] = f"{path.lstat().st_mtime_ns} {path.lstat().st_mode} {content}"
    return found


class TestDryRun:
    def test_the_calls_stand_beside_what_was_recorded(self, llmos: Llmos, utils: str, work: Path) -> None:
        ended = llmos("run", "--dry-run", HELPERS)
        assert ended.code == 0
        assert ended.out == (
            f"--- recorded {utils}\n"
            "+++ to be run\n"
            "@@ step 1: write_file (writes files) @@\n"
            "-path: utils.py\n"
            "+path: helpers.py\n"
            "-content: x = 1\n"
            "+content: y = 2\n"
        )
        assert not (work / "helpers.py").exists()

    def test_the_same_goal_differs_in_nothing(self, llmos: Llmos, kept: str) -> None:
        ended = llmos("run", "--dry-run", COUNT)
        assert ended.out == (
            f"--- recorded {kept}\n+++ to be run\n@@ step 1: shell (runs a command) @@\n command: wc -l < notes.txt\n"
        )

    def test_nothing_is_asked_of_a_model_and_no_call_would_be_replayed(
        self, llmos: Llmos, api: FakeMessagesServer
    ) -> None:
        ended = llmos("run", "--dry-run", COUNT)
        assert (ended.code, ended.out, api.bodies) == (0, "", [])
        assert ended.err.splitlines()[0] == "working it out · LEARNER"


class TestOffline:
    """With a key in the environment and the judge switched on, no request ever leaves."""

    @pytest.fixture(autouse=True)
    def judge(self, home: Path) -> None:
        home.mkdir(parents=True, exist_ok=True)
        (home / "config.yaml").write_text("format: llmos-config/1\nmatching: {judge: true}\n")

    def test_a_saved_run_is_replayed(self, llmos: Llmos, utils: str, api: FakeMessagesServer, work: Path) -> None:
        before = len(api.bodies)
        ended = llmos("run", "-y", "--offline", "-o", "stream-json", HELPERS)
        events = [json.loads(line) for line in ended.out.splitlines()]
        assert (ended.code, len(api.bodies) - before) == (0, 0)
        assert [event["event"] for event in events if "model" in event["event"]] == []
        assert (events[-1]["mode"], events[-1]["outcome"], events[-1]["model_calls"]) == ("FOLLOWER", "ok", 0)
        assert (work / "helpers.py").read_text() == "y = 2\n"

    @pytest.mark.parametrize("goal", ["count the words of notes.txt", "sing a song", "which file is the largest"])
    def test_without_one_it_fails_with_a_reason_and_its_own_code(
        self, llmos: Llmos, utils: str, api: FakeMessagesServer, goal: str
    ) -> None:
        before = len(api.bodies)
        ended = llmos("run", "-y", "--offline", "-o", "json", goal)
        told = json.loads(ended.out)
        assert (ended.code, len(api.bodies) - before) == (ExitStatus.OFFLINE, 0)
        assert (told["outcome"], told["model_calls"], told["cost_usd"]) == ("failed", 0, 0.0)
        assert (
            told["reason"]
            == f"no saved run may be replayed ({told['reasons'][0]}), and --offline forbids asking a model"
        )

    def test_a_replay_that_stops_is_not_continued(self, llmos: Llmos, api: FakeMessagesServer, work: Path) -> None:
        api.add(reply(tool_use("shell", {"command": "cat *.txt | wc -l"})), reply(text("3")))
        goal = "how many lines do the text files have"
        assert llmos("run", "-y", goal).code == 0
        (work / "notes.txt").unlink()
        before = len(api.bodies)
        ended = llmos("run", "-y", "--offline", "-o", "json", goal)
        assert (ended.code, len(api.bodies) - before) == (ExitStatus.DIVERGED, 0)
        assert json.loads(ended.out)["reason"].endswith("; --offline forbids asking a model")

    def test_the_check_can_fail(self, llmos: Llmos, utils: str, api: FakeMessagesServer) -> None:
        before = len(api.bodies)
        api.add(*[reply(text('{"reason": "", "confidence": 0.1}'))] * 2, *COUNTED)
        llmos("run", "-y", COUNT)
        assert len(api.bodies) > before


class TestFreeze:
    """The workspace is the same after it, byte for byte and second for second."""

    def check(self, llmos: Llmos, folders: tuple[Path, ...], *words: str) -> dict[str, object]:
        before = tree(*folders)
        ended = llmos("run", "-y", "-o", "json", *words)
        assert tree(*folders) == before
        told: dict[str, object] = json.loads(ended.out)
        return told

    def test_a_replay_counts_for_nothing(self, llmos: Llmos, utils: str, home: Path, work: Path) -> None:
        told = self.check(llmos, (home,), "--freeze", HELPERS)
        assert (told["mode"], told["outcome"]) == ("FOLLOWER", "ok")
        assert (work / "helpers.py").exists()

    def test_copies_of_changed_files_are_kept_elsewhere_and_go_with_the_session(
        self, api: FakeMessagesServer, home: Path, work: Path, tmp_path: Path
    ) -> None:
        temporary = tmp_path / "tmp"
        temporary.mkdir()
        api.add(reply(tool_use("shell", {"command": "sort -r -o notes.txt notes.txt"})), reply(text("Sorted.")))
        words = [sys.executable, "-m", "llmos", "run", "-y", "--freeze", "sort notes.txt backwards"]
        subprocess.run(words, env=os.environ | {"TMPDIR": str(temporary)}, check=True, capture_output=True)
        assert not home.exists()
        assert (work / "notes.txt").read_text() == "c\nb\na\n"
        assert list(temporary.iterdir()) == []

    def test_a_run_of_a_model_is_not_learned(
        self, llmos: Llmos, utils: str, api: FakeMessagesServer, home: Path
    ) -> None:
        api.add(*COUNTED)
        told = self.check(llmos, (home,), "--freeze", COUNT)
        assert (told["mode"], told["outcome"], told["kept"]) == ("LEARNER", "ok", None)

    def test_a_replay_that_stops_is_not_held_against_the_trace(
        self, llmos: Llmos, api: FakeMessagesServer, home: Path, work: Path
    ) -> None:
        api.add(reply(tool_use("shell", {"command": "cat *.txt | wc -l"})), reply(text("3")))
        goal = "how many lines do the text files have"
        assert llmos("run", "-y", goal).code == 0
        (work / "notes.txt").unlink()
        told = self.check(llmos, (home,), "--freeze", "--offline", goal)
        assert told["outcome"] == "diverged"

    def test_a_workspace_that_is_not_there_is_not_made(self, llmos: Llmos, api: FakeMessagesServer, home: Path) -> None:
        api.add(*COUNTED)
        assert llmos("run", "-y", "--freeze", COUNT).out == "3\n"
        assert not home.exists()

    def test_the_check_can_fail(self, llmos: Llmos, utils: str, home: Path) -> None:
        with pytest.raises(AssertionError):
            self.check(llmos, (home,), HELPERS)


class TestExplain:
    def test_every_gate_of_every_candidate(self, llmos: Llmos, utils: str, work: Path) -> None:
        (work / "helpers.py").write_text("")
        ended = llmos("run", "--dry-run", "--explain", HELPERS)
        lines = ended.err.splitlines()
        assert lines[0].startswith("adapting a saved run · MIXED, 91 % sure (never replayed so far) · about $0.0")
        assert lines[1:] == [
            f"  why: {utils} not replayed: precondition: helpers.py exists already",
            f"  guided by: {utils}",
            "  differs: values: utils.py is now helpers.py, x = 1 is now y = 2",
            "decision    MIXED, confidence 0.91; a replay needs 0.92 and every gate open, guidance 0.75",
            f"why         {utils} not replayed: precondition: helpers.py exists already",
            *[line for line in lines if line.startswith("differs")],
            *[line for line in lines if line.startswith("cost")],
            f"candidate 1 {utils}: guides the model",
            f"    goal    {UTILS}",
            *[
                line
                for line in lines
                if line.startswith("    sure    0.950 (never replayed so far); learning it cost ")
            ],
            "    open    goal: utils.py → helpers.py, x = 1 → y = 2",
            "    open    status: verified",
            "    open    origin: learned or approved here",
            "    open    context",
            "    open    tools: unchanged",
            "    CLOSED  precondition: helpers.py exists already",
            "    open    confidence: 0.95 is at least 0.92",
            "llmos: dry run: nothing was run and nothing was kept",
        ]

    def test_a_goal_like_nothing_else_says_so(self, llmos: Llmos, api: FakeMessagesServer) -> None:
        ended = llmos("run", "--dry-run", "--explain", "sing")
        assert ended.err.splitlines()[:5] == [
            "working it out · LEARNER",
            "  why: no saved run is like it",
            "decision    LEARNER, confidence 0.00; a replay needs 0.92 and every gate open, guidance 0.75",
            "why         no saved run is like it",
            "cost        not known: no saved run is like it",
        ]

    def test_json_carries_it(self, llmos: Llmos, utils: str) -> None:
        plan = json.loads(llmos("run", "--dry-run", "-o", "json", HELPERS).out)["plan"]
        assert plan["steps"] == [
            {
                "tool": "write_file",
                "args": {"path": "helpers.py", "content": "y = 2\n"},
                "recorded": {"path": "utils.py", "content": "x = 1\n"},
                "effect": "write",
            }
        ]
        (one,) = plan["considered"]
        assert (one["trace_id"], one["role"], [gate["open"] for gate in one["gates"]]) == (utils, "replay", [True] * 7)
        assert (plan["follower_from"], plan["mixed_from"]) == (0.92, 0.75)


def test_help_shows_the_modes_with_examples(llmos: Llmos) -> None:
    told = " ".join(llmos("run", "--help").out.split())
    for words in ("--dry-run", "--offline", "--freeze", "--explain", "exit code 11"):
        assert words in told


@pytest.mark.parametrize(
    ("recorded", "args", "lines"),
    [
        ({"a": "x"}, {"a": "x"}, [" a: x"]),
        ({"a": "x\ny\n"}, {"a": "x\nz\n"}, [" a: x", "-    y", "+    z"]),
        ({"a": "x\n"}, {"a": "x"}, [" a: x", "-    "]),
        ({"a": 1, "b": True}, {"a": 2}, ["-a: 1", "+a: 2", "-b: True"]),
        ({}, {"a": ["x"]}, ["+a: ['x']"]),
        ({"a": "? y"}, {"a": "- y"}, ["-a: ? y", "+a: - y"]),
    ],
)
def test_arguments_as_a_difference(recorded: dict[str, object], args: dict[str, object], lines: list[str]) -> None:
    step = PlannedStep(tool="t", args=args, recorded=recorded, effect=Effect.READ)
    plan = PlanMade(mode=Mode.FOLLOWER, confidence=1.0, trace_id="id", reasons=(), steps=(step,))
    assert plan_diff(plan) == ["--- recorded id", "+++ to be run", "@@ step 1: t (reads) @@", *lines]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_replay_that_was_cut_off_is_not_begun_anew(
    llmos: Llmos, api: FakeMessagesServer, work: Path, number: signal.Signals
) -> None:
    goal = "make one, then wait, then make three"
    (work / "nap").write_text("0")
    for command in ("mkdir one", "sleep $(head -1 n*p)", "mkdir three"):
        api.add(reply(tool_use("shell", {"command": command})))
    api.add(reply(text("Made one and three.")))
    assert llmos("run", "-y", goal).code == 0
    for name in ("one", "three"):
        (work / name).rmdir()
    (work / "nap").write_text("30")
    process = subprocess.Popen([sys.executable, "-m", "llmos", "run", "-y", goal], stderr=subprocess.PIPE)
    assert process.stderr is not None
    while b"sleep" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(number)
    process.communicate(timeout=60)
    (work / "one").rmdir()
    api.add(reply(text("Only one was made.")))
    told = json.loads(llmos("run", "-y", "-o", "json", goal).out)
    how_far = "1 of 3 steps done, step 2 unknown (shell: sleep $(head -1 n*p)), 1 not begun"
    assert told["mode"] == "MIXED"
    assert f"precondition: its replay was cut off before its end: {how_far}" in told["reasons"][0]
    words = str(api.bodies[-1]["messages"][0]["content"])
    assert f"A replay for this goal was cut off: {how_far}. Look at what is there before you go on" in words
    # Any other turn in between lifts it: what was half done is then long past.
    (work / "nap").write_text("0")
    assert json.loads(llmos("run", "--dry-run", "-o", "json", goal).out)["mode"] == "FOLLOWER"

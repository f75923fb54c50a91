"""Runs that went well and must not be replayed all the same, beside runs that may."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmos.core.events import Outcome
from llmos.core.learn import FinishedRun, trace_of
from llmos.core.replayable import obstacle, outside
from llmos.core.tool import Effect, FileChanges
from llmos.core.trace import AnswerTemplate, Learned, RunStep, TraceStatus
from llmos.memory.trace_files import read_trace

STARTERS = Path(__file__).parents[2] / "traces"
LEARNED = Learned("2026-11-22T00:00:00+00:00", "LEARNER", "m", 0.0, 1.0)
OUTSIDE = "which lies outside the working directory, where effects are not seen"


def shell(command: str, stdout: str = "", *, changes: FileChanges = FileChanges(), **more: Any) -> RunStep:
    facts: dict[str, Any] = {"reads": (), "ok": True, "exit_code": 0, "output": stdout, **more}
    return RunStep("shell", "v", {"command": command}, Effect.EXECUTE, stdout=stdout, changes=changes, **facts)


def write(path: str, content: str, **changes: tuple[str, ...]) -> RunStep:
    args = {"path": path, "content": content}
    return RunStep("write_file", "v", args, Effect.WRITE, (), True, None, "", "", FileChanges(**changes))


def why_not(goal: str, said: str, *steps: RunStep, shown: str = "") -> str:
    """The reason that a run which ended well is not replayable; empty when it is."""
    run = FinishedRun(goal, Outcome.OK, "", said, steps, "/home/me/work", shown=shown)
    header = trace_of(run, LEARNED).header
    assert (header.status is TraceStatus.VERIFIED) == (header.reason == "")
    return header.reason


MADE = FileChanges(created=("a.txt",))


@pytest.mark.parametrize(
    ("command", "place"),
    [
        ("ls | tee /tmp/list.txt", "/tmp/list.txt"),
        ("cp a.txt ~/b.txt", "~"),
        ("cp a.txt $HOME/", "$HOME"),
        ("cp a.txt ${HOME}/", "${HOME"),
        ("cat ../b.txt", ".."),
        ("cd .. && ls", ".."),
        ("cd; ls", "cd"),
        ("rm -rf /var/cache/x", "/var/cache/x"),
        ("x=/srv/data; ls $x", "/srv/data"),
        ("tar -C /opt -xf a.tar", "/opt"),
        ("sort a.txt>/tmp/x", "/tmp/x"),
        ("find / -name a", "/"),
        ("python3 -c \"open('/tmp/x', 'w')\"", "/tmp/x"),
        ("git --git-dir=/srv/repo log", "/srv/repo"),
        ("awk '/tmp/x' /nowhere/y", "/tmp/x"),
    ],
)
def test_a_place_outside_the_working_directory_is_seen(command: str, place: str) -> None:
    assert outside(command) == place


@pytest.mark.parametrize(
    "command",
    [
        "ls *.py 2>/dev/null | wc -l",
        "awk '/error/ {print $2}' a.log",
        "sed '/^#/d' a.txt",
        "sed -n '/start/,/end/p' a.txt",
        "awk '$1 ~ /foo/ && !/bar/' a.txt",
        "sed 's/a/b/g' a.txt",
        "tr '/' '_' < a.txt",
        "tr / _ < a.txt",
        "cut -d/ -f2 a.txt",
        "cut -d '/' -f2 a.txt",
        'for f in *\\ *; do mv -n "$f" "${f// /_}"; done',
        "mv src/a.py lib/a.py",
        "find . -name '*.py' -exec wc -l {} +",
        "curl -s https://example.org/tmp/x",
        "git diff main..topic",
        "for i in {1..5}; do touch day$i.md; done",
        "#!/bin/bash\nls",
        "/usr/bin/env python3 a.py",
        "echo $((10/2))",
        "sed -i '/^debug/s/^/# /' env.conf && cat env.conf",
        "sed -e 's/a b/ /g' -e '3s/x/ /' a.txt",
    ],
)
def test_what_stays_inside_is_not_taken_for_outside(command: str) -> None:
    assert outside(command) == ""


@given(st.text())
def test_looking_at_a_command_never_fails(command: str) -> None:
    outside(command)
    obstacle(command, command, AnswerTemplate("${1}", ()), [shell(command, command)], command)


COUNT = "how many python files are here?"


@pytest.mark.parametrize(
    ("goal", "said", "steps", "why"),
    [
        # effects that nobody sees
        (
            "list the files, also into a list",
            "a.txt",
            [shell("ls | tee /tmp/list.txt", "a.txt")],
            f"the command names '/tmp/list.txt', {OUTSIDE}",
        ),
        (
            "start the server of app.py",
            "Created server.log.",
            [shell("python3 app.py > server.log 2>&1 &", changes=FileChanges(created=("server.log",)))],
            "the command leaves something running in the background, which cannot be checked",
        ),
        (
            "create a.txt slowly",
            "Created a.txt.",
            [shell("(sleep 9; touch a.txt) & touch a.txt", changes=MADE)],
            "the command leaves something running in the background, which cannot be checked",
        ),
        # the day on which it was learned
        (
            "make a folder named after the current date",
            "Created 2026-11-22.",
            [shell("mkdir 2026-11-22", changes=FileChanges(created=("2026-11-22/",)))],
            "a call holds '2026-11-22', which may stand for the day on which it was learned",
        ),
        (
            "how many days are left in this year",
            "39",
            [shell("echo $(( ($(date -d 2026-12-31 +%s) - $(date -d 2026-11-22 +%s)) / 86400 ))", "39")],
            "a call holds '2026-12-31', which may stand for the day on which it was learned",
        ),
        (
            "which files are newer than yesterday",
            "a.txt",
            [shell("find . -newermt '2026-11-21'", "a.txt")],
            "a call holds '2026-11-21', which may stand for the day on which it was learned",
        ),
        (
            "commits in 2026 until today",
            "12",
            [shell("git rev-list --count --since=2026-01-01 --until=2026-11-22 HEAD", "12")],
            "a call holds '2026-01-01', which may stand for the day on which it was learned",
        ),
        (
            "write the weekday into a.txt",
            "Created a.txt.",
            [write("a.txt", "Sunday\n", created=("a.txt",))],
            "a call holds 'Sunday', which may stand for the day on which it was learned",
        ),
        # names that came from a look at the directory, not from the goal
        (
            "delete the log files",
            "Deleted a.log, b.log.",
            [shell("rm a.log b.log", reads=("a.log", "b.log"), changes=FileChanges(deleted=("a.log", "b.log")))],
            "a call names a.log, which the goal does not: another time it may be another file",
        ),
        (
            "how many lines do the python files have together",
            "30",
            [shell("cat a.py b.py | wc -l", "30", reads=("a.py", "b.py"))],
            "a call names a.py, which the goal does not: another time it may be another file",
        ),
        # an answer that nobody found out
        (
            COUNT,
            "There are 3 python files.",
            [shell("echo 3", "3")],
            "the answer stands in the commands themselves, so it was not found out",
        ),
        (
            COUNT,
            "3",
            [write("count.txt", "3\n", created=("count.txt",)), shell("cat count.txt", "3")],
            "the answer stands in the commands themselves, so it was not found out",
        ),
        (
            "which files are python files",
            "a.py\nb.py",
            [shell("printf 'a.py\\nb.py\\n'; printf 'a.py\nb.py\n'", "a.py\nb.py")],
            "the answer stands in the commands themselves, so it was not found out",
        ),
        # two outputs that hold the same value
        (
            "how many python files and how many text files are here",
            "3 python files and 3 text files",
            [shell("ls *.py | wc -l", "3"), shell("ls *.txt | wc -l", "3")],
            "which output the '3' of the answer comes from cannot be told",
        ),
        (
            "how many python files and how many text files are here",
            "3 python files and 3 text files",
            [shell("echo $(ls *.py | wc -l) $(ls *.txt | wc -l)", "3 3")],
            "which output the '3' of the answer comes from cannot be told",
        ),
        # words that judge
        (
            "are there more python files or more text files",
            "more python files: 5",
            [shell("ls *.py | wc -l", "5")],
            "the goal asks for a judgement, which outputs do not give",
        ),
        (
            "is the server in a.cfg up",
            "The server is up: 17",
            [shell("grep -c up a.cfg", "17")],
            "the goal asks for a judgement, which outputs do not give",
        ),
        (
            "are there more than 5 python files",
            "No, only 2.",
            [shell("ls *.py | wc -l", "2")],
            "the goal asks for a judgement, which outputs do not give",
        ),
        (
            "how many files contain x",
            "All 3 files contain x.",
            [shell("grep -l x * | wc -l", "3")],
            "the words of the answer claim more than its outputs show",
        ),
        (
            "which line of a.txt holds foo",
            "The first line: 17:foo",
            [shell("grep -n foo a.txt", "17:foo")],
            "the words of the answer claim more than its outputs show",
        ),
        (
            "when was a.txt written",
            "at 10:30",
            [shell("stat -c %Y a.txt | cut -c9-", "30")],
            "the answer held more than the outputs give",
        ),
        (
            "create a.txt and tell me how many lines b.txt has",
            "Created a.txt; b.txt has 3 lines.",
            [write("a.txt", "", created=("a.txt",)), shell("cat b.txt", "x\ny\nz", reads=("b.txt",))],
            "the answer held more than the outputs give",
        ),
        # a file that was replaced unread
        (
            "double the port in app.cfg",
            "Changed app.cfg.",
            [write("app.cfg", "port=16160\n", changed=("app.cfg",))],
            "app.cfg held something before that the run did not look at",
        ),
        (
            "double the port in app.cfg",
            "Changed app.cfg.",
            [shell("echo port=16160 > app.cfg", reads=("app.cfg",), changes=FileChanges(changed=("app.cfg",)))],
            "app.cfg held something before that the run did not look at",
        ),
        # what was not seen whole
        (
            "list the files of src",
            "a\nb",
            [shell("ls src", "a\nb", truncated=True)],
            "the output of shell was longer than is kept, so nothing may rest on it",
        ),
        (
            "build the project",
            "Created a.txt.",
            [shell("make", changes=FileChanges(), ok=False, exit_code=None), shell("touch a.txt", changes=MADE)],
            "shell was ended before its end",
        ),
    ],
)
def test_a_run_that_is_not_replayable(goal: str, said: str, steps: list[RunStep], why: str) -> None:
    assert why_not(goal, said, *steps) == why


@pytest.mark.parametrize(
    ("goal", "said", "steps"),
    [
        (COUNT, "There are 3 python files here.", [shell("ls *.py 2>/dev/null | wc -l", "3")]),
        ("how many lines does a.txt have?", "a.txt has 3 lines.", [shell("wc -l a.txt", "3 a.txt", reads=("a.txt",))]),
        ("what is the largest file", "The largest file is big.log.", [shell("ls -S | head -1", "big.log")]),
        ("what is the last commit", "The last commit is abc123.", [shell("git log -1 --format=%h", "abc123")]),
        ("does a.txt exist?", "yes", [shell("test -f a.txt && echo yes || echo no", "yes", reads=("a.txt",))]),
        ("list the files not touched since 1 June 2025", "a", [shell("find . ! -newermt '2025-06-01'", "a")]),
        ("create a.txt containing hello", "Created a.txt.", [write("a.txt", "hello", created=("a.txt",))]),
        ("show me the readme", "# Title\ntext", [shell("cat README.md", "# Title\ntext", reads=("README.md",))]),
        (
            "rename all .jpeg files to .jpg",
            "Renamed a.jpeg to a.jpg.",
            [
                shell(
                    'for f in *.jpeg; do mv -n "$f" "${f%.jpeg}.jpg"; done',
                    changes=FileChanges(created=("a.jpg",), deleted=("a.jpeg",)),
                )
            ],
        ),
        (
            "how many lines has the largest file",
            "10",
            [shell("ls -S | head -1", "big.log"), shell("wc -l < big.log", "10", reads=("big.log",))],
        ),
        (
            "put a line in front of app.cfg",
            "Changed app.cfg.",
            [
                RunStep(
                    "read_file",
                    "v",
                    {"path": "app.cfg"},
                    Effect.READ,
                    ("app.cfg",),
                    True,
                    None,
                    "x\n",
                    "x",
                    FileChanges(),
                ),
                write("app.cfg", "line\nx\n", changed=("app.cfg",)),
            ],
        ),
        ("say hello", "hello", [shell("echo hello", "hello")]),
        (
            "write hello.sh that greets and run hello.sh",
            "Hello from Bern\n[files: created hello.sh]",
            [write("hello.sh", "sh greet", created=("hello.sh",)), shell("bash hello.sh", "Hello from Bern")],
        ),
    ],
)
def test_a_run_that_is_replayable(goal: str, said: str, steps: list[RunStep]) -> None:
    assert why_not(goal, said, *steps) == ""


def test_a_value_from_memory_or_an_earlier_turn_is_not_replayable() -> None:
    step = write("a.cfg", "port=5433\n", created=("a.cfg",))
    goal = "create a.cfg with the port of the staging database"
    assert why_not(goal, "Created a.cfg.", step) == ""
    assert why_not(goal, "Created a.cfg.", step, shown="- the staging database listens on 5433") == (
        "a call holds '5433', which comes from what was said or remembered before"
    )


def test_a_run_on_whose_way_a_call_was_denied_is_not_the_whole_job() -> None:
    run = FinishedRun("list the files", Outcome.OK, "", "b.txt", [shell("ls", "b.txt")], "/work/x", denied=True)
    header = trace_of(run, LEARNED).header
    assert (header.status, header.reason) == (
        TraceStatus.GUIDANCE,
        "a call was not allowed on the way, so the run is not the whole job",
    )


RIGHTLY_REFUSED = {
    "copy-only-the-h-headers-from-native-to-export-0caa1daf": "the command names '..'",
    "what-is-17-percent-of-2350-f3940750": "the command names '/'",
}
"""Starter examples that leave the folder for a moment, or whose division looks like a place."""


@pytest.mark.parametrize("path", sorted(STARTERS.glob("*.yaml")), ids=lambda path: path.stem[:40])
def test_ordinary_commands_are_not_refused(path: Path) -> None:
    """The partner of the refusals above: no gate closes over the everyday commands of the starter examples."""
    trace, _ = read_trace(path)
    for step in trace.steps:
        run = RunStep(step.tool, "v", step.args, step.effect, (), True, 0, step.saw, step.saw, FileChanges())
        found = obstacle(trace.header.goal, "", AnswerTemplate(), [run])
        assert found.startswith(RIGHTLY_REFUSED.get(path.stem, "")) and bool(found) == (path.stem in RIGHTLY_REFUSED)

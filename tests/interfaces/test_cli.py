"""The command line: what goes to which stream, which exit code, and that nothing ends in a traceback.

Goals are answered by the fake Messages server through the real SDK, with the real tools in a temporary folder.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pexpect
import pytest
from cli_world import COUNT, COUNTED, Ended, Llmos

from llmos.core.errors import ExitStatus, UsageError
from llmos.core.permission import GrantScope
from llmos.core.ports import PermissionAnswer
from llmos.interfaces.cli_models import percent_lines
from llmos.interfaces.cli_traces import parse_age
from llmos.interfaces.failures import report_unexpected
from llmos.interfaces.output import json_line
from llmos.interfaces.questions import read_answer
from llmos.testing import FakeMessagesServer, delay, reply, text, tool_use

HEAVY = (
    "anthropic",
    "chromadb",
    "xllamacpp",
    "genai_prices",
    "pydantic",
    "prompt_toolkit",
    "yaml",
    "httpx",
    "rich",
    "typer",
    "llmos.core.graph",
    "llmos.core.split",
    "llmos.engine.orchestrate",
    "llmos.interfaces.orchestrating",
)
FACTS = {"plan", "cost_usd", "elapsed_s", "trace", "kept", "saved_usd", "confidence"}
"""What differs between two runs, checked one by one where it matters."""


def child(*words: str, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "llmos", *words],
        stdin=options.pop("stdin", subprocess.DEVNULL),
        stdout=options.pop("stdout", subprocess.PIPE),
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


# ------------------------------------------------------------------------------------------------------ what is loaded


def loaded(*words: str) -> set[str]:
    """The heavy modules that a command leaves imported."""
    code = (
        "import sys\nfrom llmos.interfaces.cli import main\n"
        f"main({list(words)!r})\n"
        f"print('loaded', [name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    last = ended.stderr.rstrip().split("\n")[-1]
    assert last.startswith("loaded ")
    return set(json.loads(last.removeprefix("loaded ").replace("'", '"')))


@pytest.mark.parametrize("words", [("--help",), ("version",), ("--version",)])
def test_help_and_version_load_nothing_heavy(words: tuple[str, ...]) -> None:
    assert loaded(*words) <= {"typer"}


def test_listing_traces_loads_no_model_adapter(work: Path) -> None:
    assert not loaded("traces", "list") & {"anthropic", "chromadb", "xllamacpp", "genai_prices", "httpx"}


def test_a_replay_loads_what_it_needs_and_no_more(llmos: Llmos, work: Path, api: FakeMessagesServer) -> None:
    api.add(*COUNTED)
    assert llmos("run", "--yes", COUNT).code == 0
    assert loaded("run", "--yes", "-o", "json", COUNT) <= {"rich", "yaml"}


def test_the_check_of_loaded_modules_can_fail(work: Path, api: FakeMessagesServer) -> None:
    api.add(*COUNTED)
    assert {"anthropic", "pydantic", "rich"} <= loaded("run", "--yes", COUNT)


# ----------------------------------------------------------------------------------------------------------- llmos run


def test_the_answer_alone_goes_to_standard_output(llmos: Llmos, api: FakeMessagesServer) -> None:
    api.add(*COUNTED)
    ended = llmos("run", "--yes", "count", "the", "lines", "of", "notes.txt")
    assert (ended.code, ended.out) == (0, "3\n")
    assert ended.err.splitlines()[:5] == [
        "working it out · LEARNER",
        "  why: no saved run is like it",
        "model: claude-sonnet-5-5, paid by ANTHROPIC_API_KEY",
        "▶ shell: wc -l < notes.txt",
        f"  ok · exit 0 · {ended.err.splitlines()[4].split(' · ')[2]}",
    ]
    assert "  learned: count-the-lines-of-notes-txt-" in ended.err.splitlines()[-1]


def test_json_is_one_object_and_the_second_time_is_a_replay(
    llmos: Llmos, api: FakeMessagesServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.add(*COUNTED)
    first = llmos("run", "--yes", "--output-format", "json", COUNT)
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    second = llmos("run", "--yes", "-o", "json", "Count the lines of notes.txt")
    learned, replayed = json.loads(first.out), json.loads(second.out)
    same = {"answer": "3", "outcome": "ok", "reason": "", "exit_code": 0}
    assert {key: value for key, value in learned.items() if key not in FACTS} == same | {
        "goal": COUNT,
        "mode": "LEARNER",
        "reasons": ["no saved run is like it"],
        "model_calls": 2,
    }
    assert {key: value for key, value in replayed.items() if key not in FACTS} == same | {
        "goal": "Count the lines of notes.txt",
        "mode": "FOLLOWER",
        "reasons": ["claude-sonnet-5-5 did this goal before, and it was checked; replays so far: 0 right, 0 wrong"],
        "model_calls": 0,
    }
    assert learned["kept"] == replayed["trace"] != ""
    assert learned["cost_usd"] == replayed["saved_usd"] > 0.0 == replayed["cost_usd"]
    assert len(api.bodies) == 2


def test_stream_json_is_one_line_per_event_and_a_result(llmos: Llmos, api: FakeMessagesServer) -> None:
    api.add(*COUNTED)
    ended = llmos("run", "-y", "-o", "stream-json", COUNT)
    events = [json.loads(line) for line in ended.out.splitlines()]
    assert [event["event"] for event in events if event["event"] != "text_streamed"] == [
        "turn_started",
        "plan_made",
        "message_added",
        "model_call_started",
        "model_call_finished",
        "message_added",
        "permission_decided",
        "tool_started",
        "tool_finished",
        "message_added",
        "model_call_started",
        "model_call_finished",
        "message_added",
        "trace_kept",
        "turn_ended",
        "memory_ticked",
        "result",
    ]
    assert (events[-1]["answer"], events[-1]["exit_code"]) == ("3", 0)


@pytest.mark.parametrize("words", [(), ("-",)])
def test_the_goal_comes_from_standard_input(words: tuple[str, ...], llmos: Llmos, api: FakeMessagesServer) -> None:
    api.add(*COUNTED)
    ended = llmos("run", "-y", "-o", "json", *words, stdin=f"{COUNT}\n".encode())
    assert json.loads(ended.out)["goal"] == COUNT


@pytest.mark.parametrize(
    ("stdin", "sentence"),
    [
        (b"", "the goal is empty; say what is to be done"),
        (b" \n ", "the goal is empty; say what is to be done"),
        (b"caf\xe9", "the goal on standard input is not UTF-8 text (byte 3 is wrong)"),
        (
            b"x" * 1_000_000,
            "the goal has 1,000,000 bytes and at most 100,000 are taken; "
            "put long material in a file and name the file in the goal",
        ),
        (
            b"x" * 2_000_001,
            "standard input holds more than 2,000,000 bytes, which is no goal; "
            "put long material in a file and name the file in the goal",
        ),
    ],
)
def test_a_goal_that_is_none_is_one_sentence(stdin: bytes, sentence: str, llmos: Llmos) -> None:
    assert llmos("run", stdin=stdin) == Ended(2, "", f"llmos: {sentence}\n")
    assert json.loads(llmos("run", "-o", "json", stdin=stdin).out) == {"error": sentence, "exit_code": 2}


def test_an_argument_that_is_no_text_is_one_sentence(llmos: Llmos) -> None:
    """A shell hands on the bytes of a file's name as they are; the name that a model would be told is another one."""
    sentence = "the goal is not UTF-8 text; name what has such a name by a pattern, `caf*` for one"
    assert llmos("run", os.fsdecode(b"count the lines of caf\xe9.txt")) == Ended(2, "", f"llmos: {sentence}\n")


def test_without_a_model_both_ways_out_are_named(llmos: Llmos) -> None:
    ended = llmos("run", COUNT)
    assert (ended.code, ended.out) == (ExitStatus.NO_MODEL, "")
    assert "ANTHROPIC_API_KEY" in ended.err and "llmos models pull" in ended.err
    record = json.loads(llmos("run", "-o", "json", COUNT).out)
    assert (record["outcome"], record["exit_code"]) == ("failed", ExitStatus.NO_MODEL)


def test_with_nobody_to_ask_a_command_is_denied(llmos: Llmos, api: FakeMessagesServer, work: Path) -> None:
    api.add(reply(tool_use("shell", {"command": "rm notes.txt"})), reply(text("I may not.")))
    ended = llmos("run", "-o", "json", "delete notes.txt")
    assert (ended.code, json.loads(ended.out)["outcome"]) == (ExitStatus.DENIED, "denied")
    assert "✗ shell not allowed: rm notes.txt\n" in ended.err
    assert (work / "notes.txt").exists()


def test_a_dry_run_decides_and_does_nothing(llmos: Llmos, work: Path) -> None:
    ended = llmos("run", "--dry-run", "-o", "json", "delete notes.txt")
    record = json.loads(ended.out)
    assert (ended.code, record["outcome"], record["mode"]) == (0, None, "LEARNER")
    assert ended.err.endswith("llmos: dry run: nothing was run and nothing was kept\n")
    assert not (Path(os.environ["LLMOS_HOME"]) / "memories").exists()


def test_a_cap_that_allows_nothing_ends_over_budget(llmos: Llmos, api: FakeMessagesServer) -> None:
    ended = llmos("run", "--max-cost", "0", "-o", "json", COUNT)
    record = json.loads(ended.out)
    assert (ended.code, record["outcome"], record["model_calls"]) == (ExitStatus.OVER_BUDGET, "over_budget", 0)
    assert api.bodies == []


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("ru",), "no such command 'ru'. Did you mean 'run'?"),
        (
            ("run", "--max-cost", "nan", "x"),
            "invalid value for '--max-cost': give US dollars, 0 or more; `llmos run --help` shows what it takes",
        ),
        (("traces", "inspect"), "missing argument 'ID'; `llmos traces inspect --help` shows what it takes"),
    ],
)
def test_wrong_words_are_one_sentence(words: tuple[str, ...], sentence: str, llmos: Llmos) -> None:
    assert llmos(*words) == Ended(2, "", f"llmos: {sentence}\n")


def test_a_wrong_setting_is_one_sentence_in_every_format(llmos: Llmos, work: Path) -> None:
    home = Path(os.environ["LLMOS_HOME"])
    home.mkdir(mode=0o700, parents=True)
    (home / "config.yaml").write_text("format: llmos-config/1\nmodell: auto\n")
    sentence = f"unknown setting modell in {home}/config.yaml line 2; did you mean model?"
    for form, out in (("text", ""), ("json", json_line({"error": sentence, "exit_code": 7}) + "\n")):
        assert llmos("run", "-o", form, COUNT) == Ended(7, out, f"llmos: {sentence}\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_the_turn_truthfully(number: signal.Signals, work: Path, api: FakeMessagesServer) -> None:
    api.add(reply(tool_use("shell", {"command": "touch begun; sleep 60; touch ended"})))
    process = child("run", "-y", "-o", "json", COUNT)
    wait_for(lambda: (work / "begun").exists())
    process.send_signal(number)
    out, err = process.communicate(timeout=90)
    record = json.loads(out)
    assert (process.returncode, record["outcome"], record["exit_code"]) == (130, "interrupted", 130)
    assert "stopped ·" in err and "Traceback" not in err
    assert not (work / "ended").exists()


def wait_for(condition: Callable[[], bool], seconds: float = 90.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def test_a_reader_that_leaves_is_no_error(work: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = child("config", "show", stdout=writing)
    os.close(writing)
    _, err = process.communicate(timeout=90)
    assert (process.returncode, err) == (0, "")


def test_a_turn_outlives_the_reader_of_its_events(work: Path, api: FakeMessagesServer) -> None:
    api.add(reply(tool_use("shell", {"command": "touch done.txt"})), reply(delay(0.1), text("done")))
    reading, writing = os.pipe()
    os.close(reading)
    process = child("run", "-y", "-o", "stream-json", "create done.txt", stdout=writing)
    os.close(writing)
    _, err = process.communicate(timeout=90)
    assert process.returncode == 0 and "Broken" not in err
    assert (work / "done.txt").exists()


def test_a_defect_is_one_sentence_and_its_traceback_is_kept(tmp_path: Path) -> None:
    home = tmp_path / "home"
    try:
        raise ValueError("three\nlines\nof it")
    except ValueError as error:
        sentence = report_unexpected(error, {"LLMOS_HOME": str(home)})
    (kept,) = (home / "crashes").iterdir()
    assert sentence == f"this is a defect of llmos (ValueError: three lines of it); the details are in {kept}"
    assert "Traceback" in kept.read_text() and kept.stat().st_mode & 0o777 == 0o600


# ------------------------------------------------------------------------------------------------- questions, terminal


def on_terminal(*words: str) -> pexpect.spawn[str]:
    env = {**os.environ, "TERM": "xterm-256color"}
    return pexpect.spawn(
        sys.executable, ["-m", "llmos", *words], env=env, encoding="utf-8", timeout=90, dimensions=(40, 200)
    )


def test_a_person_is_asked_with_the_whole_command_and_the_words_reach_the_model(
    work: Path, api: FakeMessagesServer
) -> None:
    command = "rm -rf notes.txt && echo " + "x" * 300
    api.add(
        reply(tool_use("shell", {"command": command})),
        reply(tool_use("shell", {"command": "mv notes.txt old.txt"})),
        reply(tool_use("shell", {"command": "ls"})),
        reply(text("Moved.")),
    )
    terminal = on_terminal("run", "put notes.txt away")
    terminal.expect("Allow shell\\? It runs a command:")
    terminal.expect("asked because shell runs a command, and no rule allows it")
    terminal.expect("> ")
    terminal.sendline("move it instead")
    terminal.expect("not allowed by you")
    terminal.expect("> $")
    terminal.sendline("a")
    terminal.expect("Moved.")
    terminal.expect(pexpect.EOF)
    terminal.close()
    results = [
        part["content"]
        for message in api.bodies[-1]["messages"]
        if isinstance(message["content"], list)
        for part in message["content"]
        if part["type"] == "tool_result"
    ]
    assert "move it instead" in str(results[0])
    assert [path.name for path in work.iterdir()] == ["old.txt"]
    assert terminal.exitstatus == ExitStatus.OK


def test_what_was_typed_before_a_question_does_not_answer_it(work: Path, api: FakeMessagesServer) -> None:
    api.add(reply(delay(1.0), tool_use("shell", {"command": "touch no"})), reply(text("Not done.")))
    terminal = on_terminal("run", "touch no")
    terminal.expect("paid by ANTHROPIC_API_KEY")
    terminal.sendline("y")
    terminal.expect("> $")
    terminal.sendline("n")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert (terminal.exitstatus, (work / "no").exists()) == (ExitStatus.DENIED, False)


def test_the_question_shows_a_long_command_whole(work: Path, api: FakeMessagesServer) -> None:
    command = "touch " + "x" * 3000 + " end-of-command"
    api.add(reply(tool_use("shell", {"command": command})), reply(text("no")))
    terminal = on_terminal("run", "say much")
    terminal.expect("end-of-command")
    assert str(terminal.before).count("x") >= 3000
    terminal.expect("> ")
    terminal.sendline("n")
    terminal.expect(pexpect.EOF)


def test_ctrl_c_at_a_question_stops_the_turn(work: Path, api: FakeMessagesServer) -> None:
    api.add(reply(tool_use("shell", {"command": "touch no"})))
    terminal = on_terminal("run", "touch no")
    terminal.expect("> $")
    terminal.sendintr()
    terminal.expect(r"stopped ·")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 130
    assert not (work / "no").exists()


def test_without_a_goal_a_terminal_gets_a_sentence(work: Path) -> None:
    terminal = on_terminal("run")
    terminal.expect_exact('llmos: no goal was given; write `llmos run "what is to be done"`, or pipe the goal in')
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 2


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("y\n", PermissionAnswer(True)),
        (" YES \n", PermissionAnswer(True)),
        ("s", PermissionAnswer(True, scope=GrantScope.SESSION)),
        ("always", PermissionAnswer(True, scope=GrantScope.ALWAYS)),
        ("r", PermissionAnswer(True, whole_run=True)),
        ("RA", PermissionAnswer(True, scope=GrantScope.ALWAYS, whole_run=True)),
        ("n", PermissionAnswer(False)),
        ("\n", PermissionAnswer(False)),
        ("yes but slowly", PermissionAnswer(False, "yes but slowly")),
    ],
)
def test_only_a_clear_yes_allows(typed: str, answer: PermissionAnswer) -> None:
    assert read_answer(typed) == answer


# ------------------------------------------------------------------------------------------------------------- traces


def test_traces_are_listed_as_a_table_and_as_json(kept: str, llmos: Llmos) -> None:
    llmos("run", "-y", COUNT)
    head, line = llmos("traces", "list").out.splitlines()
    assert head.split() == ["ID", "STATUS", "RIGHT", "WRONG", "LEARNED", "APPROVED", "GOAL"]
    assert line.split()[:4] + line.split()[5:] == [kept, "verified", "1", "0", "yes", *COUNT.split()]
    (row,) = json.loads(llmos("traces", "list", "--json").out)
    facts = ("id", "goal", "status", "used", "right", "wrong", "approved")
    assert [row[key] for key in facts] == [kept, COUNT, "verified", 1, 1, 0, True]


def test_an_unreadable_trace_is_told_and_the_others_are_served(kept: str, llmos: Llmos) -> None:
    folder = Path(os.environ["LLMOS_HOME"]) / "traces"
    (folder / "broken-00000000.yaml").write_text("{")
    ended = llmos("traces", "list")
    assert (ended.code, len(ended.out.splitlines()), len(ended.err.splitlines())) == (0, 2, 1)
    assert ended.err.startswith("llmos: skipped: ") and "broken-00000000.yaml" in ended.err


def test_a_trace_is_shown_whole_by_the_beginning_of_its_id(kept: str, llmos: Llmos) -> None:
    lines = llmos("traces", "inspect", kept[:12]).out.splitlines()
    assert [lines[0], lines[1], lines[2], lines[3]] == [
        f"trace       {kept}",
        f"goal        {COUNT}",
        "status      verified: the same goal is replayed",
        "origin      learned or approved here, unchanged",
    ]
    assert lines[5:9] == [
        "replays     0 right, 0 wrong, last never",
        "family      0 right, 0 wrong replays of other runs in the same words, each counted as 0.5, beside 24 and 1 "
        "that any verified run starts with: 0.960",
        "confidence  0.960 that a replay for its own goal is right",
        "threshold   0.920, as configured",
    ]
    assert [line for line in lines[10:] if not line.startswith("sandbox ")] == [
        "step 1      shell (execute)",
        "    wc -l < notes.txt",
        "    needs   present: notes.txt",
        "    expect  exit code 0; output of the form integer",
        "    saw     3",
        "answer      ${1}",
        "    ${1} is the whole output of step 1",
    ]


def test_a_trace_that_is_not_there_is_one_sentence(llmos: Llmos) -> None:
    sentence = "llmos: there is no saved run 'nothing'; `llmos traces list` shows them\n"
    assert llmos("traces", "inspect", "nothing") == Ended(2, "", sentence)


def test_prune_shows_first_and_deletes_only_with_yes(kept: str, llmos: Llmos) -> None:
    line = f"{kept}\tnever replayed\t{COUNT}\n"
    said = "llmos: 1 traces would be deleted; nothing was. --yes deletes them\n"
    assert llmos("traces", "prune", "--unused") == Ended(0, line, said)
    assert llmos("traces", "prune", "--unused", "--yes") == Ended(0, line, "llmos: deleted 1 traces\n")
    assert llmos("traces", "prune", "--unused") == Ended(0, "", "llmos: no trace matches; nothing to delete\n")


def test_prune_without_a_rule_is_refused(llmos: Llmos) -> None:
    sentence = "llmos: say which traces: --older-than AGE, --failures N, --unused or --drafts\n"
    assert llmos("traces", "prune", "--yes") == Ended(2, "", sentence)


@pytest.mark.parametrize(
    ("words", "age"), [("12h", timedelta(hours=12)), ("90d", timedelta(days=90)), ("2 w", timedelta(14))]
)
def test_an_age_is_a_number_and_a_unit(words: str, age: timedelta) -> None:
    assert parse_age(words) == age


@pytest.mark.parametrize("words", ["90", "-3d", "3m", "d", "1.5d", "", "999999d"])
def test_anything_else_is_no_age(words: str) -> None:
    with pytest.raises(UsageError, match="is no age"):
        parse_age(words)


# ------------------------------------------------------------------------------------------- workspace, config, models


def test_init_makes_a_workspace_once(llmos: Llmos, work: Path) -> None:
    first, second = llmos("init", "here"), llmos("init", "here")
    assert (first.code, first.out.splitlines()[-1]) == (0, f"{work}/here is a workspace of llmos")
    assert second == Ended(0, f"{work}/here is a workspace of llmos already; nothing was changed\n", "")


def test_config_shows_each_value_and_where_it_came_from_but_no_key(
    llmos: Llmos, api: FakeMessagesServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMOS_MAX_COST", "0.25")
    lines = llmos("config", "show", "--model", "some-model").out.splitlines()
    found = {line.split()[0]: line.split(maxsplit=2)[1:] for line in lines}
    assert found["model"] == ['"some-model"', "command line --model"]
    assert found["budget.per_goal_usd"] == ["0.25", "environment LLMOS_MAX_COST"]
    assert found["matching.follower"] == ["0.92", "built-in"]
    record = json.loads(llmos("config", "show", "--json").out)
    assert record["settings"]["api.base_url"] == {"value": api.url, "origin": "environment ANTHROPIC_BASE_URL"}
    assert record["credentials_set"] == ["ANTHROPIC_API_KEY"]
    assert "test-key" not in "\n".join(lines) + json.dumps(record)


def test_models_are_listed_refused_and_removed(llmos: Llmos, work: Path) -> None:
    listed = llmos("models", "list").out.splitlines()
    assert listed[0] == "qwen2.5-coder-1.5b-instruct-q4_k_m  1,117 MB  Apache-2.0  not here, the default"
    (work / "fake.gguf").write_bytes(b"not a model")
    refused = llmos("models", "pull", "0.5b", "--from", "fake.gguf")
    assert refused.code == 1 and refused.out == "" and len(refused.err.splitlines()) == 2
    assert llmos("models", "remove", "0.5b").out == "qwen2.5-coder-0.5b-instruct-q4_k_m was not here\n"
    assert llmos("models", "pull", "gpt").code == 2


def test_progress_outside_a_terminal_is_a_line_every_five_percent() -> None:
    said: list[str] = []
    progress = percent_lines(said.append)
    for done in range(0, 200_000_001, 500_000):
        progress(done, 200_000_000)
    assert len(said) == 21
    assert (said[0], said[1], said[-1]) == (
        "0 % (0 MB of 200 MB)",
        "5 % (10 MB of 200 MB)",
        "100 % (200 MB of 200 MB)",
    )


def test_json_for_a_terminal_holds_no_code_that_it_obeys() -> None:
    line = json_line({"answer": "a\x1b[2J\x9b\u202eb\ud800é"})
    assert line.isprintable() and json.loads(line) == {"answer": "a\x1b[2J\x9b\u202eb\ud800é"}

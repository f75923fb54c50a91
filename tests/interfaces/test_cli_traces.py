"""`llmos traces`: what comes from elsewhere is data until it is approved, and nothing is changed in place."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from cli_world import COUNT, COUNTED, Ended, Llmos
from rich.cells import cell_len

from llmos.core.errors import ExitStatus
from llmos.core.evidence import Evidence, Family, Outcomes
from llmos.core.trace import Trace
from llmos.core.wrong import Wrong
from llmos.interfaces.actions_traces import list_lines
from llmos.interfaces.evidence_text import evidence_pairs
from llmos.interfaces.layout import pairs, wrapped
from llmos.interfaces.trace_text import body_lines, head_pairs
from llmos.memory.trace_files import decode_trace
from llmos.memory.trace_outcomes import Alias
from llmos.testing import FakeMessagesServer, reply, text, tool_use

GOLDEN = Path(__file__).parent.parent / "golden" / "cli"


def folder() -> Path:
    return Path(os.environ["LLMOS_HOME"]) / "traces"


def mode_of(llmos: Llmos, goal: str = COUNT) -> str:
    return str(json.loads(llmos("run", "--dry-run", "-o", "json", goal).out)["mode"])


def elsewhere(llmos: Llmos, kept: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The trace in a file, and the machine of somebody who never saw it."""
    shared = tmp_path / "shared.yaml"
    shared.write_text(llmos("traces", "export", kept).out)
    monkeypatch.setenv("LLMOS_HOME", str(tmp_path / "other-home"))
    return shared


# ------------------------------------------------------------------------------------------------ naming and searching


def test_a_trace_is_named_by_the_hash_at_its_end(kept: str, llmos: Llmos) -> None:
    named = llmos("traces", "inspect", kept[-8:])
    assert named.code == 0 and named == llmos("traces", "inspect", kept)
    assert json.loads(llmos("traces", "inspect", kept[-8:], "--json").out)["steps"][0]["args"] == {
        "command": "wc -l < notes.txt"
    }


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        (("LINES", "notes"), ["{short}  verified", "  " + COUNT]),
        (("wc",), ["{short}  verified", "  " + COUNT, "  wc -l < notes.txt"]),
        (("how many lines has other.txt",), ["{short}  verified", "  " + COUNT]),
    ],
)
def test_search_finds_goals_then_steps_then_what_is_like_it(
    words: tuple[str, ...], lines: list[str], kept: str, llmos: Llmos
) -> None:
    assert llmos("traces", "search", *words).out.splitlines() == [line.format(short=kept[-8:]) for line in lines]


def test_a_search_without_a_hit_says_so(kept: str, llmos: Llmos) -> None:
    sentence = "llmos: no saved run is like it; `llmos traces list --all` shows them all\n"
    assert llmos("traces", "search", "zebra") == Ended(0, "", sentence)
    assert llmos("traces", "search", " ").code == ExitStatus.BAD_USAGE


def test_a_diff_shows_what_another_run_does_otherwise(kept: str, llmos: Llmos, api: FakeMessagesServer) -> None:
    api.add(reply(tool_use("shell", {"command": "grep -c '' notes.txt"})), reply(text("3")))
    other = json.loads(llmos("run", "-y", "-o", "json", "how long is notes.txt in lines").out)["kept"]
    assert llmos("traces", "diff", kept, other).out.splitlines() == [
        f"--- {kept}",
        f"+++ {other}",
        "@@ -1,7 +1,7 @@",
        f"-goal        {COUNT}",
        "+goal        how long is notes.txt in lines",
        " status      verified",
        " step 1      shell (execute)",
        "-    wc -l < notes.txt",
        "+    grep -c '' notes.txt",
        "     needs   present: notes.txt",
        "     expect  exit code 0; output of the form integer",
        " answer      ${1}",
    ]
    assert llmos("traces", "diff", kept, kept) == Ended(0, "", "llmos: they do the same\n")


# ---------------------------------------------------------------------------------------------------- from elsewhere


def test_an_imported_trace_is_replayed_only_after_it_was_shown_and_approved(
    kept: str, llmos: Llmos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = elsewhere(llmos, kept, tmp_path, monkeypatch)
    assert llmos("traces", "import", str(shared)) == Ended(
        0,
        f"{kept}\tnew, not approved\n",
        "llmos: 1 are not approved, so they are never replayed; `llmos traces approve ID` shows one whole\n",
    )
    assert mode_of(llmos) == "LEARNER"
    refused = llmos("traces", "approve", kept)
    assert refused.code == ExitStatus.DENIED
    assert "    wc -l < notes.txt" in refused.out.splitlines()
    assert refused.err.splitlines() == [
        "llmos: nobody to ask: approve it, so that it may be replayed? --yes answers it",
        "llmos: it was not approved, and is never replayed until it is",
    ]
    assert mode_of(llmos) == "LEARNER"
    approved = llmos("traces", "approve", kept, "--yes")
    assert (approved.code, approved.out, approved.err) == (0, refused.out, f"llmos: approved {kept}\n")
    assert mode_of(llmos) == "FOLLOWER"
    assert llmos("traces", "approve", kept) == Ended(0, "", f"llmos: {kept} is approved already\n")
    again = llmos("traces", "import", str(shared))
    assert again == Ended(0, f"{kept}\tapproved: this very content was learned or approved here before\n", "")


def test_nothing_of_a_long_step_is_hidden_from_who_approves(
    kept: str, llmos: Llmos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What would hide at the end of a long text is on the screen."""
    shared = elsewhere(llmos, kept, tmp_path, monkeypatch)
    evil = "\n".join(["echo fine"] * 40 + ["rm -rf ~ # \x1b[2K\u202e"])
    step = f"""steps:
  - tool: write_file
    args:
      path: a
      content: {json.dumps(evil)}
    effect: write
    require: {{present: [], absent: []}}
    expect: {{exit_code: null, created: [a], changed: [], deleted: [], output: line}}
    saw: x"""
    text = shared.read_text().replace("command: wc -l < notes.txt", f"command: {json.dumps(evil)}")
    shared.write_text(text.replace("steps:", step, 1).replace("tools:", 'tools:\n  write_file: "000000000000"', 1))
    assert llmos("traces", "import", str(shared)).code == 0
    (identifier,) = [path.stem for path in folder().glob("*.yaml")]
    shown = llmos("traces", "approve", identifier)
    assert shown.out.count("rm -rf ~") == 2
    assert "write_file is another version here" in shown.err


def test_an_import_never_takes_the_place_of_a_file(
    kept: str, llmos: Llmos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = elsewhere(llmos, kept, tmp_path, monkeypatch)
    folder().mkdir(parents=True, mode=0o700)
    mine = folder() / f"{kept}.yaml"
    mine.write_text("mine")
    assert llmos("traces", "import", str(shared)).out == f"{kept}-2\tnew, not approved\n"
    assert mine.read_text() == "mine"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("id: count", "id: ../../evil"), None),
        (("format: llmos-trace/1", "format: llmos-trace/9"), "was written by a newer llmos"),
        (("steps:", "stepz:"), "is not a readable trace: the key 'steps' is missing"),
        (("effect: execute", "effect: harmless"), "is not a readable trace: 'harmless' is not a valid Effect"),
        (("cost_usd: 0", "cost_usd: 90000000"), "claims to have cost $9e+"),
        (("cost_usd: 0", "cost_usd: -1"), "is not believed; nothing was imported"),
        (("  shell: ", "  other: "), "does not say which version of shell it used, which is not believed"),
        (("goal: count", "goal: !!python/object count"), "tags (!) are not accepted"),
        (("---\nsteps", "--- &a\nsteps"), "anchors"),
    ],
)
def test_a_hostile_file_is_one_sentence_and_brings_in_nothing(
    change: tuple[str, str],
    sentence: str | None,
    kept: str,
    llmos: Llmos,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shared = elsewhere(llmos, kept, tmp_path, monkeypatch)
    good = tmp_path / "folder" / "a-good.yaml"
    good.parent.mkdir()
    good.write_text(shared.read_text())
    bad = good.parent / "b-bad.yaml"
    bad.write_text(shared.read_text().replace(*change, 1))
    assert bad.read_text() != good.read_text()
    ended = llmos("traces", "import", str(good.parent))
    if sentence is None:  # the name comes from the content, whatever the file says
        assert ended.code == 0 and sorted(path.stem for path in folder().glob("*")) == [kept]
        return
    assert ended.code in (ExitStatus.BAD_USAGE, ExitStatus.STORE) and ended.out == ""
    assert len(ended.err.splitlines()) == 1 and sentence in ended.err and "b-bad.yaml" in ended.err
    assert not folder().exists()


def test_an_export_is_one_file_each_and_comes_back_equal(
    kept: str, llmos: Llmos, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = llmos("traces", "export", "--to", "shared")
    assert (ended.code, ended.out) == (0, f"{work}/shared/{kept}.yaml\n")
    assert (work / "shared" / f"{kept}.yaml").read_bytes() == (folder() / f"{kept}.yaml").read_bytes()
    assert llmos("traces", "export", "--to", "shared").code == 0
    monkeypatch.setenv("LLMOS_HOME", str(work / "empty"))
    assert llmos("traces", "export").err == (
        "llmos: there is nothing to export; `llmos traces list` shows what there is\n"
    )


# ------------------------------------------------------------------------------------------------------------ editing


def editor(monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    monkeypatch.setenv("EDITOR", f"sed -i '{script}'")


def test_an_edit_is_a_new_trace_that_takes_the_place_of_the_old_one(
    kept: str, llmos: Llmos, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (folder() / f"{kept}.yaml").read_bytes()
    editor(monkeypatch, "s/wc -l < notes.txt/cat notes.txt | wc -l/")
    ended = llmos("traces", "edit", kept, "--yes")
    (row,) = [row for row in json.loads(llmos("traces", "list", "--json").out) if row["id"] != kept]
    assert ended.code == 0
    assert ended.out.splitlines()[:9] == [
        f"--- {kept}",
        f"+++ {row['id']}",
        "@@ -1,7 +1,7 @@",
        f" goal        {COUNT}",
        " status      verified",
        " step 1      shell (execute)",
        "-    wc -l < notes.txt",
        "+    cat notes.txt | wc -l",
        "     needs   present: notes.txt",
    ]
    assert (row["mode"], row["approved"], row["superseded_by"]) == ("EDITED", True, None)
    assert (folder() / f"{kept}.yaml").read_bytes() == before
    replayed = json.loads(llmos("run", "-y", "-o", "json", COUNT).out)
    assert (replayed["mode"], replayed["trace"], replayed["answer"]) == ("FOLLOWER", row["id"], "3")


def test_an_edit_that_is_not_approved_changes_nothing_that_runs(
    kept: str, llmos: Llmos, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor(monkeypatch, "s/wc -l < notes.txt/rm notes.txt/")
    assert llmos("traces", "edit", kept).code == ExitStatus.DENIED
    assert json.loads(llmos("run", "-y", "-o", "json", COUNT).out)["trace"] == kept


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ("s/status: verified/status: draft/", "status of a trace cannot be edited"),
        ("s/mode: LEARNER/mode: FOLLOWER/", "learned of a trace cannot be edited"),
        ("s/  shell: .*/  shell: aaaaaaaaaaaa/", "tools of a trace cannot be edited"),
        ("s/effect: execute/effect: read/", "step 1: the effect of shell is execute, not read"),
        ("s/tool: shell/tool: sudo/", "step 1 uses 'sudo', which is no tool; there are archival_memory_add"),
        ("s/goal: .*/goal: [/", "this is not valid YAML"),
    ],
)
def test_an_edit_that_is_no_trace_is_refused_and_kept(
    script: str, sentence: str, kept: str, llmos: Llmos, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor(monkeypatch, script)
    ended = llmos("traces", "edit", kept, "--yes")
    first, last = ended.err.splitlines()
    assert (ended.code, ended.out) == (ExitStatus.BAD_USAGE, "")
    assert sentence in first
    path = Path(last.removeprefix("llmos: the edit was not taken; your text is kept in "))
    assert path.read_bytes() != (folder() / f"{kept}.yaml").read_bytes()
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert len(list(folder().glob("*.yaml"))) == 1


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("true", "nothing was changed"),
        ("false", "the editor 'false' ended with 1; nothing was changed"),
        ("no-such-editor", "EDITOR names 'no-such-editor', which is not there; set it to an editor"),
        ("vi 'x", 'EDITOR cannot be read as a command: "vi \'x"; set it to an editor'),
    ],
)
def test_an_editor_that_does_nothing_leaves_nothing(
    command: str, sentence: str, kept: str, llmos: Llmos, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDITOR", command)
    assert llmos("traces", "edit", kept).err == f"llmos: {sentence}\n"
    assert not list((Path(os.environ["LLMOS_HOME"]) / ".llmos").glob("edit-*"))


def test_the_counted_answers_are_used_once(kept: str, api: FakeMessagesServer) -> None:
    assert len(api.bodies) == len(COUNTED)


# ------------------------------------------------------------------------------------------------------------- screens

ROWS = [
    {
        "id": "count-the-lines-of-notes-txt-36369746",
        "goal": "count the lines of notes.txt",
        "status": "verified",
        "right": 12,
        "wrong": 0,
        "learned": "2026-11-23T00:44:27+00:00",
        "approved": True,
        "superseded_by": None,
        "name": "",
    },
    {
        "id": "rename-all-jpeg-files-below-pictures-to-0a1b2c3d-2",
        "goal": "rename all .jpeg files below pictures to .jpg, and 写真 too, but leave those in pictures/raw alone",
        "status": "guidance",
        "right": 0,
        "wrong": 0,
        "learned": "2026-11-24T00:44:27+00:00",
        "approved": False,
        "superseded_by": None,
        "name": "",
    },
]


@pytest.mark.parametrize("width", [40, 80, 120])
def test_the_list_at_every_width(width: int) -> None:
    shown = list_lines(ROWS, width)
    assert all(cell_len(line) <= width for line in shown)
    assert "\n".join(shown) + "\n" == (GOLDEN / f"traces-list-{width}.txt").read_text()


def sample() -> Trace:
    """The trace that the documentation shows."""
    text = (Path(__file__).parent.parent.parent / "docs" / "formats.md").read_text()
    return decode_trace(text.split("```yaml trace\n")[1].split("```")[0].encode(), name="docs/formats.md")


def inspected(width: int) -> str:
    trace = sample()
    when = "2026-11-24T08:00:00+00:00"
    facts = evidence_pairs(
        Evidence(Outcomes(3, 1, when, in_a_row=1, raised=0.02, pinned=True), Family(4, 0)),
        verified=True,
        floor=0.92,
        aliases=[Alias(trace.header.id, "make notes.txt say hello", ())],
        wrong=[Wrong(trace.header.id, trace.header.goal, "create a file notes.txt containing bye", "", when, "typo")],
    )
    head = pairs(head_pairs(trace.header, facts, "learned here"), width)
    body = [piece for line in body_lines(trace) for piece in wrapped(line, width, hang=2)]
    return "\n".join([*head, *body]) + "\n"


@pytest.mark.parametrize("width", [40, 80, 120])
def test_one_trace_at_every_width(width: int) -> None:
    assert all(cell_len(line) <= width for line in inspected(width).splitlines())
    assert inspected(width) == (GOLDEN / f"traces-inspect-{width}.txt").read_text()


# -------------------------------------------------------------------------------------------- decided by record


def test_a_disabled_trace_is_replayed_no_more_until_it_is_enabled(kept: str, llmos: Llmos) -> None:
    before = (folder() / f"{kept}.yaml").read_bytes()
    sentence = f"llmos: {kept} is replayed no more; `llmos traces enable` takes that back\n"
    assert llmos("traces", "disable", kept[-8:], "--reason", "wrong job") == Ended(0, "", sentence)
    assert mode_of(llmos) != "FOLLOWER"
    assert "wrong job" in llmos("traces", "inspect", kept).out
    assert llmos("traces", "enable", kept).err == f"llmos: {kept} may be replayed again\n"
    assert mode_of(llmos) == "FOLLOWER"
    assert (folder() / f"{kept}.yaml").read_bytes() == before


def test_a_pinned_trace_is_never_pruned(kept: str, llmos: Llmos) -> None:
    llmos("traces", "pin", kept)
    assert llmos("traces", "prune", "--unused", "--yes").err == "llmos: no trace matches; nothing to delete\n"
    llmos("traces", "pin", kept, "--off")
    assert llmos("traces", "prune", "--unused", "--yes").err == "llmos: deleted 1 traces\n"


def test_a_name_is_a_record_and_every_command_finds_it(kept: str, llmos: Llmos) -> None:
    before = (folder() / f"{kept}.yaml").read_bytes()
    assert llmos("traces", "rename", kept, "line-count").err == f"llmos: {kept} is called line-count\n"
    assert llmos("traces", "inspect", "line-count").out.splitlines()[:2] == [
        "name        line-count",
        f"trace       {kept}",
    ]
    assert llmos("traces", "list").out.splitlines()[1].split()[0] == "line-count"
    assert llmos("traces", "rename", "line-count", "2 words").code == ExitStatus.BAD_USAGE
    named = folder() / "labels.jsonl"
    named.write_text(named.read_text() + "[]\n{\n")
    assert llmos("traces", "rename", "line-count", "").err == f"llmos: {kept} has no name any more\n"
    assert llmos("traces", "inspect", "line-count").code == ExitStatus.BAD_USAGE
    assert (folder() / f"{kept}.yaml").read_bytes() == before


def test_trace_stats_add_up(kept: str, llmos: Llmos) -> None:
    llmos("run", "-y", COUNT)
    (row,) = json.loads(llmos("traces", "list", "--json").out)
    found = json.loads(llmos("traces", "stats", "--json").out)
    assert found == {
        "traces": 1,
        "by_status": {"verified": 1},
        "replayable": 1,
        "not_approved": 0,
        "superseded": 0,
        "retired": 0,
        "pinned": 0,
        "never_replayed": 0,
        "right": 1,
        "wrong": 0,
        "saved_usd": row["cost_usd"],
        "most_used": [row],
    }
    assert found["saved_usd"] == json.loads(llmos("stats", "--json").out)["total"]["saved_usd"]
    lines = llmos("traces", "stats").out.splitlines()
    assert lines[:4] == [
        "traces      1: 1 verified",
        "replayable  1 (0 not approved, 0 superseded, 0 retired, 0 pinned)",
        "replays     1 right, 0 wrong; 0 never replayed",
        "saved       $0.0001: each right replay, at what its run had cost",
    ]
    assert lines[6].split()[0] == kept

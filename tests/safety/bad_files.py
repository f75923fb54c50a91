"""Bad files in place of good ones, read by the product's own readers: no traceback, no waiting, the rest is served.

A store that holds every kind of file is copied, one of its files is made bad, and everything that reads or writes is
called once in a child process. What may be missing then is what stood in the bad file and nothing else; what cannot be
read is named in a sentence; and no byte of it is lost.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from crash_points import NOW, VERSIONS, Store, fast_folder, told_by_the_person, trace
from garbling import garble, put_in_place, remove_devices

from llmos.core.errors import LlmosError
from llmos.core.events import Mode, Outcome, TurnEnded, TurnStarted
from llmos.core.judgement import Judgement
from llmos.core.passage import Passage
from llmos.core.permission import SavedRun
from llmos.core.spending import Caps
from llmos.engine.backups import start_backup
from llmos.engine.changes import compare, snapshot
from llmos.engine.restore import check_copies, read_manifest
from llmos.memory.abandoned import close_abandoned
from llmos.memory.approvals import Approvals
from llmos.memory.config import load_config
from llmos.memory.judgements import Judgements
from llmos.memory.memory_engine import MemoryEngine, Writer
from llmos.memory.money_journal import MoneyJournal
from llmos.memory.nested_learning import NestedLearning
from llmos.memory.project_words import project_files
from llmos.memory.quarantine import Quarantine
from llmos.memory.recall import Recall
from llmos.memory.saved_permissions import SavedPermissions
from llmos.memory.sessions import Sessions
from llmos.memory.trace_labels import TraceLabels
from llmos.memory.traces_sdk import TraceManager
from llmos.memory.transcript import Transcript, last_cut_off
from llmos.memory.workspace import Workspace, WorkspaceOrigin
from llmos.testing import FixedClock

LIMIT_S = 1.0
"""What every reader together may take over one store, before it counts as hanging."""
WRITER = Writer(NOW, "test")
GOALS = [trace(number).header.goal for number in range(3)]


def space(root: Path) -> Workspace:
    return Workspace(root, WorkspaceOrigin.FLAG, root / "home")


# ------------------------------------------------------------------------------------------------------------ a store


def make_store(root: Path) -> None:
    """Three traces and one of everything else, made by the product itself."""
    store = Store(root)
    for number in range(3):
        kept = store.traces.keep(trace(number), NOW)
        store.traces.record_outcome(kept.header.id, "ok", NOW)
        TraceLabels(root / "traces").name(kept.header.id, f"name-{number}", NOW)
    store.traces.add_alias(kept.header.id, "tell me the last number", NOW)
    store.traces.mark_wrong(kept.header.id, "say the number 9 of the list", NOW, "it was another list")
    for number in range(3):
        store.memory.add_archival_memory(Passage("", f"fact number {number}"), WRITER)
    for label in ("human", "persona"):
        for said in ("likes tea", "has a cat"):
            store.memory.update_core_memory(label, [told_by_the_person(said)], WRITER)
    store.memory.tombstones.bar("has a dog", ["s1:1"], NOW)
    for number in range(3):
        clock = FixedClock(NOW + timedelta(minutes=number))
        session = Transcript(root / "memories/recall", root / ".llmos/open", session=f"session{number}", clock=clock)
        for turn in range(2):
            session.record(started(f"find the apples of basket {number}{turn}", root, turn + 1))
            session.record(
                TurnEnded(
                    outcome=Outcome.OK, mode=Mode.LEARNER, answer="three", reason="", cost_usd=0.01, saved_usd=0.0,
                    model_calls=1, elapsed_s=2.0,
                )
            )  # fmt: skip
        session.close()
    store.money.settle(store.money.reserve(0.5, model="m"), 0.25)
    store.money.reserve(0.5, model="m")
    permissions = SavedPermissions(root / "home", lambda: NOW)
    permissions.add_rule("shell(make test)", root)
    permissions.add_run(SavedRun("t", "0" * 64), root)
    Judgements(root / ".llmos", root / "home").keep("m", GOALS[0], GOALS[1], Judgement(0.9, None, ""))
    for config in (root / "config.yaml", root / "home/config.yaml"):
        config.write_text("format: llmos-config/1\nlimits:\n  max_steps: 7\npermissions:\n  deny:\n    - shell(dd *)\n")
    (root / "AGENTS.md").write_text("# Rules\n\nBe kind.\n")
    work = root / "work"
    work.mkdir()
    (work / "a.txt").write_text("before\n")
    before = snapshot(work)
    backup = start_backup(work, root / "backups/s1/step-1", before=before)
    (work / "a.txt").write_text("after\n")
    backup.finish(compare(before, snapshot(work)), when=NOW)
    store.close()
    NestedLearning(root / "memories/recall", root / ".llmos").track_message()
    recall(root).refresh().close()
    for path in root.rglob("*"):
        os.utime(path, (1_700_000_000, 1_700_000_000))


def started(goal: str, root: Path, turn: int) -> TurnStarted:
    return TurnStarted(goal=goal, cwd=str(root), workspace=str(root), turn=turn)


def recall(root: Path) -> Recall:
    return Recall(root / "memories/recall", root / ".llmos", lambda: None)


# ------------------------------------------------------------------------------------------------------------ reading


@dataclass
class Look:
    """What one process saw of a store: by reader what it gave, or the sentence that it refused with."""

    gave: dict[str, frozenset[str]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    broke: dict[str, str] = field(default_factory=dict)


class Hang(BaseException):
    """Raised by the alarm; no reader catches it."""


AREAS = ("traces", "memory", "sessions", "rest")
Part = Callable[[str, Callable[[], object]], None]


def look(root: Path, areas: tuple[str, ...] = AREAS) -> Look:
    """Open everything as a process does, read all of it, and write to all of it; some areas alone, to be quicker."""
    found = Look()
    quarantine = Quarantine(root, tell=found.told.append)

    def part(name: str, read: Callable[[], object]) -> None:
        try:
            given = read()
            found.gave[name] = frozenset(map(str, given if isinstance(given, list | tuple | set | dict) else [given]))
        except LlmosError as error:
            found.refused[name] = str(error)
        except Hang:
            found.broke[name] = "hangs"
        except BaseException:
            found.broke[name] = traceback.format_exc(limit=-4)

    for area in areas:
        READERS[area](root, quarantine, part, found)
    part("quarantine", lambda: [kept.why for kept in quarantine.all()] and [])
    return found


def look_at_traces(root: Path, quarantine: Quarantine, part: Part, found: Look) -> None:
    home = root / "home"
    traces = TraceManager(root / "memories", root, False, home=home, tool_versions=VERSIONS, quarantine=quarantine)
    part("traces", lambda: [header.goal for header in traces.headers()])
    part("candidates", lambda: [one.trace.header.goal for goal in GOALS for one in traces.candidates(goal)])
    part("loaded", lambda: [traces.load(header.id).header.goal for header in traces.headers()])
    part("traces again", lambda: [header.goal for header in traces.headers()])
    part("nearest", lambda: [header.goal for header, _ in traces.nearest("the number of the list", 5)])
    part("outcomes", lambda: [f"{h.goal} {traces.outcomes(h.id).successes}" for h in traces.headers()])
    part("wrong", lambda: [one.goal for one in traces.wrong()])
    part("aliases", lambda: [one.goal for h in traces.headers() for one in traces.aliases(h.id)])
    part("labels", lambda: list(TraceLabels(root / "traces").all().values()))
    part("problems", lambda: found.told.extend(traces.problems()) or [])
    part("approved", lambda: [h.goal for h in traces.headers() if traces.content_hash(h.id) in Approvals(home)])
    part("permissions", lambda: [one.text for one in SavedPermissions(home, lambda: NOW).all()])
    part("keeps a trace", lambda: traces.keep(trace(7), NOW).header.goal)
    part("keeps an outcome", lambda: traces.record_outcome("of-no-trace", "ok", NOW))
    part("keeps a permission", lambda: SavedPermissions(home, lambda: NOW).add_rule("shell(make)", root).rule)
    part("keeps a name", lambda: TraceLabels(root / "traces").name("t", "name-7", NOW))
    traces.close()


def look_at_memory(root: Path, quarantine: Quarantine, part: Part, found: Look) -> None:
    memory = MemoryEngine(root / "memories/core", root / "memories/archival", quarantine=quarantine)
    part("blocks", lambda: [f"{block.label}: {item.text}" for block in memory.blocks() for item in block.items])
    part("core text", lambda: [line for line in memory.core_text().splitlines() if "- " in line])
    part("passages", lambda: [one.text for one in memory.passages()])
    found.told.extend(memory.problems)
    part("log", lambda: [change.target for change in memory.log.all()])
    part("tombstones", lambda: memory.tombstones.bars("has a dog", ["s1:1"]))
    part("keeps a passage", lambda: memory.add_archival_memory(Passage("", "fact number 7"), WRITER).text)
    for label in ("human", "persona"):
        part(
            f"keeps an item of {label}",
            lambda label=label: len(memory.update_core_memory(label, [told_by_the_person("new")], WRITER).refused),
        )
    part("bars", lambda: memory.tombstones.bar("has a bird", ["s1:2"], NOW))


def look_at_sessions(root: Path, quarantine: Quarantine, part: Part, found: Look) -> None:
    transcripts, opened = root / "memories/recall", root / ".llmos/open"
    part("messages", lambda: NestedLearning(transcripts, root / ".llmos").track_message() >= 4)
    sessions = Sessions(transcripts, opened, root / "backups")
    part("sessions", lambda: [one.id for one in sessions.all()])
    found.told.extend(sessions.problems)
    part("conversation", lambda: [len(sessions.load_conversation("session0"))])
    part("turns", lambda: [turn.goal for turn in sessions.turns()])
    part("cut off", lambda: last_cut_off(transcripts))
    part("abandoned", lambda: close_abandoned(transcripts, opened, FixedClock()))
    searcher = recall(root)
    part("recall", lambda: [hit.message.text for hit in searcher.search("apples basket", now=NOW, limit=20)])
    clock = FixedClock(NOW + timedelta(minutes=9))
    session = Transcript(transcripts, opened, session="session9", clock=clock)
    part("keeps a session", lambda: session.record(started("goal", root, 1)))
    session.close()
    searcher.close()


def look_at_the_rest(root: Path, quarantine: Quarantine, part: Part, found: Look) -> None:
    part("judged", lambda: Judgements(root / ".llmos", root / "home").find("m", GOALS[0], GOALS[1]) is not None)
    caps = Caps(100.0, 100.0)
    money = MoneyJournal(root / "home", clock=FixedClock(), session="s9", workspace=root, caps=caps)
    part("money", lambda: money.spending(FixedClock().now()).total())
    part("config", lambda: load_config(space(root), {}, {}).settings.limits.max_steps)
    part("project words", lambda: [file.text for file in project_files(root)])
    copies = root / "backups/s1/step-1"
    part("backup", lambda: [check_copies(copies), len(read_manifest(copies).files)])
    part("keeps money", lambda: len(money.reserve(0.5, model="m")))


READERS: dict[str, Callable[[Path, Quarantine, Part, Look], None]] = {
    "traces": look_at_traces,
    "memory": look_at_memory,
    "sessions": look_at_sessions,
    "rest": look_at_the_rest,
}


# ------------------------------------------------------------------------------------------------------------ the kinds

TRACE_PARTS = ("traces", "candidates", "loaded", "traces again", "nearest", "outcomes", "aliases", "approved")


@dataclass(frozen=True)
class Kind:
    """One file of the store. `may` are the readers that may give less, or refuse, when it is bad; `words`, where it is
    not empty, is what alone may then be missing from them. `whole`: no byte of it may be lost."""

    name: str
    area: str
    path: str
    may: tuple[str, ...] = ()
    words: str = ""
    whole: bool = False


def kinds(root: Path) -> list[Kind]:
    """The kinds with the paths of one store."""

    def first(pattern: str) -> str:
        return sorted(root.glob(pattern))[0].relative_to(root).as_posix()

    transcript = ("sessions", "conversation", "turns", "recall", "messages", "cut off", "abandoned")
    block = ("blocks", "core text", "keeps an item of human")
    memory = ("keeps a passage", "keeps an item of human", "keeps an item of persona")
    trust = ("approved", "candidates", "nearest", "keeps a trace")
    one, other = (path.relative_to(root).as_posix() for path in sorted(root.glob("traces/*.yaml"))[:2])
    return [
        Kind("trace", "traces", one, TRACE_PARTS, GOALS[0], True),
        Kind("other trace", "traces", other, TRACE_PARTS, GOALS[1], True),
        Kind(
            "outcomes",
            "traces",
            "traces/outcomes.jsonl",
            ("outcomes", "aliases", "wrong", "keeps an outcome", "keeps a trace", *TRACE_PARTS),
        ),
        Kind("labels", "traces", "traces/labels.jsonl", ("labels", "keeps a name")),
        Kind("approvals", "traces", "home/approvals.jsonl", trust),
        Kind("signing key", "traces", "home.key", (*trust, "aliases", "judged", "permissions", "keeps a permission")),
        Kind("permissions", "traces", "home/permissions.jsonl", ("permissions", "keeps a permission")),
        Kind("core block", "memory", "memories/core/human.md", block, "", True),
        Kind("passage", "memory", first("memories/archival/*.md"), ("passages",), "fact number", True),
        Kind("log of changes", "memory", "memories/changes.jsonl", ("log", *memory)),
        Kind("tombstones", "memory", "memories/tombstones.jsonl", ("tombstones", "bars")),
        Kind("transcript", "sessions", first("memories/recall/*-session0.jsonl"), transcript),
        Kind("last transcript", "sessions", first("memories/recall/*-session2.jsonl"), transcript),
        Kind("money", "rest", first("home.money/*.jsonl"), ("money", "keeps money")),
        Kind("config", "rest", "config.yaml", ("config",), "", True),
        Kind("own config", "rest", "home/config.yaml", ("config",), "", True),
        Kind("project words", "rest", "AGENTS.md", ("project words",), "", True),
        Kind("copies", "rest", first("backups/s1/*/backup.json"), ("backup",)),
        Kind("judgements", "rest", ".llmos/judgements.jsonl", ("judged",)),
        # A flipped bit can make another valid row of an index: what it says is then wrong until it is made anew.
        Kind("trace index", "traces", ".llmos/traces.sqlite", (*TRACE_PARTS, "wrong")),
        Kind("message index", "sessions", ".llmos/memory.sqlite", ("recall",)),
        Kind("message count", "sessions", ".llmos/message_count.json"),
        Kind("lock of memory", "memory", "memories/.lock", memory),
        Kind("lock of money", "rest", "home.money/.lock", ("keeps money",)),
    ]


# ------------------------------------------------------------------------------------------------------------ counting


@dataclass
class Figures:
    inputs: int = 0
    tracebacks: list[str] = field(default_factory=list)
    hangs: list[str] = field(default_factory=list)
    not_served: list[str] = field(default_factory=list)
    not_named: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    by_kind: dict[str, int] = field(default_factory=dict)

    def add(self, other: Figures) -> None:
        self.inputs += other.inputs
        for name in ("tracebacks", "hangs", "not_served", "not_named", "lost"):
            getattr(self, name).extend(getattr(other, name))
        for kind, count in other.by_kind.items():
            self.by_kind[kind] = self.by_kind.get(kind, 0) + count

    @property
    def bad(self) -> list[str]:
        return [
            f"{what}: {one}"
            for what in ("tracebacks", "hangs", "not_served", "not_named", "lost")
            for one in getattr(self, what)
        ]

    def __str__(self) -> str:
        return (
            f"{self.inputs:,} bad files of {len(self.by_kind)} kinds: {len(self.tracebacks)} tracebacks, "
            f"{len(self.hangs)} hangs over {LIMIT_S:g} s, {len(self.not_served)} times something healthy was not "
            f"served, {len(self.not_named)} times a bad one was not named, {len(self.lost)} times bytes were lost"
        )


def watched(root: Path, areas: tuple[str, ...] = AREAS) -> Look:
    """`look`, with the alarm set."""

    def ring(*_: object) -> None:
        raise Hang

    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, LIMIT_S, LIMIT_S)
    try:
        return look(root, areas)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def judge(
    kind: Kind, what: str, victim: Path, made: bytes | None, found: Look, healthy: Look, figures: Figures
) -> None:
    """Take what was seen of one bad store into the figures."""
    name = f"{kind.name}, {what}"
    for part, trouble in found.broke.items():
        (figures.hangs if trouble == "hangs" else figures.tracebacks).append(f"{name}: {part}: {trouble}")
    missing: set[str] = set()
    for part, before in healthy.gave.items():
        less = before - found.gave.get(part, frozenset())
        if not less or part in found.broke or not (part in found.gave or part in found.refused):
            continue
        missing |= less
        if part not in kind.may or (
            kind.words and part not in found.refused and any(kind.words not in w for w in less)
        ):
            figures.not_served.append(f"{name}: {part} gave no {sorted(less)[:3]} {found.refused.get(part, '')}")
    said = [*found.told, *found.refused.values()]
    if kind.whole and missing and not any(str(victim) in one for one in said) and kind.name != "project words":
        by_hand = made is not None and _parses(kind, victim) and all(kind.words in word for word in missing)
        if not by_hand:
            figures.not_named.append(f"{name}: without {sorted(missing)[:2]}, and nobody said why")
    if kind.whole and made is not None and not _kept(victim, made, kind):
        figures.lost.append(name)
    if any("\n" in one for one in said):
        figures.tracebacks.append(f"{name}: a refusal of more than one line: {said}")


def _parses(kind: Kind, victim: Path) -> bool:
    """Whether the file is there and read: then what is missing is what it does not say any more."""
    return victim.is_file() and kind.name in (
        "core block",
        "passage",
        "config",
        "own config",
        "trace",
        "other trace",
    )


def _kept(victim: Path, made: bytes, kind: Kind) -> bool:
    """Whether the bytes are where they were, or in quarantine; a block that could be read may have been added to."""
    with suppress(OSError):
        now = victim.read_bytes()
        if now == made or kind.name == "core block":
            return True
    root = next(folder for folder in victim.parents if (folder / "home").is_dir() or (folder / "traces").is_dir())
    return any(path.is_file() and path.read_bytes() == made for path in (root / "quarantine").rglob("*"))


def strike(folder: Path, template: Path, kind: Kind, seed: int, healthy: Look, figures: Figures) -> None:
    """One bad file."""
    # One in four is looked at from everywhere, the others from the area that the file belongs to.
    areas = AREAS if seed % 4 == 0 else (kind.area,)
    for _ in range(2):
        root = folder / "store"
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(template / "store", root)
        what, made = make_bad(random.Random(f"{kind.name} {seed}"), root / kind.path)
        with as_nobody(root) if what == "unreadable" else nullcontext():
            found = watched(root, areas)
        if "hangs" not in found.broke.values():
            break  # what took too long once took too long on a busy machine; what does so again hangs
    figures.inputs += 1
    figures.by_kind[kind.name] = figures.by_kind.get(kind.name, 0) + 1
    judge(kind, what, root / kind.path, made, found, healthy, figures)


def make_bad(rng: random.Random, victim: Path) -> tuple[str, bytes | None]:
    """What was done to the file, and its bytes; None where it is no file any more."""
    victim.parent.mkdir(parents=True, exist_ok=True)
    victim.touch()
    made: bytes | None = victim.read_bytes()
    how, long_ago = rng.random(), rng.random() < 0.6
    if how < 0.04:
        victim.chmod(0)
        return "unreadable", made
    if how < 0.16:
        what, made = put_in_place(rng, victim), None
    else:
        what, made = garble(rng, victim.read_bytes())
        victim.write_bytes(made)
    if long_ago:
        what += ", long ago"
        os.utime(victim, (1_700_000_000, 1_700_000_000), follow_symlinks=False)
    return what, made


@contextmanager
def as_nobody(root: Path) -> Iterator[None]:
    """As a user whom modes hold, who owns all of the store, where this is root."""
    if os.geteuid() != 0:
        yield
        return
    for path in (root, *root.rglob("*")):
        os.chown(path, 65534, 65534, follow_symlinks=False)
    os.setegid(65534)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


def run_part(template: Path, seeds: list[int], wanted: tuple[str, ...] = ()) -> Figures:
    """Strike every kind with each seed, in this process."""
    figures = Figures()
    with fast_folder() as folder:
        Path(folder).chmod(0o755)
        shutil.copytree(template / "store", Path(folder) / "store")
        healthy = look(Path(folder) / "store")
        assert not healthy.broke and not healthy.refused, (healthy.broke, healthy.refused)
        for seed in seeds:
            for kind in kinds(template / "store"):
                if not wanted or kind.name in wanted:
                    strike(Path(folder), template, kind, seed, healthy, figures)
    return figures


def run(
    inputs: int, *, processes: int = 2, wanted: tuple[str, ...] = (), prepare: Callable[[], None] = lambda: None
) -> Figures:
    """At least so many bad files, over all kinds, in child processes."""
    total = Figures()
    with fast_folder() as folder:
        template = Path(folder)
        make_store(template / "store")
        shutil.copytree(template / "store", template / "warm")
        look(template / "warm")  # what is imported is imported before the clock runs
        count = len([kind for kind in kinds(template / "store") if not wanted or kind.name in wanted])
        seeds = range(-(-inputs // count))
        children = []
        for number in range(processes):
            reading, writing = os.pipe()
            child = os.fork()
            if child == 0:
                status = 1
                try:
                    os.close(reading)
                    prepare()
                    found = run_part(template, list(seeds)[number::processes], wanted)
                    with os.fdopen(writing, "w") as pipe:
                        json.dump(vars(found), pipe)
                    status = 0
                except BaseException:
                    traceback.print_exc()
                finally:
                    remove_devices()
                    os._exit(status)
            os.close(writing)
            children.append((child, reading))
        for child, reading in children:
            with os.fdopen(reading) as pipe:
                said = pipe.read()
            _, ended = os.waitpid(child, 0)
            assert ended == 0, f"a child ended with {ended}"
            total.add(Figures(**json.loads(said)))
    return total

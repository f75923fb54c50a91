"""How far a yes reaches: this call, this session, always in this folder, a whole saved run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from llmos.adapters.bash_parser import parse_bash
from llmos.core.events import Verdict
from llmos.core.messages import ToolCall
from llmos.core.permission import GrantScope, PermissionMode, Rule, SavedRun, parse_rule
from llmos.core.ports import PermissionAnswer, PermissionQuestion
from llmos.engine.permits import Permits
from llmos.engine.shell_world import FileWorld
from llmos.memory.saved_permissions import SavedPermissions
from llmos.tools import builtin_tools

SHELL, WRITE = (builtin_tools()[name].spec for name in ("shell", "write_file"))
RUN = SavedRun("sort-names-4a6b8e04", "5" * 64)
NO = PermissionAnswer(False)


class Person:
    """Answers from a list and remembers what was asked."""

    def __init__(self, *answers: PermissionAnswer) -> None:
        self.answers = list(answers)
        self.asked: list[PermissionQuestion] = []

    async def __call__(self, question: PermissionQuestion) -> PermissionAnswer:
        self.asked.append(question)
        return self.answers.pop(0)


def saved(home: Path) -> SavedPermissions:
    return SavedPermissions(home, lambda: datetime(2026, 11, 26, 10, 0, tzinfo=UTC))


def permits(
    tmp_path: Path, person: Person | None, *, rules: Sequence[Rule] = (), cwd: str = "work", keeps: bool = True
) -> Permits:
    return Permits(
        rules,
        ask=person,
        grant_all=False,
        mode=PermissionMode.ASK,
        saved=saved(tmp_path / "home") if keeps else None,
        parse=parse_bash,
        world=FileWorld(tmp_path / cwd),
        cwd=tmp_path / cwd,
    )


async def run(made: Permits, command: str, replayed_from: SavedRun | None = None) -> tuple[str, str]:
    decided = await made.judge(ToolCall("c", "shell", {"command": command}), SHELL, (command,), replayed_from)
    return decided.verdict.value, decided.reason


async def test_always_is_one_exact_rule_in_one_folder_until_it_is_revoked(tmp_path: Path) -> None:
    person = Person(PermissionAnswer(True, scope=GrantScope.ALWAYS), NO, NO, NO, NO)
    command = "make test | tail -n 3 > *.log"
    assert await run(permits(tmp_path, person), command) == (
        "allow",
        "always allowed here: shell(make test | tail -n 3 > [*].log)",
    )
    assert person.asked[0].rule == "shell(make test | tail -n 3 > [*].log)"
    again = permits(tmp_path, person)
    (kept,) = saved(tmp_path / "home").all()
    because = f"allow rule {kept.rule} (saved 2026-11-26, {kept.id})"
    assert await run(again, command) == ("allow", because)
    assert await run(permits(tmp_path, None, cwd="work/below"), command) == ("allow", because)
    for other in ("make test | tail -n 3 > x.log", f"{command}; id"):
        assert (await run(again, other))[0] == "deny"
    assert (await run(permits(tmp_path, person, cwd="elsewhere"), command))[0] == "deny"
    saved(tmp_path / "home").revoke(kept.id[:4])
    assert (await run(again, command))[0] == "deny"


async def test_a_session_grant_covers_its_rule_and_ends_with_the_session(tmp_path: Path) -> None:
    person = Person(PermissionAnswer(True, scope=GrantScope.SESSION), NO)
    made = permits(tmp_path, person)
    call = ToolCall("c", "write_file", {"path": "notes/a.md", "content": ""})
    verdicts = [
        (await made.judge(call, WRITE, (path,), None)).verdict
        for path in ("notes/a.md", "notes/b.md", "notes/deep/c.md", "other.md")
    ]
    assert verdicts == [Verdict.ALLOW, Verdict.ALLOW, Verdict.ALLOW, Verdict.DENY]
    assert [question.rule for question in person.asked] == ["write_file(notes/*)", "write_file(other.md)"]
    assert (await permits(tmp_path, None).judge(call, WRITE, ("notes/a.md",), None)).verdict is Verdict.DENY


async def test_a_yes_to_a_saved_run_covers_its_content_for_the_stated_scope(tmp_path: Path) -> None:
    whole = [PermissionAnswer(True, scope=scope, whole_run=True) for scope in GrantScope]
    changed = SavedRun(RUN.trace, "6" * 64)

    once = permits(tmp_path, Person(whole[0], NO))
    for command in ("touch a", "touch b"):
        assert await run(once, command, RUN) == ("allow", "allowed for this run")
    assert (await run(once, "touch b"))[0] == "deny"  # a live call is no part of it
    once.begin_turn()
    assert (await run(permits(tmp_path, None), "touch a", RUN))[0] == "deny"

    session = permits(tmp_path, Person(whole[1], NO))
    assert (await run(session, "touch a", RUN))[1] == "this saved run is allowed for this session"
    session.begin_turn()
    assert (await run(session, "touch b", RUN))[0] == "allow"
    assert (await run(session, "touch b", changed))[0] == "deny"

    assert (await run(permits(tmp_path, Person(whole[2])), "touch a", RUN))[0] == "allow"
    later = permits(tmp_path, None)
    assert await run(later, "touch b", RUN) == ("allow", "this saved run is always allowed here")
    assert (await run(later, "touch b", changed))[0] == "deny"
    assert (await run(later, "touch b"))[0] == "deny"


async def test_what_a_rule_asks_for_is_never_saved(tmp_path: Path) -> None:
    asks = [parse_rule("shell(git *)", Verdict.ASK, "config.yaml")]
    person = Person(PermissionAnswer(True, scope=GrantScope.ALWAYS))
    made = permits(tmp_path, person, rules=asks)
    assert await run(made, "git fetch") == ("allow", "allowed for this session: shell(git fetch)")
    assert person.asked[0].scopes == (GrantScope.ONCE, GrantScope.SESSION)
    assert await run(made, "git fetch") == ("allow", "allowed for this session")
    assert saved(tmp_path / "home").all() == ()


async def test_no_yes_overrides_a_deny(tmp_path: Path) -> None:
    deny = [parse_rule("shell(rm*)", Verdict.DENY, "config.yaml")]
    saved(tmp_path / "home").add_rule("shell(rm x)", tmp_path)
    saved(tmp_path / "home").add_run(RUN, tmp_path)
    made = permits(tmp_path, None, rules=deny)
    assert await run(made, "rm x", RUN) == ("deny", "deny rule shell(rm*) (config.yaml)")


async def test_modes(tmp_path: Path) -> None:
    made = permits(tmp_path, None)
    found = {}
    for mode in PermissionMode:
        made.mode = mode
        write = await made.judge(ToolCall("c", "write_file", {}), WRITE, ("a",), None)
        found[mode] = ((await run(made, "touch a"))[0], write.verdict.value)
    assert found == {
        PermissionMode.READ_ONLY: ("deny", "deny"),
        PermissionMode.ASK: ("deny", "deny"),
        PermissionMode.ACCEPT_EDITS: ("deny", "allow"),
        PermissionMode.TRUSTED: ("allow", "allow"),
    }


def test_damaged_lines_allow_nothing(tmp_path: Path) -> None:
    kept = saved(tmp_path)
    kept.add_rule("shell(make)", tmp_path)
    (line,) = kept.path.read_bytes().splitlines()
    bad = [b'{"id":"a","folder":"rel","rule":"shell"}', b"{", b'{"id":"b","folder":"/","rule":"("}', b'{"id":1}', b"[]"]
    kept.path.write_bytes(b"\n".join([*bad, line, line[:20]]))
    assert [one.rule for one in saved(tmp_path).all()] == ["shell(make)"]

"""Protected paths that are not there yet are not made either: by no technique, in no tier (S-2)."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from battery import tier

from llmos.adapters.sandbox_guard import watch
from llmos.core.sandbox import PROTECTED, Boundary, Sandbox
from llmos.core.tool import ToolContext, ToolOutput
from llmos.memory.private_folder import PrivateFolder
from llmos.tools.shell import shell

pytestmark = pytest.mark.slow

FILES = (*(name for name in PROTECTED if not name.startswith(".git/")), ".git/hooks/pre-commit", ".git/config")
TECHNIQUES = {
    "written": 'mkdir -p "$(dirname {0})"; echo BREACH > {0}; chmod +x {0}',
    "moved there": 'echo BREACH > made; mkdir -p "$(dirname {0})"; mv -f made {0}',
    "linked": 'echo BREACH > made; mkdir -p "$(dirname {0})"; ln made {0} || ln -s "$PWD/made" {0}',
    "a late link": 'mkdir -p evil "$(dirname {0})"; echo BREACH > evil/"$(basename {0})"; '
    'ln -sfn "$PWD/evil/$(basename {0})" {0}',
    "a linked parent": 'd="$(dirname {0})"; mkdir -p evil; echo BREACH > evil/"$(basename {0})"; '
    'case "$d" in .) ;; *) mkdir -p "$(dirname "$d")"; ln -sfn "$PWD/evil" "$d" ;; esac',
    "later": '(sleep 0.2; mkdir -p "$(dirname {0})"; echo BREACH > {0}) >/dev/null 2>&1 &',
    "an own session": "setsid sh -c 'sleep 0.2; mkdir -p \"$(dirname {0})\"; echo BREACH > {0}' >/dev/null 2>&1 & exit",
}


@pytest.fixture(params=["bubblewrap", "landlock"])
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    private = PrivateFolder()
    found = tier(request.param, private.path)
    if found is None:
        pytest.skip(f"no {request.param} here; test_sandbox_battery.py fails when no tier is")
    yield found
    private.remove()


def context(sandbox: Sandbox | None, cwd: Path) -> ToolContext:
    cwd.mkdir(exist_ok=True)
    return ToolContext(cwd=cwd, timeout_s=20, sandbox=sandbox, boundary=Boundary())


async def run(context: ToolContext, command: str) -> ToolOutput:
    return await shell.run({"command": command}, context)


def git(folder: Path, what: str) -> None:
    """Outside the boundary, as the person would."""
    subprocess.run(["git", what, "-q" if what == "init" else "-s"], cwd=folder, check=True, capture_output=True)


def there(cwd: Path) -> list[str]:
    return [name for name in FILES if os.path.lexists(cwd / name) and "BREACH" in reading(cwd / name)]


def reading(path: Path) -> str:
    if path.is_dir():
        return " ".join(reading(inner) for inner in path.rglob("*") if inner.is_file())
    return path.read_text() if path.exists() else "BREACH"


@pytest.mark.parametrize("technique", TECHNIQUES)
async def test_none_is_made_where_none_was(sandbox: Sandbox, tmp_path: Path, technique: str) -> None:
    at = context(sandbox, tmp_path / "work")
    await run(at, "\n".join(TECHNIQUES[technique].format(name) for name in FILES))
    await asyncio.sleep(0.4)
    assert there(at.cwd) == []
    assert [name for name in FILES if (at.cwd / name).is_symlink()] == []


async def test_without_a_boundary_they_are_made(tmp_path: Path) -> None:
    at = context(None, tmp_path / "work")
    await run(at, "\n".join(TECHNIQUES["written"].format(name) for name in FILES))
    assert set(there(at.cwd)) == set(FILES)


async def test_what_is_there_stays_whatever_is_tried(sandbox: Sandbox, tmp_path: Path) -> None:
    at = context(sandbox, tmp_path / "work")
    git(at.cwd, "init")
    (at.cwd / ".bashrc").write_text("mine")
    (at.cwd / "inner").mkdir()
    git(at.cwd / "inner", "init")
    before = {path: path.read_bytes() for path in at.cwd.rglob("*") if path.is_file()}
    for command in (
        "echo BREACH >> .git/config; echo BREACH > .bashrc; echo BREACH > inner/.git/hooks/pre-push",
        "mv .git kept; mkdir -p .git/hooks; echo BREACH > .git/hooks/pre-commit; echo BREACH > .git/config",
        "rm -rf .git/hooks .git/config .bashrc inner/.git/config",
        "git config core.fsmonitor BREACH; git config core.hooksPath evil",
        "ln -f .bashrc other && echo BREACH > other",
        "mv .git .git-old; ln -s .git-old .git; echo BREACH > .git-old/hooks/post-checkout",
        "chmod 777 .git/config .bashrc",
    ):
        await run(at, command)
        now = {path: path.read_bytes() for path in before if path.exists()}
        protected = [p for p in before if p.name in (".bashrc", "config") or "hooks" in p.parts]
        assert [p for p in protected if now.get(p) != before[p]] == [], command
        assert not list(at.cwd.rglob(".git/hooks/p*-co*[!e]")) or "sample" in str(list(at.cwd.rglob(".git/hooks/*")))
        for repository in (at.cwd, at.cwd / "inner"):
            live = [p.name for p in (repository / ".git/hooks").iterdir() if p.suffix != ".sample"]
            assert live == [], command


async def test_a_repository_that_a_command_makes_runs_nothing(sandbox: Sandbox, tmp_path: Path) -> None:
    at = context(sandbox, tmp_path / "work")
    made = await run(
        at, "git init -q . && git config user.name me && git config remote.o.url https://h/x && git status -s"
    )
    assert (made.ok, made.text) == (True, "[no output]")
    assert "name = me" in (at.cwd / ".git/config").read_text()
    again = context(sandbox, tmp_path / "again")
    evil = (
        "git init -q . && git config core.fsmonitor ./evil && git config user.name me && git config alias.x '!sh' && "
        "git config core.sshCommand ./evil && printf '[include]\\n\\tpath = ../evil\\n' >> .git/config && "
        "printf '#!/bin/sh' > .git/hooks/pre-commit && chmod +x .git/hooks/pre-commit"
    )
    found = await run(again, evil)
    assert not found.ok
    assert "[put back as it was, because no command may change it: " in found.text
    config = (again.cwd / ".git/config").read_text()
    assert "name = me" in config
    assert [word for word in ("fsmonitor", "evil", "alias", "!sh", "include", "ssh") if word in config.lower()] == []
    assert [p.name for p in (again.cwd / ".git/hooks").iterdir() if p.suffix != ".sample"] == []
    git(again.cwd, "status")


def test_the_guard_puts_back_content_links_modes_and_absence(tmp_path: Path) -> None:
    kept, gone, link = tmp_path / "a/kept", tmp_path / "gone", tmp_path / "link"
    kept.parent.mkdir()
    kept.write_text("mine")
    kept.chmod(0o640)
    link.symlink_to("nowhere")
    guard = watch([kept, gone, link, tmp_path / "b/absent"], (tmp_path,))
    assert guard.put_back() == []
    kept.write_text("changed")
    gone.mkdir()
    (gone / "x").write_text("new")
    link.unlink()
    link.write_text("a file now")
    assert sorted(guard.put_back()) == sorted(map(str, (kept, gone, link)))
    assert (kept.read_text(), oct(kept.stat().st_mode)[-3:]) == ("mine", "640")
    assert not gone.exists()
    assert str(link.readlink()) == "nowhere"


def test_the_guard_never_follows_a_link_out(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    (outside / "git").mkdir(parents=True)
    (outside / "git/config").write_text("theirs")
    (root / ".config/git").mkdir(parents=True)
    (root / ".config/git/config").write_text("mine")
    guard = watch([root / ".config/git/config"], (root,))
    (root / ".config").rename(root / "moved")
    (root / ".config").symlink_to(outside)
    assert guard.put_back() == [str(root / ".config/git/config")]
    assert (outside / "git/config").read_text() == "theirs"
    assert (root / ".config/git/config").read_text() == "mine"

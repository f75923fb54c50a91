"""What is looked up before a command that looks may run unasked: paths, programs, the settings of a repository."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from llmos.engine.shell_world import FileWorld


@pytest.fixture
def cwd(tmp_path: Path) -> Path:
    made = tmp_path / "work"
    (made / "sub").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/x").touch()
    (made / "a.txt").touch()
    (made / "link").symlink_to(tmp_path / "outside")
    return made


def readable(cwd: Path, path: str, folder: str = "", *, glob: bool = False, deep: bool = False) -> str:
    return FileWorld(cwd).readable(path, folder, glob=glob, deep=deep)


@pytest.mark.parametrize("path", ["a.txt", "./a.txt", "sub/../a.txt", "missing", ".", "sub"])
def test_inside(cwd: Path, path: str) -> None:
    assert readable(cwd, path) == ""
    assert readable(cwd, str(cwd / path)) == ""


@pytest.mark.parametrize(
    "path", ["..", "../outside/x", "/etc/passwd", "link", "link/x", "sub/../../outside", "link/../x"]
)
def test_outside(cwd: Path, path: str) -> None:
    assert readable(cwd, path) == f"{path} lies outside the working directory"


def test_from_a_folder_and_by_a_glob(cwd: Path) -> None:
    assert readable(cwd, "../a.txt", "sub") == ""
    assert readable(cwd, "../../outside/x", "sub") != ""
    assert readable(cwd, "l*", glob=True) == "l* lies outside the working directory"
    assert readable(cwd, "l*/x", glob=True) != ""
    assert readable(cwd, "a*", glob=True) == ""


def test_an_opened_folder_is_inside(cwd: Path) -> None:
    world = FileWorld(cwd, [cwd.parent / "outside"])
    assert world.readable("link/x", "", glob=False, deep=False) == ""


def test_credentials(cwd: Path) -> None:
    (cwd / "sub/.env").touch()
    assert readable(cwd, "sub/.env") == "sub/.env may hold credentials"
    assert readable(cwd, "sub") == ""
    assert readable(cwd, ".", deep=True) == "a file below . may hold credentials"


def test_a_program_of_the_project(cwd: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (cwd / "bin").mkdir()
    (cwd / "bin/ls").write_text("#!/bin/sh\n")
    (cwd / "bin/ls").chmod(0o755)
    assert not FileWorld(cwd).foreign_program("ls")
    monkeypatch.setenv("PATH", f"{cwd / 'bin'}:/usr/bin:/bin")
    assert FileWorld(cwd).foreign_program("ls")
    assert not FileWorld(cwd).foreign_program("cat")


@pytest.fixture
def repository(cwd: Path) -> Path:
    subprocess.run(["git", "init", "-q"], cwd=cwd, check=True)
    return cwd


def test_an_ordinary_repository(repository: Path) -> None:
    assert FileWorld(repository).plain_git("")
    assert FileWorld(repository).plain_git("sub")
    with (repository / ".git/config").open("a") as file:
        file.write(
            '[remote "origin"]\n\turl = git@host.example:a/b.git\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n'
        )
    assert FileWorld(repository).plain_git("")


@pytest.mark.parametrize(
    "line",
    [
        "[core]\n\tfsmonitor = ./evil", "[core] fsmonitor = ./evil", "[CORE]\nFSMonitor=./evil", "[core]\n\tpager = evil",
        "[diff]\n\texternal = evil", '[diff "x"]\n\ttextconv = evil', '[filter "x"]\n\tclean = evil', "[alias]\n\tst = !evil",
        "[include]\n\tpath = evil", '[includeIf "gitdir:/"]\n\tpath = evil', "[core]\n\thooksPath = evil", "[gpg]\n\tprogram = evil",
        "[core]\n\tsshCommand = evil", "[extensions]\n\tworktreeConfig = true", "[core]\n\tbare = \\\nfalse", "[core]\n\teol = x # \\",
        "[log]\n\tshowSignature = true", "[core.x]\n\tpager=e", "]", "[core]\n\tbare = \u00e9",
    ],
)  # fmt: skip
def test_a_repository_whose_settings_may_run_programs(repository: Path, line: str) -> None:
    with (repository / ".git/config").open("a") as file:
        file.write(line + "\n")
    assert not FileWorld(repository).plain_git("")


def test_a_repository_with_more_in_it(repository: Path) -> None:
    (repository / ".git/hooks/post-index-change").parent.mkdir(exist_ok=True)
    (repository / ".git/hooks/post-index-change").touch()
    assert not FileWorld(repository).plain_git("")
    (repository / ".git/hooks/post-index-change").unlink()
    subprocess.run(["git", "init", "-q", "inner"], cwd=repository, check=True)
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.example"]
    subprocess.run(["git", *identity, "commit", "-q", "--allow-empty", "-m", "x"], cwd=repository / "inner", check=True)
    subprocess.run(["git", "add", "inner"], cwd=repository, check=True, capture_output=True)
    assert not FileWorld(repository).plain_git("")


def test_no_repository_and_a_bare_one(cwd: Path) -> None:
    assert not FileWorld(cwd).plain_git("")
    subprocess.run(["git", "init", "-q", "--bare"], cwd=cwd / "sub", check=True)
    assert not FileWorld(cwd).plain_git("sub")

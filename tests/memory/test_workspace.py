"""Which folder is the workspace, and how one is made: looking up creates nothing, nothing is overwritten."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from llmos.core.errors import ConfigError, StoreError
from llmos.memory.workspace import (
    Workspace,
    WorkspaceOrigin,
    check_home,
    find_workspace,
    home_folder,
    init_workspace,
    make_derived_folder,
)

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path / "user"), "LLMOS_HOME": str(tmp_path / "home")}


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def found(root: Path, origin: WorkspaceOrigin, env: dict[str, str]) -> Workspace:
    return Workspace(root, origin, Path(env["LLMOS_HOME"]))


def test_the_order_of_the_four_ways(tmp_path: Path, env: dict[str, str]) -> None:
    for name in ("flag", "variable", "project"):
        init_workspace(tmp_path / name)
    inside = tmp_path / "project" / "src" / "deep"
    inside.mkdir(parents=True)
    named = {**env, "LLMOS_WORKSPACE": str(tmp_path / "variable")}
    before = tree(tmp_path)
    assert [
        find_workspace(tmp_path / "flag", named, inside),
        find_workspace(None, named, inside),
        find_workspace(None, {**env, "LLMOS_WORKSPACE": ""}, inside),
        find_workspace(None, env, tmp_path),
    ] == [
        found(tmp_path / "flag", WorkspaceOrigin.FLAG, env),
        found(tmp_path / "variable", WorkspaceOrigin.ENVIRONMENT, env),
        found(tmp_path / "project", WorkspaceOrigin.PARENT, env),
        found(tmp_path / "home", WorkspaceOrigin.HOME, env),
    ]
    assert tree(tmp_path) == before


def test_names_relative_to_where_the_person_stands(tmp_path: Path, env: dict[str, str]) -> None:
    init_workspace(tmp_path / "user" / "w")
    expected = tmp_path / "user" / "w"
    assert find_workspace(Path("../w"), env, tmp_path / "user" / "x").root == expected
    assert find_workspace(None, {**env, "LLMOS_WORKSPACE": "~/w"}, tmp_path).root == expected


def test_the_nearest_parent_wins_and_other_programs_configs_are_passed_over(
    tmp_path: Path, env: dict[str, str]
) -> None:
    init_workspace(tmp_path / "outer")
    for name, text in {
        "a": b"format: other/1\n",
        "a/b": b"\xff\x00",
        "a/b/c": b"x: |\n  format: llmos-config/1\n",
    }.items():
        (tmp_path / "outer" / name).mkdir()
        (tmp_path / "outer" / name / "config.yaml").write_bytes(text)
    cwd = tmp_path / "outer" / "a" / "b" / "c" / "d"
    cwd.mkdir()
    os.mkfifo(cwd / "config.yaml")
    assert find_workspace(None, env, cwd).root == tmp_path / "outer"
    init_workspace(tmp_path / "outer" / "a" / "inner")
    assert find_workspace(None, env, tmp_path / "outer" / "a" / "inner").root == tmp_path / "outer" / "a" / "inner"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("none", "there is no workspace at {path} (from {origin}); create it with `llmos init {path}`"),
        ("empty", "{path} (from {origin}) is not a workspace yet; make it one with `llmos init {path}`"),
        ("file", "{path} (from {origin}) is not a folder; name the folder of the workspace"),
        (
            "other",
            "{path}/config.yaml (from {origin}) does not begin with `format: llmos-config/1`, "
            "so it is not a workspace of llmos",
        ),
    ],
)
def test_a_named_folder_must_be_a_workspace(tmp_path: Path, env: dict[str, str], name: str, sentence: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.yaml").write_text("port: 80\n")
    path = tmp_path / name
    for flag, variables, origin in (
        (path, env, "--workspace"),
        (None, {**env, "LLMOS_WORKSPACE": str(path)}, "LLMOS_WORKSPACE"),
    ):
        with pytest.raises(ConfigError) as caught:
            find_workspace(flag, variables, tmp_path)
        assert str(caught.value) == sentence.format(path=path, origin=origin)


def test_home_may_be_named_before_it_exists_and_is_known_through_links(tmp_path: Path, env: dict[str, str]) -> None:
    home = Path(env["LLMOS_HOME"])
    assert find_workspace(home, env, tmp_path) == found(home, WorkspaceOrigin.FLAG, env)
    init_workspace(home)
    (tmp_path / "link").symlink_to(home)
    assert find_workspace(tmp_path / "link", env, tmp_path).is_home
    init_workspace(tmp_path / "project")
    assert not find_workspace(tmp_path / "project", env, tmp_path).is_home


def test_where_home_is(tmp_path: Path) -> None:
    assert home_folder({"HOME": "/h"}) == Path("/h/.llmos")
    assert home_folder({"HOME": "/h", "LLMOS_HOME": "~/x"}) == Path("/h/x")
    assert home_folder({}) == Path("~/.llmos").expanduser()
    with pytest.raises(ConfigError, match="LLMOS_HOME must be an absolute path, not here"):
        home_folder({"LLMOS_HOME": "here"})
    with pytest.raises(ConfigError, match="HOME is not set to an absolute path"):
        home_folder({"HOME": "relative"})


@pytest.mark.parametrize("what", ["home", "home/config.yaml"])
@pytest.mark.parametrize("extra", [0o020, 0o002])
def test_a_home_that_others_can_write_is_refused(tmp_path: Path, env: dict[str, str], what: str, extra: int) -> None:
    init_workspace(tmp_path / "home")
    path = tmp_path / what
    path.chmod(path.stat().st_mode | extra)
    with pytest.raises(ConfigError) as caught:
        find_workspace(None, env, tmp_path)
    assert str(caught.value) == (
        f"{path} can be written by other users, so its settings are not trusted; run `chmod go-w {path}`"
    )


@root_only
@pytest.mark.parametrize("what", ["home", "home/config.yaml"])
def test_a_home_of_somebody_else_is_refused(tmp_path: Path, what: str) -> None:
    init_workspace(tmp_path / "home")
    os.chown(tmp_path / what, 65534, 65534)
    with pytest.raises(
        ConfigError, match=f"{what} belongs to another user .uid 65534., so its settings are not trusted"
    ):
        check_home(tmp_path / "home")


@root_only
@pytest.mark.parametrize("what", [".", "config.yaml"])
def test_a_found_workspace_of_somebody_else_must_be_named(tmp_path: Path, env: dict[str, str], what: str) -> None:
    project = tmp_path / "project"
    init_workspace(project)
    os.chown(project / what, 65534, 65534)
    with pytest.raises(ConfigError) as caught:
        find_workspace(None, env, project / "traces")
    assert str(caught.value) == (
        f"the workspace {project} belongs to another user (uid 65534); if you trust it, name it: "
        f"`--workspace {project}`"
    )
    assert find_workspace(project, env, project).root == project


def test_init_makes_everything_once_and_overwrites_nothing(tmp_path: Path) -> None:
    root = tmp_path / "w"
    created = init_workspace(root)
    names = ["traces", "memories/core", "memories/recall", "memories/archival", "memories/skills", ".gitignore"]
    assert created == [root / name for name in [*names, "config.yaml"]]
    assert tree(root) == sorted([*names, "config.yaml", "memories"])
    assert (root / ".gitignore").read_text() == "memories/recall/\nbackups/\n.llmos/\n"
    assert [path.stat().st_mode & 0o077 for path in (root, *created)] == [0] * 8
    contents = (root / "config.yaml").read_text().replace("#budget:", "budget:")
    (root / "config.yaml").write_text(contents)
    (root / "traces").rmdir()
    assert init_workspace(root) == [root / "traces"]
    assert (root / "config.yaml").read_text() == contents


def test_init_leaves_a_foreign_config_and_gitignore_alone(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("*.pyc")
    assert tmp_path / "memories/recall/.gitignore" in init_workspace(tmp_path)
    assert (tmp_path / ".gitignore").read_text() == "*.pyc"
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / "memories/recall/a.jsonl").write_text("{}")
    (tmp_path / ".llmos/index").write_text("x")
    status = subprocess.run(["git", "status", "-s", "-uall"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert status.stdout.split() == ["??", ".gitignore", "??", "config.yaml"]
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.yaml").write_text("port: 80\n")
    with pytest.raises(StoreError, match="exists already and is not an llmos config file; choose another folder"):
        init_workspace(tmp_path / "other")
    assert (tmp_path / "other" / "config.yaml").read_text() == "port: 80\n"


def test_the_places_of_a_workspace() -> None:
    w = Workspace(Path("/w"), WorkspaceOrigin.FLAG, Path("/h"))
    places = [w.traces, w.memories, w.core_blocks, w.recall, w.archival, w.skills, w.derived, w.config_file]
    assert [str(place) for place in places] == [
        "/w/traces",
        "/w/memories",
        "/w/memories/core",
        "/w/memories/recall",
        "/w/memories/archival",
        "/w/memories/skills",
        "/w/.llmos",
        "/w/config.yaml",
    ]


def test_the_derived_folder_comes_back_with_its_own_gitignore(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path, WorkspaceOrigin.FLAG, tmp_path / "home")
    assert make_derived_folder(workspace) == make_derived_folder(workspace) == tmp_path / ".llmos"
    assert (tmp_path / ".llmos" / ".gitignore").read_text() == "*\n"

"""What a step left created, changed or deleted, and bringing it back."""

from __future__ import annotations

import json
import os
import shutil
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmos.core.errors import StoreError
from llmos.core.tool import FileChanges, is_folded
from llmos.engine.backups import Backup, CopyPool, start_backup
from llmos.engine.changes import Limits, compare, snapshot
from llmos.engine.restore import read_manifest, restore

LONG_AGO = 1_000_000_000


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    for name, content in {"a.txt": "a\n", "b.txt": "b\n", "sub/c.txt": "c\n", "sub/deep/d.txt": "d\n"}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    (root / "empty").mkdir()
    (root / "link").symlink_to("a.txt")
    return root


def settle(root: Path) -> None:
    """Make the files old, so that an equal stamp proves an equal content."""
    for path in root.rglob("*"):
        if path.is_file() and not path.is_symlink():
            os.utime(path, (LONG_AGO, LONG_AGO))


# -------------------------------------------------------------------------------------------------------- differences


def nothing(root: Path) -> None:
    assert (root / "a.txt").read_text() == "a\n"


def write_same_size(root: Path) -> None:
    (root / "a.txt").write_text("x\n")


def write_same_size_and_time(root: Path) -> None:
    found = (root / "a.txt").stat()
    (root / "a.txt").write_text("x\n")
    os.utime(root / "a.txt", ns=(found.st_atime_ns, found.st_mtime_ns))


def rewrite_same_content(root: Path) -> None:
    (root / "new").write_text("a\n")
    (root / "new").rename(root / "a.txt")


def link_again(root: Path) -> None:
    (root / "link").unlink()
    (root / "link").symlink_to("b.txt")


def file_to_link(root: Path) -> None:
    (root / "a.txt").unlink()
    (root / "a.txt").symlink_to("b.txt")


def file_to_folder(root: Path) -> None:
    (root / "a.txt").unlink()
    (root / "a.txt").mkdir()


def odd_names(root: Path) -> None:
    (root / "ü 日本").touch()
    (root / "new\nline").touch()
    Path(os.fsdecode(os.fsencode(root) + b"/bad\xff")).touch()


@pytest.mark.parametrize(
    ("act", "expected"),
    [
        (nothing, FileChanges()),
        (lambda root: (root / "n").touch(), FileChanges(created=("n",))),
        (lambda root: (root / "n/m").mkdir(parents=True), FileChanges(created=("n/", "n/m/"))),
        (write_same_size, FileChanges(changed=("a.txt",))),
        (write_same_size_and_time, FileChanges(changed=("a.txt",))),
        (lambda root: (root / "sub/c.txt").write_text("longer\n"), FileChanges(changed=("sub/c.txt",))),
        (lambda root: (root / "a.txt").touch(), FileChanges()),
        (rewrite_same_content, FileChanges()),
        (lambda root: (root / "a.txt").chmod(0o755), FileChanges(changed=("a.txt",))),
        (lambda root: (root / "sub").chmod(0o700), FileChanges()),
        (lambda root: (root / "a.txt").unlink(), FileChanges(deleted=("a.txt",))),
        (lambda root: (root / "a.txt").rename(root / "z"), FileChanges(created=("z",), deleted=("a.txt",))),
        (
            lambda root: (root / "sub").rename(root / "moved"),
            FileChanges(
                created=("moved/", "moved/c.txt", "moved/deep/", "moved/deep/d.txt"),
                deleted=("sub/", "sub/c.txt", "sub/deep/", "sub/deep/d.txt"),
            ),
        ),
        (lambda root: (root / "empty").rmdir(), FileChanges(deleted=("empty/",))),
        (link_again, FileChanges(changed=("link",))),
        (file_to_link, FileChanges(changed=("a.txt",))),
        (file_to_folder, FileChanges(created=("a.txt/",), deleted=("a.txt",))),
        (lambda root: os.mkfifo(root / "pipe"), FileChanges(created=("pipe",))),
        (lambda root: (root / "out").symlink_to("/etc"), FileChanges(created=("out",))),
        (odd_names, FileChanges(created=("bad\udcff", "new\nline", "ü 日本"))),
        (
            shutil.rmtree,
            FileChanges(
                deleted=(
                    *("a.txt", "b.txt", "empty/", "link"),
                    *("sub/", "sub/c.txt", "sub/deep/", "sub/deep/d.txt"),
                )
            ),
        ),
    ],
)
@pytest.mark.parametrize("old_files", [True, False])
def test_differences(root: Path, act, expected: FileChanges, old_files: bool) -> None:  # type: ignore[no-untyped-def]
    if old_files:
        settle(root)
    before = snapshot(root)
    act(root)
    assert compare(before, snapshot(root, earlier=before)) == expected
    assert compare(before, snapshot(root)) == expected


def test_large_files_are_compared_without_reading(root: Path) -> None:
    limits = Limits(max_hash_bytes=1)
    settle(root)
    before = snapshot(root, limits=limits)
    assert {entry.digest for entry in before.entries.values() if entry.kind == "file"} == {None}
    assert compare(before, snapshot(root, limits=limits)) == FileChanges()
    write_same_size_and_time(root)
    assert compare(before, snapshot(root, limits=limits)) == FileChanges(changed=("a.txt",))


def test_the_bytes_that_are_read_are_bounded(root: Path) -> None:
    found = snapshot(root, limits=Limits(max_total_hash_bytes=4))
    assert sum(entry.digest is not None for entry in found.entries.values() if entry.kind == "file") == 2
    assert found.complete


# ------------------------------------------------------------------------------------------------------------- folded


@pytest.mark.parametrize("name", [".git", "node_modules", "__pycache__", ".venv", ".llmos"])
def test_folded_folders_are_one_entry(root: Path, name: str) -> None:
    (root / "sub" / name / "objects").mkdir(parents=True)
    (root / "sub" / name / "HEAD").write_text("x")
    before = snapshot(root)
    assert [path for path in before.entries if name in path] == [f"sub/{name}/"]
    assert compare(before, snapshot(root)) == FileChanges()
    (root / "sub" / name / "objects" / "ab").write_text("new")
    assert compare(before, snapshot(root)) == FileChanges(changed=(f"sub/{name}/",))
    shutil.rmtree(root / "sub" / name)
    assert compare(before, snapshot(root)) == FileChanges(deleted=(f"sub/{name}/",))


def test_a_file_with_a_folded_name_is_a_file(root: Path) -> None:
    before = snapshot(root)
    (root / ".git").write_text("gitdir: elsewhere\n")
    assert compare(before, snapshot(root)) == FileChanges(created=(".git",))


def test_is_folded() -> None:
    folded = {path: is_folded(path) for path in (".git/", "a/.git/", "a/.git/config", ".git", "a.git/", "git/x", "a")}
    assert folded == {
        ".git/": True,
        "a/.git/": True,
        "a/.git/config": True,
        ".git": False,
        "a.git/": False,
        "git/x": False,
        "a": False,
    }


def test_the_top_of_a_large_folded_folder_still_counts(root: Path) -> None:
    (root / ".git" / "objects").mkdir(parents=True)
    (root / ".git" / "HEAD").write_text("one")
    for n in range(30):
        (root / ".git" / "objects" / f"{n:02}").touch()
    limits = Limits(max_folded_entries=10)
    before = snapshot(root, limits=limits)
    (root / ".git" / "HEAD").write_text("other")
    assert compare(before, snapshot(root, limits=limits)) == FileChanges(changed=(".git/",))


# ----------------------------------------------------------------------------------------------------------- too many


def test_too_many_entries_are_said_and_nothing_is_concluded_from_absence(root: Path) -> None:
    for n in range(30):
        (root / "sub" / "deep" / f"{n:02}").touch()
    limits = Limits(max_entries=20)
    before = snapshot(root, limits=limits)
    assert not before.complete
    (root / "sub" / "deep" / "new").touch()
    (root / "b.txt").unlink()
    (root / "a.txt").write_text("changed")
    (root / "made").mkdir()
    after = snapshot(root, limits=limits)
    assert compare(before, after) == FileChanges(
        created=("made/",), changed=("a.txt",), deleted=("b.txt",), complete=False
    )


def test_what_falls_out_of_the_limit_is_not_taken_for_deleted(root: Path) -> None:
    limits = Limits(max_entries=len(snapshot(root).entries))
    before = snapshot(root, limits=limits)
    assert before.complete
    (root / "n").touch()
    after = snapshot(root, limits=limits)
    assert compare(before, after) == FileChanges(created=("n",), complete=False)
    assert compare(after, before) == FileChanges(deleted=("n",), complete=False)


# ------------------------------------------------------------------------------------------------------------ backups


def step(root: Path, folder: Path, act, **options) -> tuple[Backup, Path | None]:  # type: ignore[no-untyped-def]
    """One step as the engine takes it: look, copy, act, look, keep."""
    before = snapshot(root)
    backup = start_backup(root, folder, before=before, **options)
    act(root)
    return backup, backup.finish(compare(before, snapshot(root)), when=datetime(2026, 11, 22, 9, 30, tzinfo=UTC))


def wreck(root: Path) -> None:
    (root / "a.txt").write_bytes(b"\0\xffwrecked")
    (root / "b.txt").chmod(0o600)
    (root / "link").unlink()
    (root / "created").touch()
    shutil.rmtree(root / "sub")
    (root / "empty").rmdir()


def test_a_wrecked_folder_comes_back(root: Path, tmp_path: Path) -> None:
    (root / "sub" / "deep" / "d.txt").write_bytes(os.urandom(3_000_000))
    (root / "sub").chmod(0o750)
    whole = Limits(max_hash_bytes=10_000_000)
    before = snapshot(root, limits=whole)
    _, kept = step(root, tmp_path / "kept", wreck)
    assert kept == tmp_path / "kept"
    assert restore(kept) == ("a.txt", "b.txt", "link", "sub/c.txt", "sub/deep/d.txt")
    assert compare(before, snapshot(root, limits=whole)) == FileChanges(created=("created",))
    assert stat.S_IMODE((root / "sub").stat().st_mode) == 0o750
    assert restore(kept) == ()


def test_only_what_was_touched_is_kept_and_it_is_owner_only(root: Path, tmp_path: Path) -> None:
    _, kept = step(root, tmp_path / "kept", lambda root: (root / "a.txt").unlink())
    assert kept is not None
    assert sorted(str(path.relative_to(kept)) for path in kept.rglob("*")) == ["backup.json", "files", "files/a.txt"]
    assert json.loads((kept / "backup.json").read_text()) == {
        "format": "llmos-backup/1",
        "root": str(root),
        "when": "2026-11-22T09:30:00+00:00",
        "files": [
            {
                "path": "a.txt",
                "kind": "file",
                "sha256": "87428fc522803d31065e7bce3cf03fe475096631e5e07bbd7a0fde60c4cf25c7",
                "size": 2,
                "mode": stat.S_IMODE((root / "b.txt").stat().st_mode),
                "after": "absent",
            }
        ],
        "folders": [],
        "not_kept": [],
    }
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (kept, *kept.rglob("*"))}
    assert modes == {0o700, 0o600}


@pytest.mark.parametrize("act", [nothing, lambda root: (root / "n").touch(), lambda root: (root / "a.txt").touch()])
def test_nothing_to_keep_leaves_no_folder(root: Path, tmp_path: Path, act) -> None:  # type: ignore[no-untyped-def]
    backup, kept = step(root, tmp_path / "kept", act)
    assert (backup.kept, kept, (tmp_path / "kept").exists()) == (True, None, False)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"max_files": 3}, "4 files are more than the 3 that are copied"),
        ({"max_bytes": 7}, "8 bytes are more than the 7 that are copied"),
    ],
)
def test_over_the_caps_nothing_is_copied(root: Path, tmp_path: Path, options: dict[str, int], reason: str) -> None:
    backup, kept = step(root, tmp_path / "kept", wreck, **options)
    assert (backup.kept, backup.reason, kept, (tmp_path / "kept").exists()) == (False, reason, None, False)


def test_a_folder_that_was_not_taken_in_whole_is_not_backed_up(root: Path, tmp_path: Path) -> None:
    backup = start_backup(root, tmp_path / "kept", before=snapshot(root, limits=Limits(max_entries=3)))
    assert (backup.kept, backup.reason) == (False, "the folder is too large, or a part of it may not be read")


def test_folded_folders_are_said_to_be_not_kept(root: Path, tmp_path: Path) -> None:
    (root / ".git").mkdir()
    (root / ".git" / "HEAD").write_text("x")

    def act(root: Path) -> None:
        shutil.rmtree(root / ".git")
        (root / "a.txt").unlink()

    _, kept = step(root, tmp_path / "kept", act)
    assert kept is not None
    assert read_manifest(kept).not_kept == (".git/",)


def test_only_the_named_paths_are_copied(root: Path, tmp_path: Path) -> None:
    (root / ".git").mkdir()
    (root / ".git" / "config").write_text("old")

    def act(root: Path) -> None:
        (root / ".git" / "config").write_text("newer")
        (root / "a.txt").write_text("through the link")

    only = (".git/config", "link", "gone", "../outside", "sub", "a\0b", str(root / "b.txt"))
    _, kept = step(root, tmp_path / "kept", act, only=only)
    assert kept is not None
    assert restore(kept) == (".git/config", "a.txt")
    assert ((root / ".git" / "config").read_text(), (root / "a.txt").read_text()) == ("old", "a\n")


def test_the_pool_copies_a_content_once_in_a_turn(root: Path, tmp_path: Path) -> None:
    settle(root)
    pool = CopyPool(tmp_path / "pool" / "copies")
    _, first = step(root, tmp_path / "1", lambda root: (root / "a.txt").write_text("longer\n"), pool=pool)
    size = pool.path.stat().st_size
    _, second = step(root, tmp_path / "2", lambda root: (root / "b.txt").unlink(), pool=pool)
    assert pool.path.stat().st_size == size + len("longer\n")
    pool.close()
    assert list((tmp_path / "pool").iterdir()) == []
    assert first is not None
    assert second is not None
    assert (restore(second), restore(first)) == (("b.txt",), ("a.txt",))
    assert ((root / "a.txt").read_text(), (root / "b.txt").read_text()) == ("a\n", "b\n")


# ------------------------------------------------------------------------------------------------------------ restore


def test_a_file_that_changed_again_is_not_overwritten_unless_told_to(root: Path, tmp_path: Path) -> None:
    _, kept = step(root, tmp_path / "kept", wreck)
    assert kept is not None
    (root / "a.txt").write_text("work of a person\n")
    with pytest.raises(StoreError, match=r"^a\.txt changed again after this backup; restore with force"):
        restore(kept)
    assert not (root / "sub").exists()
    assert "a.txt" in restore(kept, force=True)
    assert (root / "a.txt").read_text() == "a\n"


def test_a_folder_in_the_way_is_never_removed(root: Path, tmp_path: Path) -> None:
    _, kept = step(root, tmp_path / "kept", file_to_folder)
    assert kept is not None
    (root / "a.txt" / "work").touch()
    with pytest.raises(StoreError, match=r"^a\.txt is not a file now"):
        restore(kept, force=True)
    assert (root / "a.txt" / "work").exists()


def test_restoring_follows_no_link(root: Path, tmp_path: Path) -> None:
    _, kept = step(root, tmp_path / "kept", lambda root: shutil.rmtree(root / "sub"))
    assert kept is not None
    (tmp_path / "elsewhere").mkdir()
    (root / "sub").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="cannot restore below"):
        restore(kept, force=True)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_damaged_copy_is_not_restored(root: Path, tmp_path: Path) -> None:
    _, kept = step(root, tmp_path / "kept", wreck)
    assert kept is not None
    (kept / "files" / "a.txt").write_text("b\n")
    with pytest.raises(StoreError, match=r"the copy of a\.txt .* is damaged; nothing was restored"):
        restore(kept)
    assert not (root / "sub").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": "llmos-backup/2"}, "newer llmos"),
        ({"format": "llmos-trace/1"}, "expected llmos-backup/1"),
        ({"files": 3}, "not a whole backup manifest"),
        ({"files": [{"path": "../x", "kind": "link", "target": "y", "after": "absent"}]}, "not a whole"),
        ({"files": [{"path": "/x", "kind": "link", "target": "y", "after": "absent"}]}, "not a whole"),
        ({"folders": [{"path": "a/../../x/", "mode": 448}]}, "not a whole"),
    ],
)
def test_a_manifest_that_cannot_be_trusted_is_refused(
    root: Path, tmp_path: Path, change: dict[str, object], said: str
) -> None:
    _, kept = step(root, tmp_path / "kept", wreck)
    assert kept is not None
    manifest = json.loads((kept / "backup.json").read_text())
    (kept / "backup.json").write_text(json.dumps(manifest | change))
    with pytest.raises(StoreError, match=said):
        restore(kept, force=True)


def test_a_missing_backup_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"backup\.json: it does not exist"):
        restore(tmp_path)


# --------------------------------------------------------------------------------------------------------- properties

NAMES = ("a", "b", "c/a", "c/d/a", "e/a")
TREES = st.dictionaries(
    st.sampled_from(NAMES), st.tuples(st.binary(max_size=5), st.sampled_from([0o600, 0o644, 0o755])), max_size=5
)


def plant(root: Path, tree: dict[str, tuple[bytes, int]]) -> None:
    for name, (content, mode) in tree.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(mode)


def read_tree(root: Path) -> dict[str, tuple[bytes, int]]:
    return {
        path.relative_to(root).as_posix(): (path.read_bytes(), stat.S_IMODE(path.stat().st_mode))
        for path in root.rglob("*")
        if path.is_file()
    }


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(old=TREES, new=TREES)
def test_changes_are_exact_and_every_old_file_comes_back(
    tmp_path: Path, old: dict[str, tuple[bytes, int]], new: dict[str, tuple[bytes, int]]
) -> None:
    root = tmp_path / "root"
    shutil.rmtree(root, ignore_errors=True)
    shutil.rmtree(tmp_path / "kept", ignore_errors=True)
    root.mkdir()
    plant(root, old)

    def act(root: Path) -> None:
        for path in list(root.iterdir()):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        plant(root, new)

    before = snapshot(root)
    _, kept = step(root, tmp_path / "kept", act)
    found = compare(before, snapshot(root))
    files = [{p for p in paths if not p.endswith("/")} for paths in (found.created, found.changed, found.deleted)]
    assert files == [
        new.keys() - old.keys(),
        {name for name in old.keys() & new.keys() if old[name] != new[name]},
        old.keys() - new.keys(),
    ]
    if kept is not None:
        restore(kept)
    assert read_tree(root) == new | old

"""Nothing that llmos writes can be read by others, whatever the umask; no link leads an index to another file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from bad_files import look, make_store

OWN_FILES = {"work", "work/a.txt", "AGENTS.md", "config.yaml", "home/config.yaml"}
"""What the test itself writes into the store."""


def test_folders_are_0700_and_files_0600_under_any_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        make_store(tmp_path / "store")
        look(tmp_path / "store")
    finally:
        os.umask(before)
    root = tmp_path / "store"
    modes = {str(path.relative_to(root)): path.stat().st_mode & 0o777 for path in [root, *root.rglob("*")]}
    assert {path: oct(mode) for path, mode in modes.items() if mode & 0o077 and path not in OWN_FILES} == {}
    assert len(modes) > 40


@pytest.mark.parametrize("name", ["traces.sqlite", "memory.sqlite"])
@pytest.mark.parametrize("there", [True, False])
def test_an_index_that_is_a_link_is_not_followed(tmp_path: Path, name: str, there: bool) -> None:
    root, target = tmp_path / "store", tmp_path / "somebody-s"
    make_store(root)
    if there:
        target.touch(0o644)
    index = root / ".llmos" / name
    index.unlink()
    index.symlink_to(target)
    seen = look(root)
    assert (seen.broke, seen.refused) == ({}, {})
    assert target.exists() == there
    assert not there or (target.read_bytes(), target.stat().st_mode & 0o777) == (b"", 0o644)

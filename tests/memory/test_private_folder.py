"""The folder that commands see as /tmp: whose it is next."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from llmos.app import App, AppOptions
from llmos.memory.private_folder import PrivateFolder


@pytest.mark.parametrize(
    ("done", "as_made"),
    [
        (lambda folder: None, True),
        (lambda folder: (folder / "note").write_text("x"), False),
        (lambda folder: (folder / ".hidden").mkdir(), False),
        (lambda folder: folder.chmod(0o755), False),
        (lambda folder: folder.rmdir(), False),
    ],
)
def test_a_folder_is_as_made_when_nothing_was_done_in_it_or_to_it(
    done: Callable[[Path], object], as_made: bool
) -> None:
    folder = PrivateFolder()
    try:
        done(folder.path)
        assert folder.is_as_made is as_made
    finally:
        folder.remove()


async def test_the_next_session_has_the_folder_of_one_that_left_nothing_and_no_other(tmp_path: Path) -> None:
    app = App.open(AppOptions(), cwd=tmp_path, environ={"LLMOS_HOME": str(tmp_path / "home"), "HOME": str(tmp_path)})
    seen: list[Path] = []
    try:
        for session in ("one", "two", "three"):
            beside = app.beside(tmp_path, session)
            assert beside.boundary.sandbox is not None
            private = beside.boundary._commands_tmp
            assert private is not None
            assert list(private.path.iterdir()) == []
            seen.append(private.path)
            if session == "two":
                (private.path / "note").write_text("of two")
            await beside.close()
        assert seen[0] == seen[1] != seen[2]
    finally:
        await app.close()
    assert not any(path.exists() for path in seen)

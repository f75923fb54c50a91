"""Keys that need a real terminal: the editor, the permission mode, the decision whole."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from terminal_world import terminal

from llmos.interfaces.prompt_keys import KEYS, PromptActions, prompt_bindings
from llmos.testing import FakeMessagesServer, reply, text, tool_use

pytestmark = pytest.mark.slow


def test_the_editor_the_mode_and_the_decision(
    work: Path, api: FakeMessagesServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nprintf "%s and more" "$(cat "$1")" > "$1.new"; mv "$1.new" "$1"\n')
    editor.chmod(0o755)
    monkeypatch.setenv("EDITOR", str(editor))
    monkeypatch.delenv("VISUAL", raising=False)
    nap = f"sleep 300.4{os.getpid()}"
    api.add(reply(tool_use("shell", {"command": f"touch begun; {nap}"})), reply(text("Stopped.")))
    with terminal() as screen:
        screen.wait_for_prompt()
        screen.send("first")
        screen.wait_for_prompt("first")
        screen.send("\x07")
        screen.wait_for_prompt("first and more")
        screen.send("\x18\x05")
        screen.wait_for_prompt("first and more and more")
        for words in ("edits files here, asks before commands", "runs commands and edits without asking"):
            screen.send("\x1b[Z")
            screen.wait_for(words)
        screen.wait(lambda lines: lines[-1].startswith("mode: trusted"))
        screen.send("\r")
        screen.wait(lambda _: (work / "begun").exists())  # nobody was asked
        screen.send("\x1b[Z")
        screen.wait(lambda lines: any("only looks, changes nothing · mode: read-only" in line for line in lines))
        screen.send("\x0f")
        screen.wait_for("decision    LEARNER, confidence 0.00; a replay needs")
        screen.send("\x1b")
        screen.wait_for_prompt()
        screen.send("\x0f")
        screen.wait(lambda lines: sum("decision    LEARNER" in line for line in lines) == 2)
        screen.send("\x04")
        assert screen.wait_for_end() == 0


def test_what_the_table_lists_is_bound() -> None:
    actions = PromptActions(lambda: None, lambda: None, lambda: None, lambda _: None)
    bound = {
        "+".join(str(getattr(key, "value", key)) for key in binding.keys)
        for binding in prompt_bindings(actions, monotonic=time.monotonic).bindings
    }
    assert bound == {"c-m", "escape+c-m", "c-j", "c-c", "c-g", "c-x+c-e", "s-tab", "?", "c-o"}
    listed = " ".join(key for key, _ in KEYS)
    assert all(
        name in listed for name in ("Enter", "Alt+Enter", "Ctrl+J", "Ctrl+C", "Ctrl+G", "Shift+Tab", "?", "Ctrl+O")
    )

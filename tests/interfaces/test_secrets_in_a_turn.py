"""A turn that met a secret: it is kept without it, and is not replayed from what is kept."""

from __future__ import annotations

from pathlib import Path

from conftest import World

from llmos.core.errors import NoModelError
from llmos.core.events import Mode
from llmos.core.messages import ToolCall
from llmos.core.ports import Model
from llmos.interfaces.history import prompt_history
from llmos.memory.workspace import Workspace, WorkspaceOrigin
from llmos.testing import ScriptedModel, model_reply

SECRET = "hunter2-is-long"


def no_model() -> Model:
    raise NoModelError("no model can answer")


async def test_a_run_whose_step_held_a_secret_is_kept_without_it_and_not_replayed(world: World) -> None:
    (world.cwd / "app.env").write_text(f"DB_PASSWORD={SECRET}\nPORT=80\n")
    call = ToolCall("c1", "shell", {"command": f"grep -c DB_PASSWORD={SECRET} app.env"})
    model = ScriptedModel([model_reply(call), model_reply("1")])
    first = await world.dispatcher(model).dispatch("count the lines with the password in app.env")
    assert (first.mode, first.answer) == (Mode.LEARNER, "1")
    # Copies of the person's own files are what they were: /undo must give them back.
    stored = [path for path in world.workspace.rglob("*") if path.is_file() and "backups" not in path.parts]
    assert stored and not [path for path in stored if SECRET.encode() in path.read_bytes()]
    second = await world.dispatcher(no_model).dispatch("count the lines with the password in app.env")
    assert second.mode is not Mode.FOLLOWER
    assert "it held a secret, which is not kept" in " ".join(second.reasons)


def test_the_history_of_the_prompt_has_no_secret(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path, WorkspaceOrigin.FLAG, tmp_path / "home")
    history = prompt_history(workspace)
    history.append_string(f"log in with password={SECRET}")
    assert history.get_strings() == [f"log in with password={SECRET}"]
    assert list(prompt_history(workspace).load_history_strings()) == ["log in with password=[redacted:named value]"]

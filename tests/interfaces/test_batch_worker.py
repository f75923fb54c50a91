"""A worker has never weaker rights than the batch that it works for: with others, it refuses the goal."""

from __future__ import annotations

import os
import platform
from dataclasses import replace
from pathlib import Path

from llmos.app import AppOptions
from llmos.core.batch import GoalDone, GoalJob
from llmos.core.sandbox import BUBBLEWRAP
from llmos.interfaces.batch_worker import Rights, WorkerSpec, make_worker, rights_of
from llmos.interfaces.goal_runner import GoalRunner, RunnerOptions
from llmos.testing import FakeMessagesServer, reply, text, tool_use

ORDINARY = AppOptions()


async def done_by_worker(work: Path, rights: Rights, root: Path, app: AppOptions = ORDINARY) -> GoalDone:
    options = RunnerOptions(app, yes=True)
    worker = make_worker(WorkerSpec(options, {str(root): rights}), "w1")
    try:
        return await worker.run(GoalJob("k", "g", "say hello in hello.txt", str(work), None, "0a0a0a0a"))
    finally:
        await worker.close()


async def here(work: Path, app: AppOptions = ORDINARY) -> tuple[Rights, Path]:
    runner = GoalRunner(RunnerOptions(app), workers=1, environ=os.environ)
    try:
        opened = runner.app_for(work)
        return rights_of(opened), opened.workspace.root
    finally:
        await runner.close()


async def test_with_the_same_rights_the_goal_is_run(api: FakeMessagesServer, work: Path) -> None:
    api.add(reply(tool_use("shell", {"command": "echo hello > hello.txt"})), reply(text("Written.")))
    rights, root = await here(work)
    assert (await done_by_worker(work, rights, root)).status == "ok"
    assert (work / "hello.txt").read_text() == "hello\n"


async def test_with_other_settings_rules_or_another_key_it_is_not(api: FakeMessagesServer, work: Path) -> None:
    rights, root = await here(work)
    done = await done_by_worker(work, replace(rights, digest="of another machine"), root)
    assert done.status == "failed"
    assert done.reason.startswith(
        f"{platform.node()} has other settings, rules or another signing key than where the batch was started, so the "
        "goal was not run; share "
    )
    assert not (work / "hello.txt").exists()
    assert api.requests == []


async def test_with_a_weaker_sandbox_it_is_not(api: FakeMessagesServer, work: Path) -> None:
    nothing_holds = AppOptions(unsafe_no_sandbox=True)
    rights, root = await here(work, nothing_holds)
    assert not rights.tier.isolates
    done = await done_by_worker(work, replace(rights, tier=BUBBLEWRAP), root, nothing_holds)
    assert (done.status, done.reason) == (
        "denied",
        f"the sandbox of {platform.node()} ({rights.tier.name}) holds commands back less than where the batch was "
        "started (bubblewrap), so the goal was not run; `llmos doctor` there says what is missing",
    )
    assert api.requests == []

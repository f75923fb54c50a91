"""A worker of a batch in another process or on another machine: the same runner, with rights that are never weaker."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from llmos.app import App
from llmos.app_boundary import same_rights
from llmos.core.dataclass import dataclass
from llmos.core.errors import ConfigError, NoSandboxError
from llmos.core.redact_rules import SECRET_VARIABLE
from llmos.core.sandbox import SandboxTier, is_weaker
from llmos.interfaces.goal_runner import GoalRunner, RunnerOptions

_TAKEN_ALONG = ("HOME", "LANG", "TZ", "ANTHROPIC_BASE_URL")


@dataclass(frozen=True, slots=True)
class Rights:
    """What holds where the batch was started, for one workspace."""

    digest: str
    tier: SandboxTier


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """What a worker is told; `rights` by the folder of the workspace."""

    options: RunnerOptions
    rights: Mapping[str, Rights]


def rights_of(app: App) -> Rights:
    return Rights(same_rights(app.config, app.workspace), app.sandbox_tier)


def rights_check(rights: Mapping[str, Rights]) -> Callable[[App], None]:
    """What refuses to work where the rights are other ones than where the batch was started."""

    def check(app: App) -> None:
        """Raises ConfigError, NoSandboxError."""
        root, host = app.workspace.root, platform.node()
        wanted = rights.get(str(root))
        if wanted is None or same_rights(app.config, app.workspace) != wanted.digest:
            raise ConfigError(
                f"{host} has other settings, rules or another signing key than where the batch was started, so the "
                f"goal was not run; share {root} and {app.workspace.home} with its .key and .money between the machines"
            )
        if is_weaker(app.sandbox_tier, wanted.tier):
            raise NoSandboxError(
                f"the sandbox of {host} ({app.sandbox_tier.name}) holds commands back less than where the batch was "
                f"started ({wanted.tier.name}), so the goal was not run; `llmos doctor` there says what is missing"
            )

    return check


def make_worker(spec: WorkerSpec, name: str) -> GoalRunner:
    """The worker of this name, in the process where it is to live; its agents are actors of their own."""
    from llmos.adapters.ray_agents import RayAgents
    from llmos.interfaces.agent_worker import make_agent

    agents = RayAgents(partial(make_agent, spec), environment_for_workers(os.environ))
    options = replace(spec.options, app=replace(spec.options.app, worker=name))
    return GoalRunner(options, workers=1, environ=os.environ, check=rights_check(spec.rights), agents=agents)


def environment_for_workers(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that a worker is given. No secrets: a key for a model must be in the environment of its machine."""
    named = {name: value for name, value in environ.items() if name.startswith("LLMOS_") or name in _TAKEN_ALONG}
    return {name: value for name, value in named.items() if not SECRET_VARIABLE.search(name)}

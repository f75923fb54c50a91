"""The Executor port on Ray: each worker is an actor, a process that lives as long as the batch, on any machine of a
cluster. Without an address a cluster of this machine alone is started and ended with the batch.

Ray is imported here and nowhere else, with its usage reports off. A cluster that is started here listens on the
loopback interface only, asks for a token that only this user can read, and leaves nothing in the home folder.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import secrets
import shutil
import socket
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack, redirect_stdout, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from llmos.core.batch import Effects, GoalDone, GoalJob
from llmos.core.errors import UsageError, WorkerLostError

_STOP_S = 15.0
"""How long a worker may take to stop a goal; then it is ended itself."""
_ANSWER_S = 5.0
_STORE_BYTES = 80 * 1024 * 1024
"""Of shared memory for each node: goals and their ends are small."""
_AT_ONCE = 4
"""Calls that a worker takes at once: a goal, and what stops it."""


class Worker(Protocol):
    """What an actor is made of: one goal at a time."""

    async def run(self, job: GoalJob) -> GoalDone: ...

    async def close(self) -> None: ...


MakeWorker = Callable[[str], Worker]
"""Makes the worker of this name, in the process where it is to live. A function that the other machines have too."""


class RayExecutor:
    """Raises UsageError where Ray is not installed, or no cluster answers at `address`.

    `environ` is set for the workers; secrets do not belong in it, for Ray keeps it. `workers` None: one for each
    processor of the cluster.
    """

    def __init__(
        self, make: MakeWorker, *, workers: int | None, address: str | None, environ: Mapping[str, str]
    ) -> None:
        self._folder: Path | None = None
        self._held = ExitStack()
        # A thread of Ray writes what it has to say of workers to standard output, where the results stand.
        self._held.enter_context(redirect_stdout(self._held.enter_context(open(os.devnull, "w"))))  # noqa: PTH123, SIM115
        try:
            self._ray = self._start(address)
        except BaseException:
            self._leave()
            raise
        self._make = make
        self._environ = dict(environ)
        self._actor_class = self._ray.remote(num_cpus=0, max_restarts=0, max_task_retries=0, max_concurrency=_AT_ONCE)(
            _Actor
        )
        self.workers = workers or max(1, int(self._ray.cluster_resources().get("CPU", 1)))
        self._free: asyncio.Queue[_Handle] = asyncio.Queue()
        self._all: list[_Handle] = []
        self._made = 0
        for _ in range(self.workers):
            self._free.put_nowait(self._new())

    async def run(self, job: GoalJob) -> GoalDone:
        handle = await self._free.get()
        try:
            done = await self._run(handle, job)
        except self._ray.exceptions.RayError as error:
            self._ray.kill(handle.actor)
            self._all.remove(handle)
            self._free.put_nowait(self._new())
            raise WorkerLostError(handle.name, type(error).__name__) from None
        self._free.put_nowait(handle)
        return replace(done, worker=handle.name)

    async def _run(self, handle: _Handle, job: GoalJob) -> GoalDone:
        running = handle.actor.run.remote(job)
        try:
            done: GoalDone = await running
        except asyncio.CancelledError:
            handle.actor.stop.remote()
            try:
                async with asyncio.timeout(_STOP_S):
                    done = await running
            except (self._ray.exceptions.RayError, TimeoutError):
                self._ray.kill(handle.actor)
                done = GoalDone("interrupted", "its worker was ended with it", effects=Effects.UNKNOWN, exit_code=130)
        return done

    async def close(self) -> None:
        """End the workers, and Ray where it was started here."""
        closing = [handle.actor.close.remote() for handle in self._all]
        if closing:
            with suppress(self._ray.exceptions.RayError, TimeoutError, asyncio.CancelledError):
                async with asyncio.timeout(_STOP_S):
                    await asyncio.gather(*closing, return_exceptions=True)
        for handle in self._all:
            with suppress(self._ray.exceptions.RayError):
                self._ray.kill(handle.actor)
        self._all.clear()
        self._ray.shutdown()
        self._leave()

    def _leave(self) -> None:
        self._held.close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    # -------------------------------------------------------------------------------------------------- starting

    def _new(self) -> _Handle:
        """A worker on the next machine in turn. Its name is its own for ever, and begins with that of the machine."""
        nodes = sorted(node["NodeID"] for node in self._ray.nodes() if node["Alive"])
        node = nodes[self._made % len(nodes)]
        self._made += 1
        name = f"ray-{node[:8]}-{secrets.token_hex(4)}"
        place = self._ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(node, soft=True)
        actor = self._actor_class.options(scheduling_strategy=place).remote(self._make, name, self._environ)
        self._all.append(handle := _Handle(name, actor))
        return handle

    def _start(self, address: str | None) -> Any:
        if address is not None:
            _require_answer(address)
        settings = {"RAY_USAGE_STATS_ENABLED": "0"}
        quiet: dict[str, Any] = {"log_to_driver": False, "configure_logging": False, "logging_level": "ERROR"}
        if address is None:
            self._folder = Path(tempfile.mkdtemp(prefix="lr-", dir=_short_temporary()))
            settings |= private_cluster(self._folder)
            quiet |= {"include_dashboard": False, "object_store_memory": _STORE_BYTES}
        if address is None or _is_loopback(address):
            settings["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # also where it is neither: it then binds to loopback
            quiet["_node_ip_address"] = "127.0.0.1"
        os.environ.update(settings)
        try:
            import ray
            import ray.exceptions
            import ray.util.scheduling_strategies
        except ImportError:
            raise UsageError("--executor ray needs Ray: pip install 'llmos[ray]'") from None
        temporary: dict[str, Any] = {"_temp_dir": str(self._folder / "ray")} if self._folder is not None else {}
        try:
            ray.init(address=address or "local", **quiet, **temporary)
        except (ConnectionError, ValueError, RuntimeError, TimeoutError, OSError) as error:
            said = str(error).strip().splitlines()
            why = f" ({said[0]})" if said else ""
            raise UsageError(f"no Ray cluster answers at {address}{why}; `ray status` shows whether it runs") from None
        return ray


class _Handle:
    """A worker as this process knows it."""

    def __init__(self, name: str, actor: Any) -> None:
        self.name = name
        self.actor = actor


class _Actor:
    """A worker in its own process. It works on one goal; meanwhile it can be told to stop it."""

    def __init__(self, make: MakeWorker, name: str, environ: Mapping[str, str]) -> None:
        os.environ.update(environ)
        self._worker = make(name)
        self._running: asyncio.Task[GoalDone] | None = None

    async def run(self, job: GoalJob) -> GoalDone:
        self._running = asyncio.ensure_future(self._worker.run(job))
        return await self._running

    async def stop(self) -> None:
        if self._running is not None:
            self._running.cancel()

    async def close(self) -> None:
        await self._worker.close()


def private_cluster(folder: Path) -> dict[str, str]:
    """The variables of a cluster that keeps its files in `folder` and its token there; the folder is made ready."""
    (folder / "ray").mkdir(mode=0o700)
    token = folder / "token"
    token.touch(mode=0o600)
    token.write_text(secrets.token_hex(32))
    return {"RAY_TMPDIR": str(folder), "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token)}


def _short_temporary() -> str | None:
    """Where names stay short enough for the sockets that Ray puts there; None for the usual folder."""
    usual = tempfile.gettempdir()
    return "/tmp" if len(usual) > 20 and os.access("/tmp", os.W_OK) else usual  # noqa: S108 - mkdtemp makes it ours


def _require_answer(address: str) -> None:
    """Raises UsageError where nobody listens: Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise UsageError(f"--address {address} is not HOST:PORT, as `ray start --head` prints it")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _ANSWER_S).close()
    except (OSError, OverflowError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise UsageError(f"no Ray cluster answers at {address} ({why}); `ray status` shows whether it runs") from None


def _is_loopback(address: str) -> bool:
    host = address.rpartition(":")[0].strip("[]") or address
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

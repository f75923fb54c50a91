"""What a thousand replayable goals take: `llmos batch` on asyncio and on Ray, beside their commands alone.

    python -m bench.batch [--goals 1000] [--folders 50] [--workers 1 2 4 8] [--nodes 1 3] [--kills asyncio ray]
                          [--wait SECONDS] [--inside FOLDER]

One goal is learned through the product's own path, with a scripted model that plays the two calls of a real one. Then
that many goals like it, each with a value and a folder of its own, are carried out `--offline`: a real sandbox, a real
transcript, real files. Each appends one line, so that a goal which was lost or done twice is counted from the files.

With `--wait` each command sleeps so long first, as one that waits for a compiler or a network does. `--inside` is where
the folders are made: below /tmp, the usual place, each command's own /tmp gets mount points, to be taken away again.

`cpu` is the processor time of everything that was started, commands and sandboxes too, which other programs on the
machine disturb less than the duration; that of a cluster is not counted. `bare` is bash alone, one process a goal, one
after the other and four at once. `llmos run` is a fresh process a goal, measured on a part of them. A kill is SIGKILL
in the middle: of the whole batch, and of one of three Ray workers; then the same command goes on, and the goals that
were in the middle of their step are told apart from those done and left.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmos.adapters.ray_executor import private_cluster
from llmos.app import App, AppOptions
from llmos.core.messages import ToolCall
from llmos.interfaces.session import open_dispatcher
from llmos.testing import ScriptedModel, model_reply

SAMPLE = 20
"""Goals for which `llmos run` is started."""
_WORKERS_A_NODE = 2


@dataclass(frozen=True, slots=True)
class Place:
    """A home, which is the workspace too, and the folders of the goals."""

    root: Path
    goals: int
    folders: int
    wait_s: float = 0.0

    def command(self, number: int) -> str:
        """What the goal of this number runs."""
        append = f"echo item-{number} >> log.txt"
        return f"sleep {self.wait_s:g}; {append}" if self.wait_s else append

    @property
    def environ(self) -> dict[str, str]:
        hidden = ("ANTHROPIC_", "LLMOS_", "PYTHONDONTWRITEBYTECODE")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
        return {**kept, "LLMOS_HOME": str(self.root / "home")}

    def folder(self, number: int) -> Path:
        return self.root / f"d{number % self.folders}"

    def start_over(self) -> None:
        """Nothing done yet; what was learned stays."""
        for number in range(self.folders):
            self.folder(number).mkdir(exist_ok=True)
            (self.folder(number) / "log.txt").write_text("start\n")
        for name in ("goals.results.jsonl", "goals.results.jsonl.journal"):
            (self.root / name).unlink(missing_ok=True)
        shutil.rmtree(self.root / "home")
        shutil.copytree(self.root / "taught", self.root / "home")

    def effects(self) -> Counter[str]:
        """How often each goal's line stands in the files."""
        found: Counter[str] = Counter()
        for number in range(self.folders):
            found.update((self.folder(number) / "log.txt").read_text().split()[1:])
        return found

    def rows(self) -> list[dict[str, Any]]:
        path = self.root / "goals.results.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def main() -> int:
    parser = argparse.ArgumentParser(description="Throughput of llmos batch, and a kill in the middle.")
    parser.add_argument("--goals", type=int, default=1000)
    parser.add_argument("--folders", type=int, default=50)
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2, 4, 8])
    parser.add_argument("--nodes", type=int, nargs="*", default=[1, 3], help="of Ray, with two workers each")
    parser.add_argument("--kills", nargs="*", default=["asyncio", "ray"])
    parser.add_argument("--wait", type=float, default=0.0, help="seconds that each command sleeps")
    parser.add_argument("--inside", help="the folder in which all is made")
    parser.add_argument("--cluster", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.cluster:
        return cluster_process(arguments.cluster)
    with tempfile.TemporaryDirectory(prefix="llmos-bench-", dir=arguments.inside) as folder:
        place = Place(Path(folder), arguments.goals, arguments.folders, arguments.wait)
        asyncio.run(teach(place))
        cores = f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
        print(f"{place.goals:,} goals in {place.folders} folders; {cores}", flush=True)
        print(f"{'':28} {'seconds':>8} {'goals/s':>8} {'ms a goal':>10} {'cpu ms':>8}", flush=True)
        baselines(place)
        for workers in arguments.workers:
            cpu = children_cpu()
            seconds = whole_batch(place, "-w", str(workers))
            line(f"llmos batch, {workers} workers", place.goals, seconds, children_cpu() - cpu)
        for nodes in arguments.nodes:
            with cluster(nodes) as (address, environ):
                words = ("--executor", "ray", "--address", address, "-w", str(_WORKERS_A_NODE * nodes))
                seconds = whole_batch(place, *words, environ=environ)
                line(f"on Ray, {nodes} nodes, {_WORKERS_A_NODE * nodes} workers", place.goals, seconds)
        if "asyncio" in arguments.kills:
            print(killed_batch(place), flush=True)
        if "ray" in arguments.kills:
            print(killed_worker(place), flush=True)
    return 0


def line(what: str, goals: int, seconds: float, cpu: float | None = None) -> None:
    used = f"{1000 * cpu / goals:>8.1f}" if cpu is not None else ""
    print(f"{what:28} {seconds:>8.1f} {goals / seconds:>8.1f} {1000 * seconds / goals:>10.1f} {used}", flush=True)


def children_cpu() -> float:
    """Processor seconds of all child processes that ended so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


async def teach(place: Place) -> None:
    """Have the goal done once by a scripted model, and write the input."""
    (place.root / "home").mkdir(mode=0o700)
    work = place.root / "taught-in"
    work.mkdir()
    (work / "log.txt").write_text("start\n")
    call = ToolCall("c1", "shell", {"command": place.command(0)})
    model = ScriptedModel([model_reply(call), model_reply("Appended.")])
    app = App.open(AppOptions(), cwd=work, environ=place.environ, model=model)
    try:
        dispatcher = open_dispatcher(app, emit=lambda _: None, ask=None, grant_all=True)
        result = await dispatcher.dispatch("append the line item-0 to log.txt")
    finally:
        await app.close()
    assert result.kept, result
    shutil.copytree(place.root / "home", place.root / "taught")
    lines = [
        {"id": f"g{n}", "goal": f"append the line item-{n} to log.txt", "directory": str(place.folder(n))}
        for n in range(1, place.goals + 1)
    ]
    (place.root / "goals.jsonl").write_text("".join(json.dumps(record) + "\n" for record in lines))


# ---------------------------------------------------------------------------------------------------------- measuring


def baselines(place: Place) -> None:
    for at_once in (1, 4):
        place.start_over()
        started, cpu = time.perf_counter(), children_cpu()
        asyncio.run(bare(place, at_once))
        line(f"bare bash, {at_once} at once", place.goals, time.perf_counter() - started, children_cpu() - cpu)
        check(place)
    place.start_over()
    started, cpu = time.perf_counter(), children_cpu()
    for number in range(1, SAMPLE + 1):
        goal = f"append the line item-{number} to log.txt"
        argv = [sys.executable, "-m", "llmos", "run", "--yes", "--offline", "-q", goal]
        subprocess.run(argv, cwd=place.folder(number), env=place.environ, check=True, capture_output=True)
    line(f"llmos run, {SAMPLE} of them", SAMPLE, time.perf_counter() - started, children_cpu() - cpu)


async def bare(place: Place, at_once: int) -> None:
    """The commands alone, those of one folder one after the other."""
    free = asyncio.Semaphore(at_once)

    async def folder(first: int) -> None:
        for number in range(first, place.goals + 1, place.folders):
            async with free:
                argv = ("bash", "--noprofile", "--norc", "-c", place.command(number))
                process = await asyncio.create_subprocess_exec(*argv, cwd=place.folder(number))
                assert await process.wait() == 0

    await asyncio.gather(*(folder(first) for first in range(1, min(place.folders, place.goals) + 1)))


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "llmos", "batch", "--offline", "--yes", "-o", "json", *words, "goals.jsonl"]


def whole_batch(place: Place, *words: str, environ: dict[str, str] | None = None) -> float:
    """Seconds of one batch; anything but right replays of all goals ends the bench."""
    place.start_over()
    started = time.perf_counter()
    done = subprocess.run(
        command(*words), cwd=place.root, env=place.environ | (environ or {}), capture_output=True, text=True
    )
    seconds = time.perf_counter() - started
    assert done.returncode == 0, done.stderr[-2000:]
    said = json.loads(done.stdout)
    assert (said["statuses"], said["modes"], said["cost_usd"]) == (
        {"ok": place.goals},
        {"FOLLOWER": place.goals},
        0.0,
    ), said
    check(place)
    return seconds


def check(place: Place) -> None:
    assert place.effects() == Counter({f"item-{n}": 1 for n in range(1, place.goals + 1)})


# ------------------------------------------------------------------------------------------------------------- kills


def killed_batch(place: Place) -> str:
    """SIGKILL for the whole batch after a third, then again after two thirds; then to the end."""
    place.start_over()
    for share in (1, 2):
        process = start(place, "-w", "4")
        wait_for_rows(place, share * place.goals // 3, process)
        process.kill()
        process.communicate()
    return told(place, finish(place), "two kills of the whole batch, 4 workers")


def killed_worker(place: Place) -> str:
    """SIGKILL for one worker of three nodes in the middle; the batch itself goes on."""
    place.start_over()
    with cluster(3) as (address, environ):
        process = start(place, "--executor", "ray", "--address", address, "-w", "3", environ=environ)
        wait_for_rows(place, place.goals // 3, process)
        victim = sorted((place.root / "home/.llmos/workers").iterdir())[0]
        os.kill(int((victim / "lock").read_text()), signal.SIGKILL)
        out, err = process.communicate()
        assert process.returncode in (0, 1), err[-2000:]
        workers = {row["worker"] for row in place.rows()}
    assert len(workers) == 4, workers
    return told(place, json.loads(out), "a kill of one of three Ray workers")


def start(place: Place, *words: str, environ: dict[str, str] | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(*words),
        cwd=place.root,
        env=place.environ | (environ or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def wait_for_rows(place: Place, count: int, process: subprocess.Popen[str]) -> None:
    while len(place.rows()) < count:
        assert process.poll() is None, "it ended too early"
        time.sleep(0.05)


def finish(place: Place) -> dict[str, Any]:
    done = subprocess.run(command("-w", "4"), cwd=place.root, env=place.environ, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def told(place: Place, summary: dict[str, Any], what: str) -> str:
    """Every goal has a row; what is `ok` was done once, and what is `unknown` at most once."""
    statuses = {row["id"]: row["status"] for row in place.rows()}
    effects = place.effects()
    lost = [n for n in range(1, place.goals + 1) if f"g{n}" not in statuses]
    twice = [item for item, count in effects.items() if count > 1]
    undone = [key for key, status in statuses.items() if status == "ok" and not effects[f"item-{key[1:]}"]]
    done = sum(effects[f"item-{key[1:]}"] for key, status in statuses.items() if status == "unknown")
    unknown = summary["statuses"].get("unknown", 0)
    return (
        f"{what}: {summary['statuses']}; lost {len(lost)}, done twice {len(twice)}, ok without effect {len(undone)}; "
        f"of the {unknown} unknown, {done} had done it"
    )


# ----------------------------------------------------------------------------------------------------------- clusters


@contextmanager
def cluster(nodes: int) -> Iterator[tuple[str, dict[str, str]]]:
    """A cluster of so many nodes on this machine: its address, and what reaches it."""
    argv = [sys.executable, "-m", "bench.batch", "--cluster", str(nodes)]
    process = subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    address, token = process.stdout.readline().split()
    try:
        yield address, {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": token}
    finally:
        process.communicate()


def cluster_process(nodes: int) -> int:
    """The nodes, until standard input ends."""
    folder = Path(tempfile.mkdtemp(prefix="lr-", dir="/tmp"))
    os.environ |= private_cluster(folder)
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
    from ray.cluster_utils import Cluster

    node: dict[str, Any] = {"num_cpus": 2, "object_store_memory": 80 * 1024 * 1024, "node_ip_address": "127.0.0.1"}
    head = {**node, "include_dashboard": False, "temp_dir": str(folder / "ray")}
    made = Cluster(initialize_head=True, head_node_args=head)
    try:
        for _ in range(nodes - 1):
            made.add_node(**node)
        print(made.address, os.environ["RAY_AUTH_TOKEN_PATH"], flush=True)
        sys.stdin.read()
    finally:
        made.shutdown()
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

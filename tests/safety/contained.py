"""Hostile commands, really run inside the boundary of one tier, and whether anything outside of it changed (S-3).

    python tests/safety/contained.py TIER FOLDER STRIDE      TIER: bubblewrap, landlock or none

It prints one JSON object. A process of its own, which the test starts as a normal user: should the boundary fail, what
is destroyed is what is planted in FOLDER. Commands are ended after two seconds, with bounds on files and processes.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import resource
import sys
from pathlib import Path
from typing import Any

from battery import tier

from bench.safety.permissions import commands_of
from llmos.core.errors import ToolError
from llmos.core.sandbox import Boundary
from llmos.core.tool import ToolContext
from llmos.tools.shell import shell

WATCHED = ("outside", "home", "keys")
VERBS = (
    "rm -rf {t}",
    "rm -f {t}/f.txt",
    "echo x > {t}/f.txt",
    "echo x >> {t}/new.txt",
    "chmod 777 {t}/f.txt",
    "chmod -R 000 {t}",
    "mv {t} {t}.gone",
    "mv {t}/f.txt here.txt",
    "cp -r . {t}/copy",
    "ln -sf /etc/passwd {t}/f.txt",
    "ln {t}/f.txt hard.txt && echo x >> hard.txt",
    "ln -s {t} way && echo x > way/f.txt",
    "truncate -s 0 {t}/f.txt",
    "dd if=/dev/zero of={t}/f.txt count=1",
    "touch -d 2001-01-01 {t}/f.txt",
    "mkdir -p {t}/a/b",
    "find {t} -type f -delete",
    "sed -i s/before/after/ {t}/f.txt",
    "echo x | tee {t}/f.txt",
    "install -m 777 a.txt {t}/f.txt",
    "git init -q {t}/repository",
    "tar cf x.tar a.txt && tar xf x.tar -C {t}",
    'python3 -c \'open("{t}/f.txt", "w").write("x")\'',
    "perl -e 'unlink \"{t}/f.txt\"'",
    "cd {t} && echo x > f.txt",
    "exec 3> {t}/f.txt; echo x >&3",
    "(setsid sh -c 'sleep 0.3; echo x > {t}/late.txt' &) ; true",
    "mkfifo p; (cat p > {t}/f.txt &) ; echo x > p",
    "env -i /bin/sh -c 'echo x > {t}/f.txt'",
    "unshare -Urm sh -c 'echo x > {t}/f.txt'",
)


def picture(folder: Path) -> dict[str, str]:
    """What must stay as it is: every file with its content, mode and times."""
    found = {}
    for top in WATCHED:
        for path in [folder / top, *sorted((folder / top).rglob("*"))]:
            if not os.path.lexists(path):
                continue
            facts = path.lstat()
            readable = path.is_file() and os.access(path, os.R_OK)
            content = hashlib.sha256(path.read_bytes()).hexdigest() if readable else ""
            found[str(path.relative_to(folder))] = f"{facts.st_mode:o} {facts.st_mtime_ns} {facts.st_nlink} {content}"
    return found


def plant(folder: Path) -> Path:
    work = folder / "work"
    for name in (*WATCHED, "work/sub", "private"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for name in WATCHED:
        (folder / name / "f.txt").write_text("before\n")
        (folder / name / ".bashrc").write_text("# before\n")
    plant_work(work)
    return work


def plant_work(work: Path) -> None:
    with contextlib.suppress(OSError):  # a command may have made it unusable; then the next ones find less
        (work / "sub").mkdir(parents=True, exist_ok=True)
        for name in ("a.txt", "b.txt", "a.sh", "sub/c.txt", "data.csv"):
            (work / name).write_text("1,hello,2\n")


async def run(name: str, folder: Path, stride: int) -> dict[str, Any]:
    work = plant(folder)
    os.environ["HOME"] = str(folder / "home")
    sandbox = tier(name, folder / "private") if name != "none" else None
    if sandbox is None and name != "none":
        return {"absent": True}
    context = ToolContext(cwd=work, timeout_s=2, sandbox=sandbox, boundary=Boundary(hidden=(folder / "keys",)))
    aimed = [verb.replace("{t}", str(folder / target)) for target in WATCHED for verb in VERBS]
    # Without a boundary only what is aimed at the planted folders is run: the rest would reach this machine.
    commands = [*aimed, *([] if name == "none" else commands_of("hostile.txt"))][::stride]
    before, changed, ran = picture(folder), list[str](), 0
    for command in commands:
        if not (work / "a.txt").is_file():
            plant_work(work)
        with contextlib.suppress(ToolError, UnicodeError):  # what no shell can be given: NUL, half a letter
            await shell.run({"command": command}, context)
        ran += 1
        if (after := picture(folder)) != before:
            different = sorted({path for path, _ in before.items() ^ after.items()})
            changed.append(f"{command!r} changed {different[:3]}")
            before = after
    await asyncio.sleep(0.6)  # what was left in the background
    if picture(folder) != before:
        changed.append("something that was left in the background changed files")
    return {"ran": ran, "changed": changed, "tier": name}


def main() -> None:
    for limit, value in ((resource.RLIMIT_FSIZE, 50_000_000), (resource.RLIMIT_CORE, 0)):
        resource.setrlimit(limit, (value, value))
    print(json.dumps(asyncio.run(run(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))))


if __name__ == "__main__":
    main()

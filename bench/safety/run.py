"""Every figure of SECURITY.md, printed by the runs that count it: `python -m bench.safety.run` (`make safety`).

A row is a script that counts: its last printed line is its figure, and its exit code says whether the figure is what it
must be. `--fast` runs a part of each, in about a minute and a half; names run those rows alone.

To add a row: write the script with a main() that prints, exits non-zero on a figure that must not be, and has a partner
among the tests that shows that it can; then add one Row to `bench/safety/rows.py`.
"""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
_PATHS = ("tests/safety", "tests", ".")
_WIDTH = 120


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. `full` and `fast` are arguments of python, from the top of the repository; an empty `fast` leaves
    the row out of the fast run. After `limit_s` seconds the run is ended and counts as failed."""

    name: str
    what: str
    full: str
    fast: str = ""
    limit_s: float = 420


@dataclass(frozen=True, slots=True)
class Done:
    """What became of one row."""

    row: Row
    ok: bool
    figure: str
    took_s: float


def run(row: Row, *, fast: bool = False) -> Done:
    """Run one row to its end, its processes with it, and print what it prints."""
    started = time.monotonic()
    with subprocess.Popen(
        [sys.executable, *shlex.split(row.fast if fast else row.full)],
        cwd=TOP,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(str(TOP / path) for path in _PATHS)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            printed, _ = process.communicate(timeout=row.limit_s)
            code: int | None = process.returncode
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            printed, _ = process.communicate()
            code = None
    took = time.monotonic() - started
    lines = [line.rstrip() for line in printed.splitlines() if line.strip()]
    figure = lines[-1] if lines else "it printed nothing"
    if code is None:
        figure = f"not at its end after {row.limit_s:g} s: {figure}"
    print(f"\n{row.name} {row.what} ({took:.0f} s)", *(f"  {line}" for line in lines), sep="\n", flush=True)
    return Done(row, code == 0 and bool(lines), figure, took)


def table(done: Sequence[Done]) -> str:
    """One line of figures for each row, and how many hold."""
    name = max((len(one.row.name) for one in done), default=0)
    what = max((len(one.row.what) for one in done), default=0)
    lines = []
    for one in done:
        head = f"{'ok    ' if one.ok else 'FAILED'} {one.row.name:<{name}} {one.row.what:<{what}} {one.took_s:5.0f} s  "
        figure = textwrap.wrap(one.figure, max(40, _WIDTH - len(head))) or [""]
        lines += [head + figure[0], *(" " * len(head) + more for more in figure[1:])]
    failed = sum(not one.ok for one in done)
    return "\n".join([*lines, f"{len(done) - failed} of {len(done)} rows hold in {sum(d.took_s for d in done):.0f} s"])


def heading() -> str:
    """When, on what, of which state of the repository."""
    git = ["git", "-C", str(TOP), "describe", "--always", "--dirty", "--abbrev=8", "--exclude=*"]
    commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip() or "unknown"
    user = "root" if os.geteuid() == 0 else "a normal user"
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC · commit {commit} · {platform.system()} {platform.release()} · "
        f"Python {platform.python_version()} · {os.cpu_count()} processors · as {user}"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    from bench.safety.rows import ROWS

    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("rows", nargs="*", help="names of rows; all when there is none")
    options.add_argument("--fast", action="store_true", help="a part of each")
    options.add_argument("--list", action="store_true", help="name the rows and run none")
    wanted = options.parse_args(arguments)
    unknown = sorted(set(wanted.rows) - {row.name for row in ROWS})
    if unknown:
        options.error(f"there is no row {', '.join(unknown)}; there are {', '.join(row.name for row in ROWS)}")
    rows = [row for row in ROWS if not wanted.rows or row.name in wanted.rows]
    if wanted.fast:
        rows = [row for row in rows if row.fast]
    if wanted.list:
        print("\n".join(f"{row.name}  {row.what}: python {row.full}" for row in rows))
        return 0
    print(f"safety figures{' (fast part)' if wanted.fast else ''} · {heading()}", flush=True)
    done = [run(row, fast=wanted.fast) for row in rows]
    print(f"\n{heading()}\n{table(done)}")
    return 0 if all(one.ok for one in done) else 1


if __name__ == "__main__":
    raise SystemExit(main())

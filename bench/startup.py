"""How long a person waits for the prompt to come back: fresh processes, median of N, beside `python -c pass`.

    python bench/startup.py [--runs 15] [--traces 54]

The commands take turns, so that a busy machine slows all of them alike. The workspace is a temporary folder with
`--traces` stored traces, made from one real trace with other goals.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
COMMANDS: dict[str, list[str]] = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "llmos version": [sys.executable, "-m", "llmos", "version"],
    "llmos --help": [sys.executable, "-m", "llmos", "--help"],
    "llmos traces list": [sys.executable, "-m", "llmos", "traces", "list"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Median start-up times of the llmos command.")
    parser.add_argument("--runs", type=int, default=15, help="fresh processes per command")
    parser.add_argument("--traces", type=int, default=54, help="stored traces while listing")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="llmos-startup-") as folder:
        environ = {**os.environ, "LLMOS_HOME": str(make_home(Path(folder), arguments.traces))}
        times = measure(environ, Path(folder), arguments.runs, arguments.traces)
    print(table(times, arguments.runs, arguments.traces))


def make_home(folder: Path, traces: int) -> Path:
    """A home workspace with copies of the starter traces under other ids, until there are enough."""
    home = folder / "home"
    target = home / "traces"
    target.mkdir(parents=True, mode=0o700)
    home.chmod(0o700)
    sources = sorted((REPOSITORY / "traces").glob("*.yaml"))
    for number in range(traces):
        source = sources[number % len(sources)]
        copy = f"{number // len(sources)}-{source.stem}"
        text = source.read_text("utf-8").replace(source.stem, copy, 1)  # a trace file is named by its id
        (target / f"{copy}.yaml").write_text(text, "utf-8")
    return home


def measure(environ: dict[str, str], cwd: Path, runs: int, traces: int) -> dict[str, list[float]]:
    """Seconds of each run, by command; one run before counts for none, since it fills the caches."""
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for run in range(runs + 1):
        for name, command in COMMANDS.items():
            started = time.perf_counter()
            ended = subprocess.run(command, env=environ, cwd=cwd, check=True, capture_output=True, text=True)
            if run:
                times[name].append(time.perf_counter() - started)
            if name == "llmos traces list" and (listed := len(ended.stdout.splitlines()) - 1) != traces:
                raise SystemExit(f"{listed} traces were listed, not {traces}: {ended.stderr}")
    return times


def table(times: dict[str, list[float]], runs: int, traces: int) -> str:
    base = statistics.median(times["python -c pass"])
    lines = [
        f"{runs} fresh processes each, {traces} traces stored, Python {sys.version.split()[0]}, {os.cpu_count()} cores",
        "",
        "| command           | median ms | fastest ms | × python |",
        "|-------------------|----------:|-----------:|---------:|",
    ]
    for name, seconds in times.items():
        median, fastest = statistics.median(seconds), min(seconds)
        lines.append(f"| {name:<17} | {median * 1000:9.0f} | {fastest * 1000:10.0f} | {median / base:8.1f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()

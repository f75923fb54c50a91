"""Bad files of every kind: no traceback, no waiting, the rest is served, nothing is lost (bad_files.py)."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import bad_files
import pytest
from bad_files import GOALS, Figures, kinds, make_bad, make_store, run
from crash_points import fast_folder
from garbling import remove_devices

from llmos.memory import files
from llmos.memory.quarantine import Quarantine

pytestmark = pytest.mark.slow

COMMANDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "traces": (("traces", "list"), ("traces", "inspect", "say-the-number"), ("permissions", "list")),
    "memory": (("memory", "status"), ("memory", "list"), ("memory", "log")),
    "sessions": (("sessions", "list"), ("memory", "search", "apples"), ("stats",)),
    "rest": (("config", "show"), ("stats", "--json")),
}
ALWAYS = (("doctor",), ("run", "--offline", "-o", "json", GOALS[1]), ("doctor", "--json"))
CLI_LIMIT_S = 20.0
"""For a whole process on a busy machine; a command that waits on a pipe waits for ever."""


@pytest.mark.parametrize("inputs", [72, pytest.param(480, marks=[pytest.mark.slow, pytest.mark.thorough])])
def test_a_bad_file_breaks_nothing_but_itself(inputs: int) -> None:
    figures = run(inputs)
    assert figures.bad == []
    assert figures.inputs >= inputs and len(figures.by_kind) == 24


def careless() -> None:
    """A broken build, for the child alone: what is there is opened, and what is damaged is thrown away."""

    @contextmanager
    def open_anything(path: Path) -> Iterator[BinaryIO]:
        with path.open("rb") as file:
            yield file

    def throw_away(self: Quarantine, path: Path, why: str, **more: float) -> bool:
        path.unlink()
        return True

    bad_files.LIMIT_S = 0.2
    Quarantine.take = throw_away  # type: ignore[method-assign,assignment]
    for module in list(sys.modules.values()):
        if getattr(module, "open_regular", None) is files.open_regular:
            module.open_regular = open_anything  # type: ignore[attr-defined]


def test_a_store_that_waits_on_pipes_and_deletes_what_it_cannot_read_is_caught() -> None:
    figures = run(24, processes=1, wanted=("trace", "transcript"), prepare=careless)
    assert figures.lost and figures.hangs


def by_command_line(count: int) -> Figures:
    """So many bad files, each met by a command of its own process."""
    figures = Figures()
    with fast_folder() as folder:
        template = Path(folder) / "template"
        make_store(template)
        found = kinds(template)
        with ThreadPoolExecutor(2) as pool:
            for number, (what, said) in enumerate(
                pool.map(lambda number: one_command(Path(folder), template, number), range(count))
            ):
                kind = found[number % len(found)]
                figures.inputs += 1
                figures.by_kind[kind.name] = figures.by_kind.get(kind.name, 0) + 1
                if said == "hangs":
                    figures.hangs.append(what)
                elif said:
                    figures.tracebacks.append(f"{what}: {said}")
    remove_devices()
    return figures


def one_command(folder: Path, template: Path, number: int) -> tuple[str, str]:
    """What was done, and what is wrong with how the command ended; empty when nothing is."""
    root = folder / f"store{number}"
    shutil.copytree(template, root)
    found = kinds(root)
    kind = found[number % len(found)]
    bad, _ = make_bad(random.Random(f"cli {number}"), root / kind.path)
    commands = (*COMMANDS[kind.area], *ALWAYS)
    words = commands[(number // len(found)) % len(commands)]
    env = {"HOME": str(root), "LLMOS_HOME": str(root / "home"), "LLMOS_WORKSPACE": str(root), "PATH": os.defpath}
    what = f"llmos {' '.join(words)} with {kind.name}, {bad}"
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "llmos", *words],
            cwd=root / "work",
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=CLI_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return what, "hangs"
    finally:
        shutil.rmtree(root, ignore_errors=True)
    said = ended.stderr.decode("utf-8", "replace")
    if "Traceback" in said or "defect of llmos" in said or not 0 <= ended.returncode <= 12:
        return what, f"{ended.returncode}: {said[-500:]}"
    return what, ""


def test_a_bad_file_breaks_no_command() -> None:
    assert by_command_line(2).bad == []


def main() -> None:
    """The figures of `make safety`: bad files to the readers, and some of them to commands."""
    begun = time.monotonic()
    inputs, commands = map(int, sys.argv[1:3]) if len(sys.argv) > 2 else (12_000, 240)
    figures, by_command = run(inputs), by_command_line(commands)
    for line in (*figures.bad, *by_command.bad)[:40]:
        print(line[:1000])
    print(f"each of: {', '.join(figures.by_kind)}; {time.monotonic() - begun:.0f} s")
    figures.add(by_command)
    print(f"{figures} ({commands} of them by commands of their own process)")
    if figures.bad:
        sys.exit(1)


if __name__ == "__main__":
    main()

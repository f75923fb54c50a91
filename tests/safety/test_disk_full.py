"""A disk that is full, by bytes or by names, or read-only: what was saved stays, the rest is refused in a sentence, and
with space everything goes on. On a real file system of its own, in a mount namespace."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from many_writers import WRITES, Process, missing

from llmos.core.errors import LlmosError

KINDS = ("bytes", "names", "read-only")


def fill(root: Path, kind: str, seed: int) -> dict[str, object]:
    """In the namespace: write until nothing can be written, free some, write again; what was seen."""
    rng = random.Random(f"{kind} {seed}")
    options = {
        "bytes": f"size={rng.randrange(48, 160) * 1024},nr_inodes=10000",
        "names": f"size=64m,nr_inodes={rng.randrange(20, 50)}",
        "read-only": "size=64m",
    }[kind]
    mount(root, options)
    process, said, refused = Process(root / "store", "w0"), list[tuple[str, str, int]](), list[str]()
    at, in_a_row = 0, 0
    while in_a_row < len(WRITES) and at < 400:
        if kind == "read-only" and at == 40:
            process.traces.close()
            process.transcript.close()
            mount(root, "remount,ro")  # not while a file is open for writing
            process = Process(root / "store", "w2")
        write = rng.choice(WRITES)
        try:
            getattr(process, write)(at)
            said.append((write, process.name, at))
            in_a_row = 0
        except LlmosError as error:
            refused.append(str(error))
            in_a_row += 1
        at += 1
    lost_full = missing(root / "store", said)
    mount(root, "remount,rw,size=64m,nr_inodes=10000")
    again, later = Process(root / "store", "w1"), []
    for number, write in enumerate(dict.fromkeys(WRITES)):
        getattr(again, write)(number)
        later.append((write, "w1", number))
    return {
        "saved": len(said),
        "refused": sorted(set(refused))[:3],
        "unclear": [one for one in refused if "\n" in one or not one.startswith(("cannot ", "there "))][:3],
        "lost": lost_full + missing(root / "store", [*said, *later]),
    }


def mount(root: Path, options: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(root)], check=True)


def run(each: int) -> list[dict[str, object]]:
    """So many runs of each kind; empty where this machine has no mount namespaces."""
    unshare = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]
    probe = subprocess.run([*unshare, "true"], capture_output=True, check=False) if shutil.which("unshare") else None
    if probe is None or probe.returncode:
        return []
    path = os.pathsep.join(part or "." for part in sys.path)
    done = subprocess.run(
        [*unshare, sys.executable, __file__, "inside", str(each)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return list(json.loads(done.stdout))


def inside(each: int) -> None:
    found = []
    for kind in KINDS:
        for seed in range(each):
            root = Path(tempfile.mkdtemp(prefix="full-"))
            try:
                found.append({"kind": kind, **fill(root, kind, seed)})
            finally:
                subprocess.run(["umount", "-l", str(root)], check=False)
                root.rmdir()
    print(json.dumps(found))


@pytest.mark.parametrize("each", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_full_disk_loses_nothing_and_space_mends_it(each: int) -> None:
    found = run(each)
    if not found:
        pytest.skip("no mount namespaces here")
    assert [one for one in found if one["lost"] or one["unclear"] or not one["refused"]] == []
    assert len(found) == 3 * each and all(int(str(one["saved"])) > 5 for one in found)


def main() -> None:
    """The figures of `make safety`."""
    if sys.argv[1:2] == ["inside"]:
        inside(int(sys.argv[2]))
        return
    found = run(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
    bad = [one for one in found if one["lost"] or one["unclear"] or not one["refused"]]
    print(*bad[:10], sep="\n")
    saved = sum(int(str(one["saved"])) for one in found)
    lost = sum(len(list(one["lost"])) for one in found)  # type: ignore[call-overload]
    print(
        f"{len(found)} disks full by bytes, by names, or read-only: {saved:,} acknowledged writes, {lost} lost; "
        f"{len(bad)} of them not as they should be"
    )
    if bad or not found:
        sys.exit(1)


if __name__ == "__main__":
    main()

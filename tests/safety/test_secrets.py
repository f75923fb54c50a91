"""No planted secret is found anywhere in the store (invariant I5 of SECURITY.md)."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from planted_secrets import KINDS, LOOK_ALIKES, PLACES, Plant, events_of, plants

from llmos.core.passage import Passage
from llmos.core.redact import Redactor
from llmos.interfaces.failures import report_unexpected
from llmos.memory.files import append_line
from llmos.memory.memory_engine import MemoryEngine, Writer
from llmos.memory.transcript import Transcript
from llmos.testing import FixedClock


def plant_all(root: Path, values: int) -> list[Plant]:
    """Every plant through the writer of its place: transcript, memory, crash report."""
    clock = FixedClock()
    transcript = Transcript(root / "recall", root / "open", session="aaaa", clock=clock)
    memory = MemoryEngine(root / "core", root / "archival")
    writer = Writer(clock.now(), "test")
    planted = []
    for place, plant in plants(seed=2026, values=values):
        planted.append(plant)
        for event in events_of(place, plant.text):
            transcript.record(event)
        if place == "memory":
            memory.add_archival_memory(Passage("", f"{plant.text} is what the person said"), writer)
        if place == "exception":
            report_unexpected(ValueError(plant.text), {"LLMOS_HOME": str(root / "home")})
    transcript.close()
    return planted


def found_in(root: Path, planted: list[Plant]) -> list[tuple[str, str]]:
    store = b"\n".join(path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()).decode(
        "utf-8", "replace"
    )
    return [(plant.kind, plant.canary) for plant in planted if plant.canary in store]


def test_600_planted_secrets_are_not_found(tmp_path: Path) -> None:
    planted = plant_all(tmp_path, 3)
    assert len(planted) == 3 * len(KINDS) * len(PLACES) >= 600
    assert found_in(tmp_path, planted) == []


@pytest.mark.slow
@pytest.mark.thorough
def test_1050_planted_secrets_are_not_found(tmp_path: Path) -> None:
    planted = plant_all(tmp_path, 5)
    assert len(planted) == 1050
    assert found_in(tmp_path, planted) == []


def test_the_search_finds_what_a_writer_beside_the_funnel_lets_through(tmp_path: Path) -> None:
    planted = plant_all(tmp_path, 1)
    append_line(tmp_path / "beside.jsonl", b'{"said": "' + planted[0].text.encode() + b'"}', sync=False)
    assert found_in(tmp_path, planted) == [(planted[0].kind, planted[0].canary)]


def test_what_looks_like_a_secret_and_is_none_stays() -> None:
    rng = random.Random(7)
    redactor = Redactor()
    samples = [make(rng) for make in LOOK_ALIKES for _ in range(25)]
    changed = [sample for sample in samples if redactor.text(sample) != sample]
    assert len(samples) == 500
    assert len(changed) <= 5, changed


def test_redacting_twice_is_redacting_once() -> None:
    redactor = Redactor(("the-key-of-this-person",))
    for _, plant in plants(seed=5, values=3):
        once = redactor.text(f"{plant.text} and the-key-of-this-person")
        assert redactor.text(once) == once


def test_a_known_value_is_found_in_every_form_in_which_it_travels() -> None:
    redactor = Redactor.of_environment({"CI_TOKEN": "p/ss w%rd+1", "HOME": "/home/bob", "X_TOKEN": "short"})
    assert redactor.text("a p/ss w%rd+1 b") == "a [redacted:known value] b"
    assert redactor.text("cC9zcyB3JXJkKzE=") == "[redacted:known value]"
    assert redactor.text("https://h/?q=p%2Fss%20w%25rd%2B1") == "https://h/?q=[redacted:known value]"
    assert redactor.text("/home/bob short") == "/home/bob short"


def test_the_environment_of_a_process_is_known_to_it(tmp_path: Path) -> None:
    code = "from llmos.memory.codec import dump_line; print(dump_line({'said': 'it is fourteen-birds'}))"
    environment = {"PATH": "/usr/bin:/bin", "MY_SECRET": "fourteen-birds"}
    said = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert said.stdout == """b'{"said":"it is [redacted:known value]"}\\n'\n"""


def main() -> None:
    """The figures of `make safety`: plants, look-alikes, speed."""
    import tempfile

    values = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    with tempfile.TemporaryDirectory() as folder:
        planted = plant_all(Path(folder), values)
        found = found_in(Path(folder), planted)
    rng = random.Random(7)
    samples = [make(rng) for make in LOOK_ALIKES for _ in range(25)]
    turned = sum(Redactor().text(sample) != sample for sample in samples)
    line = "2026-11-26 10:00:00 INFO GET /api/v1/items?page=3 200 12ms user=alice tokens=5 path=/usr/lib/x.py\n"
    text = line * (10_000_000 // len(line))
    started = time.perf_counter()
    Redactor().text(text)
    speed = 10 / (time.perf_counter() - started)
    print(
        f"{len(planted)} secrets planted, {len(found)} found in the store; {turned} of {len(samples)} look-alikes "
        f"changed; {speed:.1f} MB/s of an ordinary log"
    )
    if found or turned > len(samples) / 100:
        sys.exit(1)


if __name__ == "__main__":
    main()

"""The rows of `make safety`. The letters are those of the test plan: D what lies on the disk, P permissions, S sandbox,
R replay, A the API, X secrets, M money."""

from __future__ import annotations

from bench.safety.run import Row

_BAD = "tests/safety/test_bad_files.py"
_MODEL = "tests/safety/test_store_machine.py"
_VECTORS = "tests/safety/test_vector_store.py"
_FREER = "tests/safety/test_never_freer.py"
_NEAR = "tests/safety/test_near_goals.py"
_SWAPPED = "tests/safety/test_swapped_traces.py"
_VALUES = "tests/safety/test_hostile_values.py"
_MANY = "tests/safety/test_many_writers.py"

ROWS: tuple[Row, ...] = (
    Row("D-1", "crash points", "tests/safety/test_crash_points.py 1000", "tests/safety/test_crash_points.py 120"),
    Row("D-1b", "crashes of forget", "tests/safety/test_forget_crash.py 1", "tests/safety/test_forget_crash.py 5"),
    Row("D-2", "random kills", f"{_MANY} kills", f"{_MANY} kills 0.05", 900),
    Row("D-5", "full disks", "tests/safety/test_disk_full.py 25", "tests/safety/test_disk_full.py 5"),
    Row("D-6", "store and model", f"{_MODEL} 150", f"{_MODEL} 15", 600),
    Row("D-7", "writers at once", f"{_MANY} at-once", f"{_MANY} at-once 0.05"),
    Row("D-3", "power cuts", "tests/safety/test_power_cut.py 5000", "tests/safety/test_power_cut.py 500"),
    Row("D-8", "bad files", f"{_BAD} 12000 240", f"{_BAD} 960 8", 1200),
    Row("D-9", "vector store", f"{_VECTORS} 8 300 100", f"{_VECTORS} 2 20 3", 1500),
    Row("D-10", "scale", "tests/safety/test_scale.py 10000 50000", "tests/safety/test_scale.py 700 2000", 1200),
    Row("P-1", "permission gate", "-m bench.safety.permissions", "-m bench.safety.permissions"),
    Row("P-2", "published recipes", "-m bench.safety.recipes"),
    Row("P-3", "gate against bash", "-m bench.safety.permissions --differential 20000"),
    Row("S-1", "sandbox battery", "tests/safety/test_sandbox_battery.py", "tests/safety/test_sandbox_battery.py"),
    Row("S-3", "hostile commands run", "tests/safety/test_contained.py", "tests/safety/test_contained.py 30", 900),
    Row("S-5", "ordinary work", "tests/safety/test_ordinary_work.py"),
    Row("I-1", "never freer", f"{_FREER} 20000", f"{_FREER} 2000"),
    Row("R-4", "near goals", f"{_NEAR} 1", f"{_NEAR} 20", 900),
    Row("R-5", "hostile values", f"{_VALUES} 10000", f"{_VALUES} 100", 1500),
    Row("R-6", "stale world", "tests/safety/test_stale_world.py 1", "tests/safety/test_stale_world.py 9"),
    Row("R-8", "irreversible", "tests/safety/test_irreversible.py", "tests/safety/test_irreversible.py"),
    Row("R-9", "swapped files", f"{_SWAPPED} 10000", f"{_SWAPPED} 500"),
    Row("R-12", "hostile text", "tests/safety/test_hostile_text.py", "tests/safety/test_hostile_text.py few", 900),
    Row("R-18", "poisoned memory", "tests/safety/test_poisoned_memory.py 1", "tests/safety/test_poisoned_memory.py 6"),
    Row("R-14", "missing pieces, owners", "tests/safety/test_missing_pieces.py", "", 900),
    Row("R-15", "replays undone", "tests/safety/test_undo_replays.py 100", "tests/safety/test_undo_replays.py 6", 900),
    Row("A-1", "stream faults", "tests/safety/test_stream_faults.py", "tests/safety/test_stream_faults.py 40", 900),
    Row(
        "A-2", "crashes in a turn", "tests/safety/test_turn_crashes.py 200", "tests/safety/test_turn_crashes.py 7", 1500
    ),
    Row("A-3", "money", "tests/safety/test_money.py 125", "tests/safety/test_money.py 20"),
    Row("A-4", "soak", "tests/safety/test_soak.py 500", "", 1500),
    Row("X-1", "secrets", "tests/safety/test_secrets.py 20", "tests/safety/test_secrets.py 3"),
)

"""The process that holds a local model: `python -P -m llmos.adapters.local_child`.

It reads one line of JSON settings from standard input, loads the model, answers one line of JSON (`{"url": ...}` or
`{"error": ...}`) and serves HTTP on a loopback port until standard input ends. Invariant: it never outlives the
process that holds the other end of that pipe, however that process dies.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any


def main() -> None:
    settings = json.loads(sys.stdin.readline())
    # A saved model state holds the words of the prompt.
    os.umask(0o077)
    # Spinning OpenMP barriers collapse as soon as another process wants a core; read when the library is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        server = _load(settings)
    except Exception as error:  # whatever the library raises goes to the parent in one line
        _answer({"error": f"{type(error).__name__}: {error}"})
        sys.exit(1)  # and not os._exit: the library's messages are written out on the way
    _answer({"url": server.listening_address})
    sys.stdin.read()
    # A generation may be under way; there is nothing to save, so the process ends without waiting for it.
    os._exit(0)


def _load(settings: dict[str, Any]) -> Any:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = settings["path"]
    params.model_alias = [settings["name"]]
    slots = settings["slots"]
    params.n_ctx = settings["n_ctx"] * slots
    params.n_parallel = settings["beside"] + slots
    # One store of what was read for all draws: they begin alike.
    params.kv_unified = True
    if slots > 1:
        params.kv_unified_per_slot = settings["n_ctx"]
        # Two conversations are at work by turns: what the other one has read must not be read again.
        params.cache_idle_slots = False
    params.prefill_assistant = True
    params.cpuparams.n_threads = settings["threads"]
    params.cpuparams_batch.n_threads = settings["batch_threads"]
    # A closed connection is noticed between batches, so a batch is also the delay of a cancel.
    params.n_batch = settings["n_batch"]
    params.n_ubatch = settings["n_batch"]
    params.cache_ram_mib = settings["cache_mib"]
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [settings["api_key"]]
    params.cors_origins = "null"
    params.ui = False
    params.endpoint_slots = False
    params.offline = True
    params.warmup = False
    if settings["state_folder"]:
        params.slot_save_path = settings["state_folder"].rstrip("/") + "/"
    params.verbosity = 1
    return xllamacpp.Server(params)


def _answer(record: dict[str, str]) -> None:
    sys.stdout.write(json.dumps(record) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()

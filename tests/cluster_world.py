"""One simulated cluster for all tests of a run that need it."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def cluster() -> Iterator[dict[str, str]]:
    """The address of three nodes and what reaches them. Their machines have the key of the model."""
    if importlib.util.find_spec("ray") is None:
        pytest.skip("Ray is not installed")
    argv = [sys.executable, str(Path(__file__).parent / "ray_cluster.py"), "3"]
    environ = {**os.environ, "ANTHROPIC_API_KEY": "test-key"}
    process = subprocess.Popen(argv, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    address, token = process.stdout.readline().split()
    yield {"address": address, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": token}
    process.communicate(timeout=60)

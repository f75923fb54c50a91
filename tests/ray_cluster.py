"""A Ray cluster of several nodes on this machine, each a set of processes of its own, until standard input ends.

python tests/ray_cluster.py NODES    prints the address and the file of its token
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from llmos.adapters.ray_executor import private_cluster


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="lr-", dir="/tmp"))
    os.environ |= private_cluster(folder)
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": 80 * 1024 * 1024, "node_ip_address": "127.0.0.1"}
    head = {**node, "include_dashboard": False, "temp_dir": str(folder / "ray")}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        for _ in range(int(sys.argv[1]) - 1):
            cluster.add_node(**node)
        print(cluster.address, os.environ["RAY_AUTH_TOKEN_PATH"], flush=True)
        sys.stdin.read()
    finally:
        cluster.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()

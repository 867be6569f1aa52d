"""Two Ray nodes on loopback, small ones, with Ray Serve and the proxy of the first."""

import os
import secrets
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PATH = os.pathsep.join(str(ROOT / name) for name in ("server", "training", "tests", "tests/cluster"))
NODE = {"num_cpus": 2, "object_store_memory": 80 * 1024 * 1024, "node_ip_address": "127.0.0.1", "include_dashboard": False}
Deploy = Callable[..., None]


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """Where the proxy listens."""
    ray = pytest.importorskip("ray")
    from ray import serve
    from ray._raylet import Config
    from ray.cluster_utils import Cluster

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PYTHONPATH", PATH)
        patched.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patched.setenv("RAY_AUTH_MODE", "token")
        patched.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
        patched.setenv("RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH", "promptopt.cluster:at_the_proxy")
        patched.delenv("PROMPTOPT_TOKEN", raising=False)
        patched.setattr("ray._private.ray_constants.ENABLE_RAY_CLUSTER", False)  # so that loopback is not replaced by another address
        Config.initialize("")  # what this process read when Ray was imported knew no token
        nodes = Cluster()
        try:
            nodes.add_node(**NODE)
            nodes.add_node(**NODE)
            ray.init(nodes.address, log_to_driver=False)
            serve.start(proxy_location="HeadOnly", http_options={"host": "127.0.0.1", "port": port})
            yield f"http://127.0.0.1:{port}"
        finally:
            ray.shutdown()
            nodes.shutdown()


@pytest.fixture
def deploy(address: str) -> Deploy:
    """Puts the application with these options on two replicas, as `serve deploy` does, and waits until it runs."""
    from ray.serve.context import _get_global_client
    from ray.serve.schema import ServeDeploySchema

    def deployed(**options: Any) -> None:
        replicas = {"name": "promptopt", "num_replicas": 2, "autoscaling_config": None}
        application = {"name": "promptopt", "import_path": "fake_cluster:app", "args": options, "deployments": [replicas]}
        _get_global_client().deploy_apps(ServeDeploySchema.model_validate({"applications": [application]}), _blocking=True)

    return deployed

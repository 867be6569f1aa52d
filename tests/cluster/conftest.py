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
def nodes() -> Iterator[Any]:
    """The cluster, of a first node and a second one."""
    ray = pytest.importorskip("ray")
    from ray._raylet import Config
    from ray.cluster_utils import Cluster

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
            yield nodes
        finally:
            ray.shutdown()
            nodes.shutdown()


@pytest.fixture(scope="session")
def address(nodes: Any) -> str:
    """Where the proxy of the first node listens."""
    from ray import serve

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    serve.start(proxy_location="HeadOnly", http_options={"host": "127.0.0.1", "port": port})
    return f"http://127.0.0.1:{port}"


@pytest.fixture
def deploy(address: str) -> Deploy:
    """Puts the application with these options on so many replicas, as `serve deploy` does, and waits until it runs."""
    from ray.serve.context import _get_global_client
    from ray.serve.schema import ServeDeploySchema

    def deployed(replicas: int = 2, **options: Any) -> None:
        wanted = {"name": "promptopt", "num_replicas": replicas, "autoscaling_config": None}
        application = {"name": "promptopt", "import_path": "fake_cluster:app", "args": options, "deployments": [wanted]}
        _get_global_client().deploy_apps(ServeDeploySchema.model_validate({"applications": [application]}), _blocking=True)

    return deployed

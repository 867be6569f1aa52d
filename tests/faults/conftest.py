"""A tiny model, and processes in which something fails."""

import os
from pathlib import Path

import pytest
from tiny_models import tiny_adapter, tiny_base

from promptopt.adapters.access import Access
from promptopt.adapters.locate import locate
from promptopt.bundle import Bundle

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A tiny random network with an adapter; what it writes is no rewrite."""
    home = tmp_path_factory.mktemp("models")
    return locate(str(tiny_adapter(home / "adapter", tiny_base(home / "base"))), Access(offline=True)).bundle()


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """For processes: this tree, a cache of their own, one thread."""
    paths = os.pathsep.join(str(ROOT / name) for name in ("server", "training", "tests", "tests/faults"))
    own = {"PYTHONPATH": paths, "XDG_CACHE_HOME": str(tmp_path / "cache"), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    return {**os.environ, **own}

"""What the tests of pulling expect to find in a cache afterwards."""

from pathlib import Path

from hub.conftest import ADAPTER

from promptopt.adapters.cache import Cache, damage
from promptopt.adapters.names import Reference

REFERENCE = Reference(ADAPTER)
FETCHED = ["README.md", "adapter_config.json", "adapter_model.safetensors", "promptopt.json"]
MODEL = "adapter_model.safetensors"


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def assert_whole(cache: Cache) -> None:
    found = cache.find(REFERENCE)
    assert found is not None
    assert damage(*found, thorough=True) == {}
    assert files(found[0]) == sorted([*FETCHED, "index.json"])


def assert_swept(cache: Cache) -> None:
    assert_whole(cache)
    assert not [path for path in (cache.home / ADAPTER).iterdir() if path.name.startswith(("partial-", "trash-"))]

"""A local Hub with an adapter and its base, a cache of its own, and no waiting."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes import manifest
from hub.local_hub import LocalHub, use

from promptopt.adapters.access import Access, Fetched
from promptopt.adapters.cache import Cache

ADAPTER, BASE = "ada/golden", "ada/mini"
WEIGHTS = bytes(range(256)) * 400


def adapter_files(tmp_path: Path, base: str = BASE, base_sha256: str = "") -> dict[str, bytes]:
    """What an adapter's repository holds, a pickle and code among it."""
    manifest(base=base, base_sha256=base_sha256).write(tmp_path)
    return {
        "adapter_config.json": json.dumps({"peft_type": "LORA", "base_model_name_or_path": base}).encode(),
        "adapter_model.safetensors": WEIGHTS,
        "promptopt.json": (tmp_path / "promptopt.json").read_bytes(),
        "README.md": b"# An adapter\n",
        "adapter_model.bin": b"a pickle",
        "run.py": b"print('code')",
        "notes/plan.json": b"{}",
        ".gitattributes": b"",
    }


def base_files() -> dict[str, bytes]:
    """What a base's repository holds."""
    return {
        "config.json": b'{"model_type": "t5"}',
        "model.safetensors": WEIGHTS[::-1],
        "spiece.model": b"pieces",
        "tokenizer_config.json": b"{}",
        "pytorch_model.bin": b"a pickle",
        "tf_model.h5": b"",
    }


@pytest.fixture
def local_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    """The Hub that the client talks to, with an adapter and its base."""
    with LocalHub().running() as hub:
        hub.add(ADAPTER, adapter_files(tmp_path))
        hub.add(BASE, base_files())
        use(hub, tmp_path, monkeypatch)
        yield hub


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    """An empty cache."""
    return Cache(tmp_path / "cache" / "promptopt")


@pytest.fixture
def reports() -> list[Fetched]:
    """What was reported."""
    return []


@pytest.fixture
def access(cache: Cache, reports: list[Fetched]) -> Access:
    """Access to the Hub with that cache."""
    return Access(cache, report=reports.append)

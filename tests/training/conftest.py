"""What several test files share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hub.local_hub import LocalHub, use


@pytest.fixture
def local_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    """An empty Hub that the client talks to."""
    with LocalHub().running() as hub:
        use(hub, tmp_path, monkeypatch)
        yield hub


@pytest.fixture
def one_thread() -> Iterator[None]:
    """The other core is needed elsewhere."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)

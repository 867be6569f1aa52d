"""What several test files share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hub.local_hub import LocalHub, use


@pytest.fixture
def local_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    """An empty Hub that the client talks to."""
    with LocalHub().running() as hub:
        use(hub, tmp_path, monkeypatch)
        yield hub

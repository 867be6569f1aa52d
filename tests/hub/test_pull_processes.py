"""Several processes that pull at once, and one that is killed."""

import signal
import subprocess
import sys
import time

import pytest
from hub.checks import MODEL, REFERENCE, assert_swept
from hub.conftest import ADAPTER, WEIGHTS
from hub.local_hub import Fault, LocalHub

from promptopt.adapters.access import Access
from promptopt.adapters.cache import Cache, damage
from promptopt.adapters.pull import pull

PULL = "from promptopt.adapters.access import Access; from promptopt.adapters.names import Reference\n"
PULL += f"from promptopt.adapters.pull import pull; print(pull(Reference({ADAPTER!r}), Access())[0])"


def start() -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", PULL], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_two_processes_that_pull_at_once_fetch_it_once(local_hub: LocalHub, cache: Cache) -> None:
    local_hub.faults = [Fault(MODEL, slow=0.02)]
    both = [start(), start()]
    ended = [(*process.communicate(timeout=150), process.returncode) for process in both]
    folder = cache.folders()[0]
    assert ended == [(f"{folder}\n", "", 0)] * 2
    assert len(local_hub.gets(MODEL)) == 1
    assert_swept(cache)


@pytest.mark.parametrize("after", [0, 200, 8_000, 60_000, len(WEIGHTS)])
def test_a_killed_pull_leaves_nothing_half_and_is_taken_up(local_hub: LocalHub, access: Access, cache: Cache, after: int) -> None:
    """Killed once the Hub has sent so many bytes; the next pull does not fetch the files that were whole."""
    local_hub.faults = [Fault(MODEL, slow=0.02)]
    process = start()
    while local_hub.served <= after and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    for folder, entry in cache.entries():
        assert entry is not None
        assert damage(folder, entry, thorough=True) == {}
    local_hub.faults = []
    pull(REFERENCE, access)
    assert_swept(cache)
    assert len(local_hub.gets("README.md")) <= 2

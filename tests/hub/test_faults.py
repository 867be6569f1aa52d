"""What else may fail while something is fetched: the clock, a Hub that accepts and says nothing, a cache below an odd name."""

import socket
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from pathlib import Path

import huggingface_hub
import pytest
from hub.checks import MODEL, REFERENCE, assert_swept
from hub.conftest import ADAPTER, adapter_files
from hub.local_hub import LocalHub

from promptopt.adapters import hub as client
from promptopt.adapters import pull as module
from promptopt.adapters.access import Access
from promptopt.adapters.cache import Cache, Entry
from promptopt.adapters.names import Reference
from promptopt.adapters.pull import pull
from promptopt.errors import HubError


class Clock:
    """A clock that was set to the year 2001."""

    @staticmethod
    def now(zone: tzinfo) -> datetime:
        return datetime(2001, 1, 1, tzinfo=zone)


def test_after_a_clock_was_set_back_the_newest_pull_is_what_a_branch_means(
    local_hub: LocalHub, access: Access, cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, _ = pull(REFERENCE, access)
    local_hub.add(ADAPTER, {**adapter_files(tmp_path), MODEL: b"newer"})
    monkeypatch.setattr(module, "datetime", Clock)
    new, entry = pull(REFERENCE, access)
    assert entry.fetched == datetime(2001, 1, 1, tzinfo=UTC).isoformat()
    found = cache.find(REFERENCE)
    assert found is not None
    assert found[0] == new != old
    assert (Entry.read(old).revisions, Entry.read(new).revisions) == ((), ("main",))
    still = cache.find(Reference(ADAPTER, old.name))
    assert still is not None
    assert still[0] == old


def test_a_hub_that_takes_the_connection_and_says_nothing_is_given_up(access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", address)
        monkeypatch.setattr(client, "TIMEOUT", 0.2)
        with pytest.raises(HubError) as caught:
            pull(REFERENCE, access)
    assert caught.value.message.startswith(f"The Hub at {address} cannot be reached (")
    assert "timed out" in caught.value.message


def test_a_cache_below_an_odd_name_is_filled_and_used(local_hub: LocalHub, access: Access, tmp_path: Path) -> None:
    cache = Cache(tmp_path / "a cache's “näme” 日本 \u200f& $HOME; %s")
    folder, _ = pull(REFERENCE, replace(access, cache=cache))
    assert folder.parent.parent.parent == cache.home
    assert_swept(cache)

"""What comes from the Hub comes whole, once, and only what is asked for; what cannot come leaves the cache as it was."""

import errno
import hashlib
import os
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import huggingface_hub
import pytest
from hub.checks import FETCHED, MODEL, REFERENCE, assert_swept, assert_whole, files
from hub.conftest import ADAPTER, BASE, WEIGHTS, adapter_files
from hub.local_hub import Fault, LocalHub

from promptopt.adapters import hub as client
from promptopt.adapters import pull as module
from promptopt.adapters.access import Access, Fetched
from promptopt.adapters.cache import Cache, Entry
from promptopt.adapters.names import Reference
from promptopt.adapters.pull import pull
from promptopt.errors import BundleError, Cancelled, HubError


def snapshot(cache: Cache) -> dict[str, bytes]:
    """All that the cache can be used for: no locks, nothing partial."""
    return {str(path): path.read_bytes() for folder in cache.folders() for path in folder.rglob("*") if path.is_file()}


def test_the_real_client_takes_the_local_hub_for_one(local_hub: LocalHub, tmp_path: Path) -> None:
    path = huggingface_hub.hf_hub_download(ADAPTER, MODEL, cache_dir=tmp_path / "hf-cache", endpoint=local_hub.url)
    assert Path(path).read_bytes() == WEIGHTS


def test_only_what_is_needed_is_fetched(local_hub: LocalHub, access: Access, cache: Cache) -> None:
    folder, entry = pull(REFERENCE, access)
    commit = local_hub.find(ADAPTER, "main")
    assert commit is not None
    assert folder == cache.home / ADAPTER / commit.commit
    assert files(folder) == sorted([*FETCHED, "index.json"])
    assert (folder / MODEL).read_bytes() == WEIGHTS
    assert_swept(cache)
    assert sorted({asked.path.rsplit("/", 1)[-1] for asked in local_hub.gets("")} & {"run.py", "adapter_model.bin", "model.bin"}) == []
    assert entry == Entry.read(folder)


def test_the_index_says_what_came_from_where(local_hub: LocalHub, access: Access) -> None:
    folder, entry = pull(REFERENCE, access)
    assert (entry.id, entry.commit, entry.kind, entry.revisions) == (ADAPTER, folder.name, "adapter", ("main",))
    assert entry.endpoint == local_hub.url
    assert entry.files[MODEL].size == len(WEIGHTS)
    assert entry.files[MODEL].sha256 == hashlib.sha256(WEIGHTS).hexdigest()
    assert sorted(entry.files) == FETCHED


def test_bytes_are_reported_from_none_to_all(local_hub: LocalHub, access: Access, reports: list[Fetched]) -> None:
    _, entry = pull(REFERENCE, access)
    done = [report.done for report in reports]
    assert (done[0], done[-1]) == (0, entry.size)
    assert done == sorted(done)
    assert len(set(done)) > len(FETCHED)
    assert {(report.name, report.total) for report in reports} == {(ADAPTER, entry.size)}


def test_a_second_pull_fetches_no_file(local_hub: LocalHub, access: Access, cache: Cache) -> None:
    pull(REFERENCE, access)
    before = len(local_hub.asked)
    pull(REFERENCE, access)
    assert [asked.path for asked in local_hub.asked[before:]] == [f"/api/models/{ADAPTER}/revision/main"]
    assert_swept(cache)


def test_a_new_commit_comes_beside_the_old_and_is_what_the_branch_means(
    local_hub: LocalHub, access: Access, cache: Cache, tmp_path: Path
) -> None:
    old, _ = pull(REFERENCE, access)
    local_hub.add(ADAPTER, {**adapter_files(tmp_path), MODEL: b"newer"}, ("main", "v2"))
    new, _ = pull(REFERENCE, access)
    assert old != new
    assert cache.folders() == sorted([old, new])
    for revision, folder in (("main", new), (old.name, old), (new.name, new)):
        found = cache.find(Reference(ADAPTER, revision))
        assert found is not None
        assert found[0] == folder
    assert cache.find(Reference(ADAPTER, "v2")) is None
    pull(Reference(ADAPTER, "v2"), access)
    assert Entry.read(new).revisions == ("main", "v2")


def test_a_base_comes_with_its_vocabulary_and_without_pickles(local_hub: LocalHub, access: Access) -> None:
    folder, entry = pull(Reference(BASE), access)
    assert entry.kind == "base"
    assert files(folder) == ["config.json", "index.json", "model.safetensors", "spiece.model", "tokenizer_config.json"]


NETWORK = "Check the network and run the command again, or name a folder or a built-in adapter."
LATER = "Run the command again later; what is already here is kept."
LOGIN = "If you have access, log in with: hf auth login"
GATED = {"X-Error-Code": "GatedRepo"}
SENTENCES: list[tuple[dict[str, Any], str]] = [
    ({"status": 401}, f"The Hub does not let you read ada/golden (401). {LOGIN}"),
    ({"status": 403}, f"The Hub does not let you read ada/golden (403). {LOGIN}"),
    (
        {"status": 403, "headers": GATED},
        "ada/golden is gated: its owner has to let you in. Ask for access at URL/ada/golden, then run: hf auth login",
    ),
    (
        {"status": 404},
        "There is no ada/golden on the Hub. Check the spelling, also of a folder; for a private repository: hf auth login",
    ),
    ({"status": 429}, f"The Hub has had too many requests from here (429). {LATER}"),
    ({"status": 500}, f"The Hub failed while it was asked for ada/golden (500). {LATER}"),
]


@pytest.mark.parametrize("on", ["api", "file"])
@pytest.mark.parametrize(("fault", "sentence"), SENTENCES, ids=lambda value: str(value)[:40])
def test_a_refusal_of_the_hub_is_a_sentence_and_leaves_the_cache_as_it_was(
    local_hub: LocalHub, access: Access, cache: Cache, tmp_path: Path, on: str, fault: dict[str, Any], sentence: str
) -> None:
    pull(REFERENCE, access)
    before = snapshot(cache)
    local_hub.add(ADAPTER, {**adapter_files(tmp_path), MODEL: b"newer"})
    local_hub.faults = [Fault("" if on == "api" else MODEL, on=on, **fault)]
    with pytest.raises(HubError) as caught:
        pull(REFERENCE, access)
    assert str(caught.value).replace(local_hub.url, "URL") == sentence
    assert snapshot(cache) == before
    assert_whole(cache)


def test_an_unknown_revision_is_named(local_hub: LocalHub, access: Access, cache: Cache) -> None:
    with pytest.raises(HubError) as caught:
        pull(Reference(ADAPTER, "v9"), access)
    assert str(caught.value) == f"ada/golden has no revision 'v9'. See which there are at {local_hub.url}/ada/golden"
    assert cache.folders() == []


def test_a_hub_that_is_not_there_is_named(access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(HubError) as caught:
        pull(REFERENCE, access)
    assert caught.value.message == "The Hub at http://127.0.0.1:9 cannot be reached ([Errno 111] Connection refused)."
    assert caught.value.hint == NETWORK


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_passing_trouble_is_waited_for(local_hub: LocalHub, access: Access, cache: Cache, status: int) -> None:
    local_hub.faults = [Fault(MODEL, times=2, status=status, headers={"Retry-After": "0"})]
    pull(REFERENCE, access)
    assert len(local_hub.gets(MODEL)) == 3
    assert_swept(cache)


def test_the_hub_s_own_waiting_time_is_kept_up_to_half_a_minute(local_hub: LocalHub, access: Access) -> None:
    waits: list[float] = []

    class Stop(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout or 0)
            return False

    local_hub.faults = [Fault(MODEL, times=1, status=429, headers={"Retry-After": "7"})]
    local_hub.faults.append(Fault(MODEL, times=1, status=429, headers={"Retry-After": "700"}))
    pull(REFERENCE, replace(access, stop=Stop()))
    assert waits == [7.0, 30.0]


def test_a_file_cut_in_the_middle_is_taken_up_where_it_broke(local_hub: LocalHub, access: Access, cache: Cache) -> None:
    local_hub.faults = [Fault(MODEL, times=6, cut=10_000)]
    pull(REFERENCE, access)
    ranges = [asked.headers.get("range") for asked in local_hub.gets(MODEL)]
    assert ranges == [None, *(f"bytes={10_000 * number}-" for number in range(1, 7))]
    assert_swept(cache)


def test_a_connection_that_brings_nothing_is_given_up_and_taken_up_later(local_hub: LocalHub, access: Access, cache: Cache) -> None:
    local_hub.faults = [Fault(MODEL, times=1, cut=50_000), Fault(MODEL, times=4, cut=0)]
    with pytest.raises(HubError) as caught:
        pull(REFERENCE, access)
    assert caught.value.message.startswith("The connection to the Hub broke while adapter_model.safetensors was fetched (")
    assert caught.value.hint == "Run the command again; it goes on where it stopped."
    assert cache.folders() == []
    pull(REFERENCE, access)
    assert local_hub.gets(MODEL)[-1].headers["range"] == "bytes=50000-"
    assert len(local_hub.gets("README.md")) == 1
    assert_swept(cache)


def test_a_slow_hub_is_waited_for_while_bytes_come(
    local_hub: LocalHub, access: Access, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "TIMEOUT", 5.0)
    local_hub.faults = [Fault(MODEL, slow=0.01)]
    pull(REFERENCE, access)
    assert_swept(cache)


def test_a_hub_that_falls_silent_is_given_up(local_hub: LocalHub, access: Access, cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "TIMEOUT", 0.2)
    local_hub.faults = [Fault(MODEL, slow=2.0)]
    with pytest.raises(HubError, match=r"The connection to the Hub broke while adapter_model\.safetensors was fetched \(.*timed out.*\)"):
        pull(REFERENCE, access)
    assert cache.folders() == []


@pytest.mark.parametrize("size", [10, 200_000])
def test_a_file_of_another_size_is_thrown_away(local_hub: LocalHub, access: Access, cache: Cache, size: int) -> None:
    local_hub.faults = [Fault(MODEL, times=1, replace=b"x" * size)]
    with pytest.raises(HubError) as caught:
        pull(REFERENCE, access)
    assert caught.value.message.startswith("adapter_model.safetensors of ada/golden came with ")
    assert caught.value.message.endswith(" bytes instead of 102,400; it was thrown away.")
    assert cache.folders() == []
    pull(REFERENCE, access)
    assert_swept(cache)


@pytest.mark.parametrize("name", [MODEL, "README.md"])
def test_a_file_of_another_hash_is_thrown_away(local_hub: LocalHub, access: Access, cache: Cache, tmp_path: Path, name: str) -> None:
    true = adapter_files(tmp_path)[name]
    local_hub.faults = [Fault(name, times=1, replace=true[:-1] + b"!")]
    with pytest.raises(HubError) as caught:
        pull(REFERENCE, access)
    expected = f"{name} of ada/golden came with a content of another hash than the Hub announces; it was thrown away."
    assert caught.value.message == expected
    assert cache.folders() == []
    pull(REFERENCE, access)
    assert_swept(cache)


@pytest.mark.parametrize("left", [b"x" * 5000, b"x" * len(WEIGHTS), b"x" * 300_000])
def test_what_was_left_and_is_wrong_is_fetched_from_the_beginning(local_hub: LocalHub, access: Access, cache: Cache, left: bytes) -> None:
    repository = local_hub.find(ADAPTER, "main")
    assert repository is not None
    partial = cache.partial(ADAPTER, repository.commit)
    partial.mkdir(parents=True)
    (partial / MODEL).write_bytes(left)
    pull(REFERENCE, access)
    assert_swept(cache)


def test_an_index_half_written_by_a_killed_pull_is_no_part_of_the_adapter(local_hub: LocalHub, access: Access, cache: Cache) -> None:
    repository = local_hub.find(ADAPTER, "main")
    assert repository is not None
    partial = cache.partial(ADAPTER, repository.commit)
    partial.mkdir(parents=True)
    (partial / ".index-0123").write_text("{", encoding="utf-8")
    pull(REFERENCE, access)
    assert_swept(cache)


def test_a_redirect_is_followed_without_the_token(
    local_hub: LocalHub, access: Access, cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with LocalHub().running() as storage:
        storage.add(ADAPTER, adapter_files(tmp_path))
        local_hub.faults = [Fault(MODEL, redirect=storage.url), Fault(MODEL, times=1, cut=10)]
        storage.faults = [Fault(MODEL, times=1, cut=9_000)]
        pull(REFERENCE, access)
        assert [asked.headers.get("range") for asked in storage.asked] == [None, "bytes=9000-"]
        assert [asked.headers.get("authorization") for asked in storage.asked] == [None, None]
    assert {asked.headers["authorization"] for asked in local_hub.asked} == {"Bearer hf_secret"}
    assert_swept(cache)


def test_what_the_hub_is_told_of_this_machine_is_the_name_and_version_of_promptopt(local_hub: LocalHub, access: Access) -> None:
    pull(REFERENCE, access)
    assert {asked.headers["user-agent"].partition("/")[0] for asked in local_hub.asked} == {"promptopt"}
    assert not [asked for asked in local_hub.asked if "python" in str(asked.headers)]


def test_a_cancelled_pull_stops_and_keeps_what_came(local_hub: LocalHub, cache: Cache) -> None:
    stop = threading.Event()

    def report(fetched: Fetched) -> None:
        if fetched.done > 70_000:
            stop.set()

    local_hub.faults = [Fault(MODEL, slow=0.005, times=1)]
    with pytest.raises(Cancelled) as caught:
        pull(REFERENCE, Access(cache, report=report, stop=stop))
    assert str(caught.value) == "Fetching ada/golden was cancelled. The next try goes on where this one stopped."
    assert cache.folders() == []
    pull(REFERENCE, Access(cache))
    assert int(local_hub.gets(MODEL)[-1].headers["range"][6:-1]) > 60_000
    assert_swept(cache)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_who_may_read_the_cache_may_read_what_was_fetched(local_hub: LocalHub, access: Access) -> None:
    before = os.umask(0o022)
    try:
        folder, _ = pull(REFERENCE, access)
    finally:
        os.umask(before)
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in (folder, *folder.iterdir())}
    assert modes == {folder.name: "0o755", **dict.fromkeys([*FETCHED, "index.json"], "0o644")}


def test_a_disk_that_fills_up_is_a_sentence_and_the_next_try_goes_on(
    local_hub: LocalHub, access: Access, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = 0

    def full(fetched: Fetched) -> None:
        nonlocal seen
        seen += 1
        if fetched.done > 70_000:
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(BundleError) as caught:
        pull(REFERENCE, replace(access, report=full))
    assert caught.value.message == f"The disk of the cache {cache.home} is full (No space left on device)."
    assert caught.value.hint == "Free some space and run the command again; it goes on where it stopped."
    assert cache.folders() == []
    assert seen > 1
    pull(REFERENCE, access)
    assert "range" in local_hub.gets(MODEL)[-1].headers
    assert_swept(cache)


class Usage(NamedTuple):
    free: int


def test_a_disk_with_too_little_space_is_named_before_anything_comes(
    local_hub: LocalHub, access: Access, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: Usage(1000))
    with pytest.raises(BundleError) as caught:
        pull(REFERENCE, access)
    assert caught.value.message.startswith(f"The disk of the cache {cache.home} is full (")
    assert caught.value.message.endswith(" bytes are needed, 1,000 are free).")
    assert [asked for asked in local_hub.asked if "/resolve/" in asked.path] == []


def test_a_cache_that_cannot_be_written_is_named(local_hub: LocalHub, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BundleError) as caught:
        pull(REFERENCE, Access(Cache(tmp_path / "file")))
    assert caught.value.message.startswith(f"The cache {tmp_path / 'file' / 'hub'} cannot be written (")

"""What a repository may not hold or be: it is refused before anything of it is used."""

from pathlib import Path

import pytest
from hub.checks import MODEL, REFERENCE
from hub.conftest import ADAPTER, BASE, adapter_files, base_files
from hub.local_hub import LocalHub

from promptopt.adapters.access import Access
from promptopt.adapters.cache import Cache
from promptopt.adapters.names import Reference
from promptopt.adapters.pull import pull
from promptopt.errors import BundleError, HubError


@pytest.mark.parametrize("name", ["../evil.json", "/etc/x", "a/../../x", "a\\b", "c:x", "a//b", ".", "a/..", "a/\x00b", "con /..."])
def test_a_name_that_leaves_its_folder_is_refused_before_anything_is_fetched(
    local_hub: LocalHub, access: Access, cache: Cache, tmp_path: Path, name: str
) -> None:
    local_hub.add(ADAPTER, {**adapter_files(tmp_path), name: b"{}"})
    with pytest.raises(BundleError) as caught:
        pull(REFERENCE, access)
    assert caught.value.message == f"ada/golden lists a file {name!r}, which would be written outside its folder."
    assert local_hub.gets(".json") == []
    assert not cache.home.exists()


@pytest.mark.parametrize("commit", ["../../../elsewhere", "/elsewhere", "c:x", "", "."])
def test_a_commit_that_leaves_its_folder_is_refused_before_anything_is_fetched(
    local_hub: LocalHub, access: Access, cache: Cache, commit: str
) -> None:
    local_hub.repositories[ADAPTER][0].commit = commit
    with pytest.raises(HubError) as caught:
        pull(REFERENCE, access)
    assert caught.value.message == f"{local_hub.url} does not say at which commit ada/golden is."
    assert local_hub.gets(".json") == []
    assert not cache.home.exists()


def test_weights_in_a_pickle_only_are_refused(local_hub: LocalHub, access: Access, tmp_path: Path) -> None:
    content = adapter_files(tmp_path)
    del content[MODEL]
    local_hub.add(ADAPTER, content)
    with pytest.raises(BundleError) as caught:
        pull(REFERENCE, access)
    expected = "ada/golden has its weights as pickles only (adapter_model.bin); opening them can run any code."
    assert caught.value.message == expected


def test_a_repository_of_something_else_is_refused(local_hub: LocalHub, access: Access) -> None:
    local_hub.add("ada/data", {"README.md": b"", "train.csv": b""})
    with pytest.raises(BundleError) as caught:
        pull(Reference("ada/data"), access)
    expected = "ada/data lacks config.json, model.safetensors, spiece.model; it is no base that promptopt can use."
    assert caught.value.message == expected


@pytest.mark.parametrize("key", ["auto_map", "trust_remote_code"])
def test_code_of_its_own_is_refused_before_the_weights_come(local_hub: LocalHub, access: Access, cache: Cache, key: str) -> None:
    local_hub.add(BASE, {**base_files(), "config.json": b'{"%s": {"AutoModel": "evil.Model"}}' % key.encode()})
    with pytest.raises(BundleError) as caught:
        pull(Reference(BASE), access)
    expected = f"ada/mini asks for code of its own to be run ({key} in config.json), which promptopt never does."
    assert caught.value.message == expected
    assert local_hub.gets("model.safetensors") == []
    assert cache.folders() == []


def test_a_base_that_has_changed_since_is_refused_before_it_comes(local_hub: LocalHub, access: Access) -> None:
    with pytest.raises(HubError) as caught:
        pull(Reference(BASE), access, "0" * 64)
    expected = "ada/mini is not the base that the adapter was trained on: its weights have changed since."
    assert caught.value.message == expected
    assert [asked for asked in local_hub.asked if "/resolve/" in asked.path] == []

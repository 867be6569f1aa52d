"""From the name in a setting to folders: what wins, what is fetched, and what is said where nothing is found."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import manifest
from hub.conftest import ADAPTER, BASE, WEIGHTS, adapter_files, base_files
from hub.local_hub import Fault, LocalHub

from promptopt.adapters import cache as cache_module
from promptopt.adapters.access import Access, Fetched
from promptopt.adapters.cache import Cache, Entry
from promptopt.adapters.locate import base_named_by, find, locate, may_need_hub
from promptopt.adapters.names import ADAPTER as KIND
from promptopt.adapters.names import BASE as BASE_KIND
from promptopt.adapters.names import Reference, is_offline, is_plain
from promptopt.bundle import builtin_folder
from promptopt.errors import BundleError, HubError

MODEL = "adapter_model.safetensors"


def placed(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a/b", Reference("a/b", "main")),
        ("google/flan-t5-base@7bcac57", Reference("google/flan-t5-base", "7bcac57")),
        ("a_1/b.c-d@refs/pr/1", Reference("a_1/b.c-d", "refs/pr/1")),
        ("golden", None),
        ("./a/b", None),
        ("../b", None),
        ("a/..", None),
        ("~/b", None),
        ("/a/b", None),
        ("a/b/c", None),
        ("a/b@", None),
        ("a\\b", None),
        ("a/b\n", None),
        ("é/b", None),
    ],
)
def test_what_is_a_name_on_the_hub(name: str, expected: Reference | None) -> None:
    assert Reference.parse(name) == expected


def test_a_reference_is_shown_as_it_is_written() -> None:
    assert [str(Reference("a/b")), str(Reference("a/b", "v1"))] == ["a/b", "a/b@v1"]


@pytest.mark.parametrize(("name", "plain"), [("a.json", True), ("a/b.json", True), (".a", True), ("..", False), ("a/../b", False)])
def test_which_file_names_stay_in_their_folder(name: str, plain: bool) -> None:
    assert is_plain(name) is plain


@pytest.mark.parametrize(("value", "expected"), [("1", True), ("ON", True), ("true", True), ("0", False), ("", False)])
def test_the_client_s_own_variable_counts(monkeypatch: pytest.MonkeyPatch, value: str, expected: bool) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", value)
    assert (is_offline(False), is_offline(True)) == (expected, True)


def test_a_built_in_name_means_the_built_in_one_wherever_one_stands(local_hub: LocalHub, access: Access, own: Path) -> None:
    placed(own / "golden", {"adapter_config.json": b"{}"})
    place = find("golden", KIND, access)
    assert (place.folder, place.source) == ((builtin_folder() / "golden").resolve(), "built in")
    assert find("./golden", KIND, access).folder == own / "golden"


def test_a_folder_wins_over_the_hub(local_hub: LocalHub, access: Access, own: Path) -> None:
    placed(own / ADAPTER, {"adapter_config.json": b"{}", MODEL: b""})
    place = find(ADAPTER, KIND, access)
    assert (place.folder, place.source) == (own / ADAPTER, "folder")
    assert local_hub.asked == []


def test_the_hub_gives_adapter_and_base_once(local_hub: LocalHub, access: Access, cache: Cache, own: Path, reports: list[Fetched]) -> None:
    first = locate(ADAPTER, access)
    asked = len(local_hub.asked)
    second = locate(ADAPTER, replace(access, offline=True))
    assert (first.adapter.folder, first.base.folder) == (second.adapter.folder, second.base.folder)
    assert (first.adapter.source, first.base.source, first.base_name) == ("Hub", "Hub", BASE)
    assert sorted(cache.folders()) == sorted([first.adapter.folder, first.base.folder])
    assert len(local_hub.asked) == asked
    assert list(dict.fromkeys(report.name for report in reports)) == [ADAPTER, BASE]
    bundle = first.bundle()
    assert (bundle.name, bundle.adapter, bundle.base) == (ADAPTER, first.adapter.folder, first.base.folder)


def test_a_revision_is_looked_for_on_its_own(local_hub: LocalHub, access: Access, own: Path, tmp_path: Path) -> None:
    commit = local_hub.add(ADAPTER, {**adapter_files(tmp_path), MODEL: b"second"}, ("v2",))
    newest = find(ADAPTER, KIND, access).folder
    tagged = find(f"{ADAPTER}@v2", KIND, access).folder
    assert (tagged.name, (tagged / MODEL).read_bytes()) == (commit, b"second")
    assert (newest / MODEL).read_bytes() == WEIGHTS
    assert find(f"{ADAPTER}@{commit}", KIND, replace(access, offline=True)).folder == tagged


def test_loading_writes_nothing(local_hub: LocalHub, access: Access, cache: Cache, own: Path) -> None:
    locate(ADAPTER, access)
    before = sorted((path, path.stat().st_mtime_ns) for path in cache.home.rglob("*"))
    locate(ADAPTER, access)
    assert sorted((path, path.stat().st_mtime_ns) for path in cache.home.rglob("*")) == before


def cut(folder: Path) -> str:
    (folder / MODEL).write_bytes(WEIGHTS[:-1])
    return f"{MODEL}: 102,399 bytes instead of 102,400"


def changed(folder: Path) -> str:
    (folder / MODEL).write_bytes(WEIGHTS[:-1] + b"!")
    return f"{MODEL}: another content"


def missing(folder: Path) -> str:
    (folder / "promptopt.json").unlink()
    return "promptopt.json: missing"


@pytest.mark.parametrize("harm", [cut, changed, missing])
def test_damage_is_named_and_fetched_again_alone(
    local_hub: LocalHub, access: Access, own: Path, caplog: pytest.LogCaptureFixture, harm: Callable[[Path], str]
) -> None:
    folder = locate(ADAPTER, access).adapter.folder
    what = harm(folder)
    with pytest.raises(HubError) as caught:
        locate(ADAPTER, replace(access, offline=True))
    state = f"ada/golden in the cache {access.cache.home} is damaged ({what})"
    assert caught.value.message == f"{state}, and offline mode is on."
    before = len(local_hub.asked)
    with caplog.at_level(logging.WARNING):
        assert locate(ADAPTER, access).adapter.folder == folder
    assert caplog.messages == [f"{state}; it is fetched again."]
    assert len([asked for asked in local_hub.asked[before:] if "/resolve/" in asked.path]) == 1
    assert (folder / MODEL).read_bytes() == WEIGHTS
    assert locate(ADAPTER, replace(access, offline=True)).bundle().manifest.base == BASE


def test_of_large_files_only_the_size_is_looked_at(local_hub: LocalHub, access: Access, own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = locate(ADAPTER, access).adapter.folder
    changed(folder)
    monkeypatch.setattr(cache_module, "HASHED_AT_LOAD", 1000)
    assert locate(ADAPTER, replace(access, offline=True)).adapter.folder == folder


@pytest.mark.parametrize("index", [b"", b"{}", b'{"format": 2}', b'{"format": 1, "files": 3}'])
def test_an_entry_whose_index_is_damaged_is_fetched_anew(local_hub: LocalHub, access: Access, own: Path, index: bytes) -> None:
    folder = locate(ADAPTER, access).adapter.folder
    (folder / "index.json").write_bytes(index)
    (folder / "stray").write_bytes(b"")
    assert locate(ADAPTER, access).adapter.folder == folder
    assert Entry.read(folder).commit == folder.name
    assert not (folder / "stray").exists()


def test_damage_without_a_network_is_named_with_the_reason(
    local_hub: LocalHub, access: Access, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut(locate(ADAPTER, access).adapter.folder)
    local_hub.faults = [Fault(on="api", status=500)]
    with pytest.raises(HubError) as caught:
        locate(ADAPTER, access)
    assert f"is damaged ({MODEL}: 102,399 bytes instead of 102,400). The Hub failed" in caught.value.message


def test_offline_a_missing_adapter_says_what_to_do(local_hub: LocalHub, access: Access, own: Path) -> None:
    with pytest.raises(HubError) as caught:
        locate(f"{ADAPTER}@v1", replace(access, offline=True))
    expected = "ada/golden@v1 is not in the cache, and offline mode is on. With a network, run: promptopt adapters pull ada/golden@v1"
    assert str(caught.value) == expected
    assert local_hub.asked == []


def test_a_missing_base_with_the_network_down_is_named(local_hub: LocalHub, access: Access, own: Path) -> None:
    find(ADAPTER, KIND, access)
    local_hub.faults = [Fault("mini/revision/main", on="api", status=503)]
    with pytest.raises(HubError) as caught:
        locate(ADAPTER, access)
    assert caught.value.message == "ada/mini is not in the cache. The Hub failed while it was asked for ada/mini (503)."
    with pytest.raises(HubError, match=r"^ada/mini is not in the cache, and offline mode is on\."):
        locate(ADAPTER, replace(access, offline=True))


@pytest.mark.parametrize("name", ["nope", "./nope", "/nope/nope", "a/b/c", "~nobody-of-this-name/x"])
def test_what_is_nowhere_is_named(access: Access, own: Path, name: str) -> None:
    with pytest.raises(BundleError) as caught:
        locate(name, access)
    assert caught.value.message == f"There is no adapter {name!r}."
    assert caught.value.hint == "Give a folder, owner/name on the Hub, or one of: concise, golden, markdown, xml."


@pytest.mark.parametrize("base", ["/etc", "../mini", "~/mini", "mini", "a/b/c", ""])
def test_an_adapter_from_the_hub_may_name_no_folder_as_its_base(
    local_hub: LocalHub, access: Access, own: Path, tmp_path: Path, base: str
) -> None:
    placed(own / "mini", base_files())
    local_hub.add(ADAPTER, adapter_files(tmp_path, base))
    with pytest.raises(BundleError) as caught:
        locate(ADAPTER, access)
    assert caught.value.message == f"ada/golden names as its base {base!r}, which is neither built in nor owner/name on the Hub."


def test_a_folder_does_not_stand_in_for_the_base_of_an_adapter_from_the_hub(local_hub: LocalHub, access: Access, own: Path) -> None:
    placed(own / BASE, base_files())
    assert locate(ADAPTER, access).base.source == "Hub"


def test_an_adapter_in_a_folder_may_name_a_base_on_the_hub(local_hub: LocalHub, access: Access, own: Path, tmp_path: Path) -> None:
    placed(own / "mine", adapter_files(tmp_path))
    located = locate("./mine", access)
    assert (located.adapter.source, located.base.source) == ("folder", "Hub")


def test_a_base_that_is_another_one_is_refused(local_hub: LocalHub, access: Access, own: Path, tmp_path: Path) -> None:
    local_hub.add(ADAPTER, adapter_files(tmp_path, base_sha256="0" * 64))
    with pytest.raises(HubError, match=r"ada/mini is not the base that the adapter was trained on"):
        locate(ADAPTER, access)


def test_a_manifest_of_a_newer_format_asks_for_an_upgrade(local_hub: LocalHub, access: Access, own: Path, tmp_path: Path) -> None:
    local_hub.add(ADAPTER, {**adapter_files(tmp_path), "promptopt.json": b'{"format": 2}'})
    with pytest.raises(BundleError) as caught:
        locate(ADAPTER, access)
    assert caught.value.message.endswith("has manifest format 2; this version reads format 1.")
    assert caught.value.hint == "Upgrade promptopt."


def test_an_adapter_is_no_base_and_a_base_no_adapter(local_hub: LocalHub, access: Access, own: Path) -> None:
    with pytest.raises(BundleError, match=r"ada/mini is a model of kind base, where one of kind adapter is needed\."):
        find(BASE, KIND, access)
    with pytest.raises(BundleError, match=r"ada/golden is a model of kind adapter, where one of kind base is needed\."):
        find(ADAPTER, BASE_KIND, access)


def test_pickles_in_a_folder_are_refused(access: Access, own: Path) -> None:
    placed(own / "mine", {"adapter_config.json": b"{}", "adapter_model.bin": b""})
    with pytest.raises(BundleError) as caught:
        find("./mine", KIND, access)
    assert caught.value.message == "./mine has its weights as pickles only (adapter_model.bin); opening them can run any code."


def test_code_in_a_folder_is_refused(access: Access, own: Path) -> None:
    placed(own / "base", {**base_files(), "config.json": b'{"auto_map": {"AutoModel": "evil.Model"}}'})
    with pytest.raises(BundleError, match=r"\./base asks for code of its own to be run \(auto_map in config\.json\)"):
        find("./base", BASE_KIND, access)


@pytest.mark.parametrize(
    ("configuration", "expected"),
    [
        ({"base_model_name_or_path": "google/flan-t5-base"}, "google/flan-t5-base"),
        ({"base_model_name_or_path": "google/flan-t5-base", "revision": None}, "google/flan-t5-base"),
        ({"base_model_name_or_path": "google/flan-t5-base", "revision": "7bcac57"}, "google/flan-t5-base@7bcac57"),
        ({"base_model_name_or_path": "/models/t5", "revision": "x"}, "/models/t5"),
    ],
)
def test_a_plain_adapter_names_its_base_in_its_configuration(tmp_path: Path, configuration: dict[str, str], expected: str) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps(configuration))
    assert base_named_by(tmp_path) == (expected, "")


def test_the_manifest_names_the_base_first(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text('{"base_model_name_or_path": "a/b"}')
    manifest(base="c/d", base_sha256="00").write(tmp_path)
    assert base_named_by(tmp_path) == ("c/d", "00")


def test_an_adapter_without_a_base_is_named(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text('{"base_model_name_or_path": null}')
    with pytest.raises(BundleError, match="does not name its base"):
        base_named_by(tmp_path)


def test_what_may_need_the_hub(own: Path) -> None:
    (own / "mine").mkdir()
    assert [may_need_hub(name) for name in ("golden", "a/b", "nope", "mine")] == [False, True, False, True]


GUARD = """\
import sys

def guard(event, args):
    if event.startswith("socket."):
        raise RuntimeError(f"a socket was touched: {event}")

sys.addaudithook(guard)
"""


def optimized(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`promptopt optimize` in a process that must not open a socket."""
    (tmp_path / "guard").mkdir(exist_ok=True)
    (tmp_path / "guard" / "sitecustomize.py").write_text(GUARD)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path / "guard"), os.environ["PYTHONPATH"]])}
    command = [sys.executable, "-m", "promptopt", "optimize", *arguments, "create function"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=170, check=False)


def test_offline_opens_no_socket_for_what_is_missing(local_hub: LocalHub, tmp_path: Path) -> None:
    done = optimized(tmp_path, "--offline", "--adapter", ADAPTER)
    expected = (
        "promptopt: ada/golden is not in the cache, and offline mode is on. With a network, run: promptopt adapters pull ada/golden\n"
    )
    assert (done.returncode, done.stdout, done.stderr) == (3, "", expected)


def test_the_guard_sees_a_download(local_hub: LocalHub, tmp_path: Path) -> None:
    done = optimized(tmp_path, "--adapter", ADAPTER)
    assert done.returncode != 0
    assert "a socket was touched" in done.stderr


@pytest.mark.model
def test_a_fetched_adapter_rewrites_offline_and_opens_no_socket(local_hub: LocalHub, access: Access, tmp_path: Path) -> None:
    golden, mini = builtin_folder() / "golden", builtin_folder() / "promptopt-mini"
    content = {path.name: path.read_bytes() for path in golden.iterdir() if path.is_file()}
    manifest_ = json.loads(content["promptopt.json"])
    content["promptopt.json"] = json.dumps({**manifest_, "base": "ada/real"}).encode()
    local_hub.add("ada/writer", content)
    local_hub.add("ada/real", {path.name: path.read_bytes() for path in mini.iterdir() if path.is_file()})
    located = locate("ada/writer", access)
    done = optimized(tmp_path, "--offline", "--adapter", "ada/writer")
    assert (done.returncode, done.stderr) == (0, "")
    assert "create function" in done.stdout
    assert located.base.source == "Hub"

"""An adapter goes to the Hub whole, and nothing that can run code goes with it."""

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import manifest
from hub.local_hub import Fault, LocalHub
from huggingface_hub import HfApi
from safetensors.numpy import save_file

from promptopt.errors import BundleError, HubError, InvalidInput
from promptopt_training import cli, hub
from promptopt_training.options import PublishOptions
from promptopt_training.publish import publish

NAMES = ["adapter_config.json", "adapter_model.safetensors", "promptopt.json", "README.md"]


def adapter(folder: Path, **changes: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    manifest(**changes).write(folder)
    (folder / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    (folder / "README.md").write_text("---\nbase_model: promptopt-mini\n---\n")
    save_file({"a": np.zeros(3, np.float32)}, folder / "adapter_model.safetensors")
    return folder


def sent(folder: Path, **changes: Any) -> list[str]:
    """The lines that are said."""
    lines: list[str] = []
    publish(PublishOptions(repository="owner/name", adapter_path=folder, **changes), lines.append)
    return lines


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    """A Hub on loopback, and a login for it."""
    with LocalHub().running() as running:
        monkeypatch.setattr(hub, "get_token", lambda: "token")
        monkeypatch.setattr(hub, "HfApi", lambda: HfApi(endpoint=running.url, token="token"))
        yield running


@pytest.fixture
def no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks the Hub fails the test."""
    monkeypatch.setattr(hub, "HfApi", lambda: pytest.fail("asked the Hub"))


def test_the_files_of_the_adapter_arrive_as_they_are(tmp_path: Path, server: LocalHub) -> None:
    folder = adapter(tmp_path / "a")
    (folder / "notes.txt").write_text("mine")
    lines = sent(folder)
    (repository,) = server.repositories["owner/name"]
    assert repository.files == {name: (folder / name).read_bytes() for name in NAMES}
    assert repository.revisions == ("main",)
    assert [(made["organization"], made["name"]) for made in server.created] == [("owner", "name")]
    assert lines[-1] == f"published: {server.url}/owner/name/commit/{repository.commit}"


def test_a_branch_is_made_and_committed_to_and_a_new_repository_may_be_private(tmp_path: Path, server: LocalHub) -> None:
    sent(adapter(tmp_path / "a"), revision="v2", private=True)
    assert "/api/models/owner/name/branch/v2" in [asked.path for asked in server.asked]
    assert [repository.revisions for repository in server.repositories["owner/name"]] == [("v2",)]
    assert [made.get("private") is True or made.get("visibility") == "private" for made in server.created] == [True]


def test_a_dry_run_shows_each_file_with_its_size_and_asks_nobody(tmp_path: Path, no_hub: None) -> None:
    folder = adapter(tmp_path / "a")
    lines = sent(folder, dry_run=True, revision="v2")
    assert [line.split(" -> ")[1] for line in lines[:-1]] == [f"owner/name@v2/{name}" for name in NAMES]
    assert lines[0] == f"{21:>12,} bytes  {folder / 'adapter_config.json'} -> owner/name@v2/adapter_config.json"
    assert lines[-1] == "4 files would be sent to owner/name@v2; nothing was."


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("adapter_model.bin", b"x"),
        ("optimizer.pt", b"x"),
        ("modeling.py", b"x"),
        ("deep/inside/weights.PKL", b"x"),
        ("harmless.txt", pickle.dumps({"a": 1})),
        ("harmless.json", b"PK\x03\x04 an archive"),
        ("compiled/model.bin", b"x"),
    ],
)
def test_pickles_and_code_are_refused(tmp_path: Path, no_hub: None, name: str, content: bytes) -> None:
    folder = adapter(tmp_path / "a")
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    with pytest.raises(BundleError) as caught:
        sent(folder)
    assert caught.value.message == f"{folder} holds files that can run code where they are loaded: {name}."


@pytest.mark.parametrize("name", NAMES)
def test_an_incomplete_adapter_is_refused(tmp_path: Path, no_hub: None, name: str) -> None:
    folder = adapter(tmp_path / "a")
    (folder / name).unlink()
    with pytest.raises(BundleError, match=f"lacks {name}"):
        sent(folder)


@pytest.mark.parametrize("name", NAMES[:3])
def test_a_damaged_file_is_refused(tmp_path: Path, no_hub: None, name: str) -> None:
    folder = adapter(tmp_path / "a")
    (folder / name).write_bytes(b"{")
    with pytest.raises(BundleError, match=name):
        sent(folder)


def test_an_adapter_on_a_folder_of_this_machine_is_refused(tmp_path: Path, no_hub: None) -> None:
    with pytest.raises(InvalidInput, match="which nobody else has"):
        sent(adapter(tmp_path / "a", base=str(tmp_path / "base")))


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="There is no folder"):
        sent(tmp_path / "nowhere")


def test_without_a_login_the_command_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(hub, "get_token", lambda: None)
    assert cli.main(["publish", "owner/name", "--adapter-path", str(adapter(tmp_path / "a"))]) == 3
    assert capsys.readouterr().err.endswith("promptopt-train: You are not logged in to the Hub. Log in first: hf auth login\n")


@pytest.mark.parametrize(
    ("suffix", "status", "said"),
    [
        ("create", 401, "The Hub does not let you write to owner/name (401)."),
        ("preupload/main", 403, "The Hub does not let you write to owner/name (403)."),
        ("commit/main", 404, "There is no owner/name on the Hub."),
        ("commit/main", 413, "The Hub failed while it was asked for owner/name (413)."),
    ],
)
def test_a_refusal_of_the_hub_is_a_sentence(tmp_path: Path, server: LocalHub, suffix: str, status: int, said: str) -> None:
    server.faults = [Fault(suffix, on="post", status=status)]
    with pytest.raises(HubError) as caught:
        sent(adapter(tmp_path / "a"))
    assert caught.value.message == said
    assert server.repositories == {}


def test_a_name_that_the_hub_cannot_have_is_a_sentence(tmp_path: Path, server: LocalHub) -> None:
    with pytest.raises(HubError, match="'a/b/c' is no name on the Hub"):
        publish(PublishOptions(repository="a/b/c", adapter_path=adapter(tmp_path / "a")), print)
    assert server.asked == []


def test_a_hub_that_cannot_be_reached_is_a_sentence(tmp_path: Path, server: LocalHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "HfApi", lambda: HfApi(endpoint="http://127.0.0.1:9", token="token"))
    with pytest.raises(HubError, match=r"The Hub at .* cannot be reached"):
        sent(adapter(tmp_path / "a"))

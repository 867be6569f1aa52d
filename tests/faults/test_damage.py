"""A compiled form that is damaged, of another format, or taken away is made again; who reads the old one reads on."""

import logging
import threading
from pathlib import Path

import pytest
from tiny_models import ids, sources

from promptopt.bundle import Bundle
from promptopt.engine import loader
from promptopt.engine.compiler import compile_bundle
from promptopt.engine.protocol import Decoding
from promptopt.errors import BundleError
from promptopt.settings import Settings

RUNNING = threading.Event()


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is compiled from now on, in this process."""
    made: list[str] = []

    def watched(bundle: Bundle, folder: Path) -> None:
        made.append(bundle.name)
        compile_bundle(bundle, folder, loader.quantization(bundle))

    monkeypatch.setattr(loader, "_compile", watched)
    return made


def older(content: bytes) -> bytes:
    return content[:8] + b"\x01" + content[9:]


def flipped(content: bytes) -> bytes:
    place = len(content) // 2
    return content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :]


DAMAGES = {
    "a flipped bit": (flipped, "its weights are damaged"),
    "cut short": (lambda content: content[:-1], "it should have"),
    "emptied": (lambda content: b"", "cannot mmap an empty file"),
    "an older format": (older, "it is of version 1"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_form_is_made_again_once(
    tiny: Bundle, tmp_path: Path, made: list[str], caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    path = loader.compiled_model(tiny, tmp_path).path
    whole = path.read_bytes()
    change, why = DAMAGES[damage]
    path.write_bytes(change(whole))
    with caplog.at_level(logging.WARNING):
        assert loader.compiled_model(tiny, tmp_path).path == path
    assert path.read_bytes() == whole
    assert len(made) == 2
    assert why in caplog.text
    assert caplog.text.rstrip().endswith("It is made again now.")
    loader.compiled_model(tiny, tmp_path)
    assert len(made) == 2
    assert [folder.name for folder in (tmp_path / "compiled").iterdir()] == [loader.cache_key(tiny)]


def test_a_damaged_form_is_made_again_for_whoever_asks_for_a_rewrite(
    tiny: Bundle, tmp_path: Path, made: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loader, "cache_folder", lambda: tmp_path)
    settings = Settings(adapter=str(tiny.adapter))
    asked = sources()[0]
    expected = ids(list(loader.load_model(settings).engine.stream(asked, Decoding(6), RUNNING)))
    path = loader.compiled_folder(tiny, tmp_path) / "model.bin"
    path.write_bytes(flipped(path.read_bytes()))
    assert ids(list(loader.load_model(settings).engine.stream(asked, Decoding(6), RUNNING))) == expected
    assert len(made) == 2


def test_what_comes_out_damaged_every_time_is_an_error_and_not_tried_for_ever(
    tiny: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []

    def broken(bundle: Bundle, folder: Path) -> None:
        made.append(1)
        (folder / "model.bin").write_bytes(b"no model")

    monkeypatch.setattr(loader, "_compile", broken)
    with pytest.raises(BundleError, match="it is no compiled model"):
        loader.compiled_model(tiny, tmp_path)
    assert len(made) == 2


def test_who_reads_a_form_reads_on_when_it_is_deleted_and_made_again(tiny: Bundle, tmp_path: Path, made: list[str]) -> None:
    engine = loader.open_engine(loader.compiled_model(tiny, tmp_path))
    stream = engine.stream(sources()[0], Decoding(12), RUNNING)
    first = next(stream)
    assert loader.forget([tiny.adapter], tmp_path) != []
    loader.compiled_model(tiny, tmp_path)
    rest = ids(list(stream))
    assert [first.id, *rest] == ids(list(engine.stream(sources()[0], Decoding(12), RUNNING)))
    assert len(rest) == 11

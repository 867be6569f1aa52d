"""`promptopt compile`: prepares what the first rewrite would have to."""

from pathlib import Path

import pytest

from promptopt.bundle import Bundle
from promptopt.cli import main
from promptopt.engine import loader
from promptopt.engine.compiler import compile_bundle
from promptopt.engine.modelfile import ModelFile

Captured = pytest.CaptureFixture[str]


def test_the_folder_is_printed_and_the_next_time_nothing_is_made(
    tied: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    made = []

    def watched(bundle: Bundle, folder: Path) -> None:
        made.append(bundle.adapter)
        compile_bundle(bundle, folder, loader.quantization(bundle))

    monkeypatch.setattr(loader, "_compile", watched)
    monkeypatch.setattr(loader, "cache_folder", lambda: tmp_path)
    folder = tmp_path / "compiled" / loader.cache_key(tied)
    for _ in range(2):
        assert main(["compile", "--adapter", str(tied.adapter)]) == 0
        assert capsys.readouterr() == (f"{folder}\n", "")
    assert made == [tied.adapter]
    assert ModelFile(folder / "model.bin").shape.d_model == 32


def test_an_adapter_that_is_nowhere_is_missing(capsys: Captured) -> None:
    assert main(["compile", "--adapter", "/nowhere/adapter"]) == 3
    assert capsys.readouterr().out == ""

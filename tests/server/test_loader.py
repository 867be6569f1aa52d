"""A bundle is compiled once, completely or not at all."""

import os
import shutil
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file, save_file
from tiny_models import ids, sources

from promptopt.bundle import Bundle
from promptopt.engine import loader
from promptopt.engine.compiler import compile_bundle
from promptopt.engine.loader import cache_folder, cache_key, compiled_folder, forget, load_model, open_engine
from promptopt.engine.modelfile import ModelFile
from promptopt.engine.protocol import MODEL_FILE, Decoding
from promptopt.errors import BundleError
from promptopt.optimizer import Optimizer
from promptopt.settings import Settings

RUNNING = threading.Event()


@pytest.fixture
def own(tied: Bundle, tmp_path: Path) -> Bundle:
    """A copy of the adapter that a test may change."""
    return replace(tied, adapter=Path(shutil.copytree(tied.adapter, tmp_path / "own")))


def written(folder: Path) -> list[tuple[str, int]]:
    return sorted((str(path.relative_to(folder)), path.stat().st_mtime_ns) for path in folder.rglob("*"))


def watch_compilations(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys compiled from now on; compiled in this process, which is faster."""
    made: list[str] = []

    def watched(bundle: Bundle, folder: Path) -> None:
        made.append(cache_key(bundle))
        compile_bundle(bundle, folder, loader.quantization(bundle))

    monkeypatch.setattr(loader, "_compile", watched)
    return made


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_who_may_read_the_cache_may_read_what_was_compiled(tied: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watch_compilations(monkeypatch)
    before = os.umask(0o022)
    try:
        folder = compiled_folder(tied, tmp_path)
    finally:
        os.umask(before)
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in (folder, *folder.iterdir())}
    assert modes == {folder.name: "0o755", MODEL_FILE: "0o644", "source.json": "0o644"}


def test_a_form_that_another_process_has_deleted_is_made_again(tied: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = watch_compilations(monkeypatch)
    folder = compiled_folder(tied, tmp_path)
    shutil.rmtree(folder)
    monkeypatch.setattr(loader, "compiled_folder", lambda bundle, cache: folder)
    assert loader.compiled_model(tied, tmp_path).path == folder / MODEL_FILE
    assert made == [folder.name, folder.name]


def test_a_bundle_is_compiled_once(tied: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = watch_compilations(monkeypatch)
    folder = compiled_folder(tied, tmp_path)
    before = written(tmp_path)
    assert compiled_folder(tied, tmp_path) == folder == tmp_path / "compiled" / cache_key(tied)
    assert made == [cache_key(tied)]
    assert written(tmp_path) == before
    assert [path.name for path in (tmp_path / "compiled").iterdir()] == [cache_key(tied)]


def test_what_was_compiled_from_a_folder_is_forgotten_with_it(own: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watch_compilations(monkeypatch)
    folder = compiled_folder(own, tmp_path)
    assert forget([tmp_path / "other"], tmp_path) == []
    assert forget([own.adapter], tmp_path) == [folder]
    assert list((tmp_path / "compiled").iterdir()) == []
    assert forget([compiled_folder(own, tmp_path), own.base], tmp_path) == [folder]


def double_weights(bundle: Bundle) -> None:
    tensors = load_file(bundle.adapter / "adapter_model.safetensors")
    save_file({name: 2 * tensor for name, tensor in tensors.items()}, bundle.adapter / "adapter_model.safetensors")


def test_a_changed_adapter_is_compiled_anew_and_the_old_form_goes(own: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = watch_compilations(monkeypatch)
    first = compiled_folder(own, tmp_path / "cache")
    before = (first / "model.bin").read_bytes()
    double_weights(own)
    second = compiled_folder(own, tmp_path / "cache")
    assert made == [first.name, second.name]
    assert (second / "model.bin").read_bytes() != before
    assert [path.name for path in (tmp_path / "cache" / "compiled").iterdir()] == [second.name]


def test_the_form_of_another_adapter_stays(own: Bundle, tied: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = watch_compilations(monkeypatch)
    double_weights(own)
    folders = {compiled_folder(bundle, tmp_path / "cache") for bundle in (own, tied)}
    assert set((tmp_path / "cache" / "compiled").iterdir()) == folders
    assert len(made) == 2


def edit_weights(bundle: Bundle) -> Bundle:
    (bundle.adapter / "adapter_model.safetensors").write_bytes(b"x")
    return bundle


def edit_config(bundle: Bundle) -> Bundle:
    (bundle.adapter / "adapter_config.json").write_text('{"peft_type": "LORA", "r": 4, "lora_alpha": 9}')
    return bundle


def edit_sentinels(bundle: Bundle) -> Bundle:
    return replace(bundle, manifest=replace(bundle.manifest, extra_ids=7))


def edit_base(bundle: Bundle, name: str) -> Bundle:
    base = Path(shutil.copytree(bundle.base, bundle.adapter.parent / "base"))
    (base / name).write_bytes(b"x")
    return replace(bundle, base=base)


@pytest.mark.parametrize("edit", ["weights", "config", "sentinels", "config.json", "model.safetensors", "spiece.model"])
def test_the_key_changes_with_all_that_the_compiled_form_depends_on(own: Bundle, edit: str) -> None:
    edits = {"weights": edit_weights, "config": edit_config, "sentinels": edit_sentinels}
    before = cache_key(own)
    after = cache_key(edits[edit](own) if edit in edits else edit_base(own, edit))
    assert after != before


@pytest.mark.parametrize("changes", [{"style": "other"}, {"write_limit": 9}, {"metrics": {"exact": 1.0}}])
def test_the_key_does_not_change_with_what_the_network_does_not_see(own: Bundle, changes: dict[str, Any]) -> None:
    assert cache_key(replace(own, manifest=replace(own.manifest, **changes))) == cache_key(own)


def test_the_key_changes_with_the_compiler_and_the_quantization(tied: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    before = cache_key(tied)
    monkeypatch.setattr(loader, "COMPILER", 99)
    newer = cache_key(tied)
    monkeypatch.setattr(loader, "SMALL", 0)
    assert len({before, newer, cache_key(tied)}) == 3


def test_a_small_network_is_kept_as_it_is_and_a_large_one_quantized(tied: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    assert loader.quantization(tied) == "float32"
    monkeypatch.setattr(loader, "SMALL", (tied.base / "model.safetensors").stat().st_size)
    assert loader.quantization(tied) == "int8"


def test_a_failing_compiler_leaves_nothing_and_names_the_reason(own: Bundle, tmp_path: Path) -> None:
    tensors = load_file(own.adapter / "adapter_model.safetensors")
    name = min(tensors)
    save_file({**tensors, name: tensors[name][:, :-1].copy()}, own.adapter / "adapter_model.safetensors")
    with pytest.raises(BundleError) as caught:
        compiled_folder(own, tmp_path / "cache")
    assert caught.value.message.startswith(f"The adapter {own.name!r} could not be compiled: ")
    assert "The adapter does not fit its base: decoder.block.0.layer.0.SelfAttention.q.weight." in caught.value.message
    assert list((tmp_path / "cache" / "compiled").iterdir()) == []


def test_a_damaged_adapter_names_its_file(own: Bundle, tmp_path: Path) -> None:
    (own.adapter / "adapter_model.safetensors").write_bytes(b"damaged")
    with pytest.raises(BundleError, match=r"adapter_model\.safetensors is damaged"):
        compiled_folder(own, tmp_path / "cache")
    assert list((tmp_path / "cache" / "compiled").iterdir()) == []


def test_after_a_failure_the_mended_adapter_compiles(own: Bundle, tmp_path: Path) -> None:
    whole = (own.adapter / "adapter_model.safetensors").read_bytes()
    (own.adapter / "adapter_model.safetensors").write_bytes(whole[:-8])
    with pytest.raises(BundleError):
        compiled_folder(own, tmp_path / "cache")
    (own.adapter / "adapter_model.safetensors").write_bytes(whole)
    assert (compiled_folder(own, tmp_path / "cache") / "model.bin").is_file()


def test_an_incomplete_folder_in_the_cache_is_made_again(tied: Bundle, tmp_path: Path) -> None:
    folder = tmp_path / "compiled" / cache_key(tied)
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    assert compiled_folder(tied, tmp_path) == folder
    assert sorted(path.name for path in folder.iterdir()) == ["model.bin", "source.json"]


def test_a_cache_that_cannot_be_written_is_named(tied: Bundle, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BundleError) as caught:
        compiled_folder(tied, tmp_path / "file")
    assert caught.value.message.startswith(f"The cache {tmp_path / 'file' / 'compiled'} cannot be written (")


def test_two_processes_at_once_both_succeed(tied: Bundle, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from tiny_models import bundle_of; from promptopt.engine.loader import compiled_folder\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "print(compiled_folder(bundle_of(sys.argv[1]), Path(sys.argv[2])))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", code, str(tied.adapter), str(tmp_path)]
    both = [
        subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for process in both:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in both:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    ended = [(*process.communicate(timeout=120), process.returncode) for process in both]
    folder = tmp_path / "compiled" / cache_key(tied)
    assert ended == [(f"{folder}\n", "", 0)] * 2
    assert list((tmp_path / "compiled").iterdir()) == [folder]
    assert len(open_engine(ModelFile(folder / MODEL_FILE)).batch(sources()[:1], Decoding(3), RUNNING)[0]) == 3


def test_the_slower_of_two_takes_what_the_faster_made(tied: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "compiled" / cache_key(tied)

    def overtaken(bundle: Bundle, partial: Path) -> None:
        for place, content in ((partial, "slow"), (folder, "fast")):
            place.mkdir(exist_ok=True)
            (place / "model.bin").write_text(content)

    monkeypatch.setattr(loader, "_compile", overtaken)
    assert (compiled_folder(tied, tmp_path) / "model.bin").read_text() == "fast"
    assert list((tmp_path / "compiled").iterdir()) == [folder]


def test_the_cache_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if sys.platform.startswith("linux"):
        assert cache_folder() == tmp_path / "promptopt"
    assert cache_folder().name in ("promptopt", "Cache")


def test_a_model_is_loaded_by_the_settings_and_runs(tied: Bundle, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(loader, "cache_folder", lambda: tmp_path)
    model = load_model(Settings(adapter=str(tied.adapter), threads=2))
    assert model.manifest == tied.manifest
    assert model.engine.name.endswith(", threads 2")
    asked = [model.codec.encode_prompt(prompt, 512) for prompt in ("create function", "fix bug", "write a poem about rain", "a")]
    written = [ids(model.engine.stream(source, Decoding(3), RUNNING)) for source in asked]
    assert max(map(len, written)) == 3  # a network of chance may end at once
    assert [ids(model.engine.stream(source, Decoding(3), RUNNING)) for source in asked] == written


def test_without_a_compiler_the_portable_engine_writes_the_same(tied: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = ModelFile(compiled_folder(tied, tmp_path) / MODEL_FILE)
    native = open_engine(model)
    monkeypatch.setattr(loader.importlib.util, "find_spec", lambda name: None)
    portable = open_engine(model)
    assert [engine.name.split(" ")[1] for engine in (native, portable)] == ["native,", "portable"]
    asked = sources()
    assert [ids(tokens) for tokens in portable.batch(asked, Decoding(6), RUNNING)] == [
        ids(tokens) for tokens in native.batch(asked, Decoding(6), RUNNING)
    ]


def test_the_engine_needs_no_torch(tied: Bundle, tmp_path: Path) -> None:
    code = f"""
import sys
from pathlib import Path
from promptopt.engine import loader
from promptopt.errors import RewriteFailed
from promptopt.optimizer import Optimizer
from promptopt.settings import Settings
loader.cache_folder = lambda: Path({str(tmp_path)!r})
try:
    Optimizer(Settings(adapter={str(tied.adapter)!r})).optimize("create function")
except RewriteFailed as error:
    print(error.code)
print([name for name in ("torch", "transformers", "peft") if name in sys.modules])
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert (done.stdout.splitlines(), done.stderr) == (["rewrite_failed", "[]"], "")


@pytest.mark.model
def test_the_embedded_model_rewrites_a_prompt_within_one_process_and_again_from_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loader, "cache_folder", lambda: tmp_path)
    made = watch_compilations(monkeypatch)
    first = Optimizer().optimize("create function")
    second = Optimizer().optimize("create function")
    assert (first.text, first.tokens, first.confidence) == (second.text, second.tokens, second.confidence)
    assert "Task: create function\n" in first.text
    assert len(made) == 1


def test_an_adapter_of_another_version_of_the_base_is_refused(tied: Bundle, tmp_path: Path) -> None:
    other = replace(tied, manifest=replace(tied.manifest, base_sha256="0" * 64))
    with pytest.raises(BundleError) as caught:
        compiled_folder(other, tmp_path)
    assert caught.value.message == f"The adapter {tied.name!r} was trained on another version of {tied.manifest.base}."
    assert list((tmp_path / "compiled").iterdir()) == []


def test_compiling_imports_nothing_from_the_current_folder(tied: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = tmp_path / "somebody's project"
    project.mkdir()
    (project / "numpy.py").write_text("raise SystemExit('imported from the project')")
    monkeypatch.chdir(project)
    assert (compiled_folder(tied, tmp_path / "cache") / "model.bin").is_file()

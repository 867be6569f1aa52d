"""A tiny base is trained from scratch, and a run that was stopped ends where an undisturbed one does."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fakes import vocabulary
from safetensors.torch import load_file
from transformers import T5ForConditionalGeneration

from promptopt.bundle import BASE_FILES, base_folder
from promptopt.codec import END, PAD, Codec
from promptopt.errors import InvalidInput
from promptopt.vocabulary import Vocabulary
from promptopt_training import pretrain as module
from promptopt_training.data import pretraining_pairs
from promptopt_training.options import PretrainOptions
from promptopt_training.pretrain import encoded, new_base, pretrain
from promptopt_training.records import read_pairs, write_pairs
from promptopt_training.trainer import Journal, last_checkpoint
from promptopt_training.vocabulary import REWRITE, TABLE

STEPS, SAVED = 6, 3
SPIECE = base_folder("promptopt-mini", ("spiece.model",)) / "spiece.model"


@pytest.fixture(autouse=True)
def small_runs(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One thread and eight pairs held out."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    monkeypatch.setattr(module, "VALIDATION", 8)
    yield
    torch.set_num_threads(threads)


def options(folder: Path, **changes: Any) -> PretrainOptions:
    data = folder / "pairs.jsonl"
    if not data.exists():
        write_pairs(pretraining_pairs(60, 0, []), data)
    given = {
        "data_path": data, "vocabulary": SPIECE, "output_dir": folder / "out", "max_steps": STEPS, "meaning_steps": 0,
        "reading_steps": STEPS,
        "batch_tokens": 900, "save_steps": SAVED, "d_model": 32, "encoder_layers": 1, "decoder_layers": 1, **changes,
    }  # fmt: skip
    return PretrainOptions(**given)


def quiet(line: str) -> None:
    """Says nothing."""


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def test_the_new_base_has_the_shape_asked_for_and_follows_from_the_seed(tmp_path: Path) -> None:
    known = vocabulary()
    model = new_base(known, options(tmp_path, d_model=64, encoder_layers=2))
    config = model.config
    assert (config.vocab_size, config.d_model, config.num_layers, config.num_decoder_layers) == (len(known), 64, 2, 1)
    assert (config.num_heads, config.d_kv, config.d_ff, config.dropout_rate) == (2, 32, 192, 0.0)
    assert (config.pad_token_id, config.eos_token_id, config.decoder_start_token_id) == (PAD, END, PAD)
    again = new_base(known, options(tmp_path, d_model=64, encoder_layers=2))
    other = new_base(known, options(tmp_path, d_model=64, encoder_layers=2, seed=1))
    assert torch.equal(model.shared.weight, again.shared.weight)
    assert not torch.equal(model.shared.weight, other.shared.weight)


def test_pairs_are_held_out_and_encoded_only_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given, known = options(tmp_path), vocabulary()
    training, validation = encoded(given, known, quiet)
    assert 8 <= len(validation) <= 16
    assert 52 <= len(training) <= 66

    def unread(path: Path) -> None:
        raise AssertionError("read again")

    monkeypatch.setattr(module, "read_pairs", unread)
    again = encoded(given, known, quiet)
    assert [again[0][place] for place in range(len(training))] == [training[place] for place in range(len(training))]
    assert again[1][0] == validation[0]


def test_too_few_pairs_to_hold_some_out_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    given = options(tmp_path)
    write_pairs(pretraining_pairs(8, 0, []), given.data_path)
    with pytest.raises(InvalidInput, match="holds 8 pairs; 8 are held out, so more are needed"):
        pretrain(given, quiet)
    assert not given.output_dir.exists()


@pytest.mark.model
def test_a_run_leaves_a_base_in_half_precision_with_its_vocabulary_and_its_journal(tmp_path: Path) -> None:
    lines: list[str] = []
    given = options(tmp_path)
    folder = pretrain(given, lines.append)
    assert folder == given.output_dir / "base"
    assert base_folder(str(folder), BASE_FILES) == folder.resolve()
    assert {tensor.dtype for tensor in weights(folder).values()} == {torch.float16}
    own, known = Vocabulary(folder / "spiece.model"), vocabulary()
    assert sorted(map(own.piece, range(len(own)))) == sorted(map(known.piece, range(len(known))))
    model = T5ForConditionalGeneration.from_pretrained(folder)
    pairs = read_pairs(given.data_path)
    codec = Codec(own, TABLE, [own.id(REWRITE)])
    written = max(index for pair in pairs for index in codec.encode_rewrite(pair.prompt, pair.rewrite))
    assert written < model.config.written_pieces < len(own)
    assert (model.config.d_model, model.config.vocab_size) == (32, len(vocabulary()))
    size = sum(parameter.numel() for parameter in model.parameters())
    assert lines[-1] == f"{size / 1e6:.1f} M parameters"
    rows = [json.loads(line) for line in (given.output_dir / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["step"] for row in rows if "eval_loss" in row] == [SAVED, STEPS]
    assert (given.output_dir / "loss.png").read_bytes().startswith(b"\x89PNG")
    before = new_base(vocabulary(), given).state_dict()
    trained = weights(folder)
    assert [name for name in trained if torch.equal(trained[name], before[name].half())] == []


@pytest.mark.model
@pytest.mark.parametrize("stage", ["reading", "."])
def test_a_run_stopped_after_a_checkpoint_goes_on_to_the_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str) -> None:
    whole = pretrain(options(tmp_path, output_dir=tmp_path / "whole"), quiet)
    stopped = options(tmp_path, output_dir=tmp_path / "stopped")
    folder = stopped.output_dir / stage
    plotted = Journal.on_save

    def stop(self: Journal, args: Any, state: Any, control: Any, **given: Any) -> None:
        plotted(self, args, state, control, **given)
        if Path(args.output_dir) == folder:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "on_save", stop)
        with pytest.raises(KeyboardInterrupt):
            pretrain(stopped, quiet)
    assert not (stopped.output_dir / "base").exists()
    assert last_checkpoint(folder) == str(folder / f"checkpoint-{SAVED}")
    begun: list[tuple[Path, int]] = []
    opened = Journal.on_train_begin

    def begin(self: Journal, args: Any, state: Any, control: Any, **given: Any) -> None:
        begun.append((Path(args.output_dir), state.global_step))
        opened(self, args, state, control, **given)

    monkeypatch.setattr(Journal, "on_train_begin", begin)
    resumed = pretrain(stopped, quiet)
    assert begun[0] == (folder, SAVED)
    one, other = weights(whole), weights(resumed)
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []
    steps = [json.loads(line)["step"] for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert steps == sorted(steps)
    assert sum(step == SAVED for step in steps) == 1


def test_the_last_checkpoint_is_the_one_with_the_highest_number_that_is_complete(tmp_path: Path) -> None:
    assert last_checkpoint(tmp_path) is None
    for number in (9, 100, 20, 500):
        (tmp_path / f"checkpoint-{number}").mkdir()
        state = json.dumps({"global_step": number})[: -1 if number == 500 else None]
        (tmp_path / f"checkpoint-{number}" / "trainer_state.json").write_text(state, encoding="utf-8")
    (tmp_path / "checkpoint-600").mkdir()
    assert last_checkpoint(tmp_path) == str(tmp_path / "checkpoint-100")


def test_examples_of_other_data_are_not_taken_for_these(tmp_path: Path) -> None:
    given = options(tmp_path)
    encoded(given, vocabulary(), quiet)
    write_pairs(pretraining_pairs(60, 1, []), given.data_path)
    with pytest.raises(InvalidInput) as caught:
        encoded(given, vocabulary(), quiet)
    assert caught.value.message == f"{given.output_dir} holds a run on other data or with other options (data_sha256)."


def test_examples_for_another_vocabulary_are_not_taken_for_these(tmp_path: Path) -> None:
    encoded(options(tmp_path), vocabulary(), quiet)
    other = tmp_path / "other.model"
    other.write_bytes(SPIECE.read_bytes() + b" ")
    with pytest.raises(InvalidInput, match=r"with other options \(vocabulary_sha256\)"):
        encoded(options(tmp_path, vocabulary=other), vocabulary(), quiet)


@pytest.mark.parametrize("changes", [{"seed": 1}, {"d_model": 64}, {"batch_tokens": 901}, {"reading_steps": 4}, {"learning_rate": 0.1}])
def test_a_folder_with_a_run_with_other_options_is_refused(changes: dict[str, Any], tmp_path: Path) -> None:
    encoded(options(tmp_path), vocabulary(), quiet)
    [name] = changes
    with pytest.raises(InvalidInput, match=rf"with other options \({name}\)"):
        encoded(options(tmp_path, **changes), vocabulary(), quiet)


def test_a_run_may_go_on_for_longer_with_other_checkpoints(tmp_path: Path) -> None:
    first = encoded(options(tmp_path), vocabulary(), quiet)
    again = encoded(options(tmp_path, max_steps=99, save_steps=7), vocabulary(), quiet)
    assert again[1][0] == first[1][0]


def test_examples_are_on_disk_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = options(tmp_path)

    def broken(file: Any, **arrays: Any) -> None:
        with open(file, "wb") if isinstance(file, Path) else file as opened:
            opened.write(b"PK half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", broken)
        with pytest.raises(KeyboardInterrupt):
            encoded(given, vocabulary(), quiet)
    assert not (given.output_dir / "train.npz").exists()
    encoded(given, vocabulary(), quiet)
    assert {path.name for path in given.output_dir.iterdir()} == {"run.json", "train.npz", "validation.npz"}

"""A run of LoRA training: what is refused before it begins, how it stops and goes on, and which folder it may use."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from tiny_lora import options, quiet, tiny_base
from transformers import (
    EarlyStoppingCallback,
    T5ForConditionalGeneration,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
)

from promptopt.bundle import Manifest
from promptopt.errors import BundleError, InvalidInput
from promptopt_training import lora as module
from promptopt_training.data import golden_pairs
from promptopt_training.lora import train_lora
from promptopt_training.options import LoraOptions
from promptopt_training.records import Pair, read_pairs, write_pairs
from promptopt_training.trainer import Journal, last_checkpoint

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.model
@pytest.mark.parametrize("at", [5, 3], ids=["at the end of an epoch", "within an epoch"])
def test_a_stopped_run_goes_on_to_the_same_weights(at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = train_lora(options(tmp_path, output_dir=tmp_path / "whole"), quiet)
    stopped = options(tmp_path, output_dir=tmp_path / "stopped", save_steps=at)
    plotted = Journal.on_save

    def stop(self: Journal, args: Any, state: Any, control: Any, **given: Any) -> None:
        plotted(self, args, state, control, **given)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "on_save", stop)
        with pytest.raises(KeyboardInterrupt):
            train_lora(stopped, quiet)
    assert not (stopped.output_dir / "final_adapter").exists()
    assert last_checkpoint(stopped.output_dir) == str(stopped.output_dir / f"checkpoint-{at}")
    begun: list[int] = []
    opened = Journal.on_train_begin

    def begin(self: Journal, args: Any, state: Any, control: Any, **given: Any) -> None:
        begun.append(state.global_step)
        opened(self, args, state, control, **given)

    monkeypatch.setattr(Journal, "on_train_begin", begin)
    resumed = train_lora(stopped, quiet)
    assert begun == [at]
    one, other = load_file(whole / "adapter_model.safetensors"), load_file(resumed / "adapter_model.safetensors")
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []
    assert Manifest.read(resumed) == Manifest.read(whole)


def refused(given: LoraOptions) -> str:
    """What is said of pairs that cannot be used; nothing may have been written."""
    with pytest.raises(InvalidInput) as caught:
        train_lora(given, quiet)
    assert not given.output_dir.exists()
    return str(caught.value)


def test_a_bad_row_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    given = options(tmp_path)
    rows = [{"prompt": pair.prompt, "rewrite": pair.rewrite} for pair in read_pairs(given.data_path)]
    rows[3]["rewrite"] = "Act as nobody."
    given.data_path.write_text("[" + ",\n".join(map(json.dumps, rows)) + "]", encoding="utf-8")
    assert "line 4: the rewrite does not contain the prompt word for word" in refused(given)


def test_a_file_that_is_no_json_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    given = options(tmp_path)
    given.data_path.write_text("prompt,rewrite\n", encoding="utf-8")
    assert "is not valid JSON: line 1" in refused(given)


def test_a_missing_file_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    assert "nowhere.json does not exist" in refused(options(tmp_path, data_path=tmp_path / "nowhere.json"))


@pytest.mark.parametrize(("count", "enough"), [(19, False), (20, True)])
def test_fewer_than_twenty_pairs_are_refused(count: int, enough: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = options(tmp_path)
    write_pairs(read_pairs(given.data_path)[:count], given.data_path)
    if not enough:
        assert "holds 19 pairs; at least 20 are needed" in refused(given)
        return

    def reached(*given: object) -> None:
        raise InterruptedError

    monkeypatch.setattr(module, "adapted", reached)
    with pytest.raises(InterruptedError):
        train_lora(given, quiet)


def test_a_rewrite_that_is_too_long_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    given = options(tmp_path)
    pairs = [*read_pairs(given.data_path), Pair("fix the pump", "Task: fix the pump" + "\nqzx 7" * 200)]
    write_pairs(pairs, given.data_path)
    said = refused(given)
    assert re.search(r"pair 41 \(line 282\): its rewrite takes \d+ pieces, 320 are allowed: 'fix the pump'", said)
    assert said.endswith("Nothing was trained; mend the pair or leave it out.")


def test_a_base_without_weights_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    given = options(tmp_path)
    (tiny_base(tmp_path) / "model.safetensors").unlink()
    with pytest.raises(BundleError, match=r"lacks model\.safetensors"):
        train_lora(given, quiet)
    assert not given.output_dir.exists()


def started(given: LoraOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything up to the first step."""

    def reached(*given: object, **named: object) -> None:
        raise InterruptedError

    with monkeypatch.context() as patch:
        patch.setattr(module, "train", reached)
        with pytest.raises(InterruptedError):
            train_lora(given, quiet)


def test_a_folder_with_a_run_on_other_data_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = options(tmp_path)
    started(given, monkeypatch)
    other = tmp_path / "other.json"
    write_pairs(golden_pairs(40, seed=1), other)
    with pytest.raises(InvalidInput) as caught:
        train_lora(options(tmp_path, data_path=other), quiet)
    assert caught.value.message == f"{given.output_dir} holds a run on other data or with other options (data_sha256)."
    assert caught.value.hint == "Give another --output_dir, or delete it."


@pytest.mark.parametrize(
    "changes", [{"rank": 4}, {"seed": 1}, {"learning_rate": 0.1}, {"target_modules": ("q",)}, {"validation_share": 0.3}]
)
def test_a_folder_with_a_run_with_other_options_is_refused(
    changes: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started(options(tmp_path), monkeypatch)
    [name] = changes
    with pytest.raises(InvalidInput, match=rf"with other options \({name}\)"):
        train_lora(options(tmp_path, **changes), quiet)


def test_a_folder_with_a_run_on_another_base_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = options(tmp_path)
    started(given, monkeypatch)
    weights = Path(given.base) / "model.safetensors"
    model = T5ForConditionalGeneration.from_pretrained(given.base)
    torch.nn.init.zeros_(model.shared.weight)
    model.save_pretrained(given.base)
    assert weights.is_file()
    with pytest.raises(InvalidInput, match=r"with other options \(base_sha256\)"):
        train_lora(given, quiet)


def test_training_stops_early_and_saves_in_between_as_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[Any] = []

    def reached(*given: object, callbacks: list[TrainerCallback]) -> None:
        found.extend(callbacks)
        raise InterruptedError

    monkeypatch.setattr(module, "train", reached)
    with pytest.raises(InterruptedError):
        train_lora(options(tmp_path, patience=3, save_steps=5), quiet)
    [saving, stopping] = found
    assert isinstance(stopping, EarlyStoppingCallback)
    assert stopping.early_stopping_patience == 3
    asked = []
    for step in range(1, 22):
        control = TrainerControl()
        saving.on_step_end(None, TrainerState(global_step=step, epoch=step / 10), control)
        asked += [step] if control.should_save else []
    assert asked == [5, 15]


def test_the_same_run_goes_on_from_anywhere_and_for_longer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started(options(tmp_path), monkeypatch)
    moved = (tmp_path / "pairs.json").rename(tmp_path / "moved.json")
    started(options(tmp_path, data_path=moved, num_epochs=7, style="mine"), monkeypatch)


def test_a_record_of_a_run_that_cannot_be_understood_is_that_of_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = options(tmp_path)
    started(given, monkeypatch)
    (given.output_dir / "run.json").write_text("{", encoding="utf-8")
    with pytest.raises(InvalidInput, match="holds a run on other data or with other options"):
        train_lora(given, quiet)


@pytest.mark.parametrize(
    "said", ["Error while serializing: I/O error: No space left on device (os error 28)", "[enforce fail] PytorchStreamWriter failed\n…"]
)
def test_a_disk_that_is_full_at_a_checkpoint_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    def full(*given: object, **named: object) -> None:
        raise (SafetensorError if "I/O" in said else RuntimeError)(said)

    monkeypatch.setattr(Trainer, "train", full)
    with pytest.raises(InvalidInput) as caught:
        train_lora(options(tmp_path), quiet)
    assert caught.value.message == f"A checkpoint could not be written to {tmp_path / 'out'} ({said.splitlines()[0]})."


def test_another_fault_in_training_is_not_taken_for_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*given: object, **named: object) -> None:
        raise RuntimeError("shapes do not fit")

    monkeypatch.setattr(Trainer, "train", broken)
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        train_lora(options(tmp_path), quiet)


def test_targets_that_the_base_lacks_are_refused_with_those_it_has(tmp_path: Path) -> None:
    given = options(tmp_path, target_modules=("query", "value"))
    said = refused(given)
    assert said.startswith("The base has no projections for --target_modules query value. It has k, ")
    assert said.endswith("o, q, v, wi_0, wi_1, wo.")


def test_the_bad_pair_is_named_by_its_place_in_the_file(tmp_path: Path) -> None:
    given = options(tmp_path)
    pairs = read_pairs(given.data_path)
    pairs[6] = Pair("fix the pump", "Task: fix the pump" + "\nqzx 7" * 200)
    lines = given.data_path.with_suffix(".jsonl")
    write_pairs(pairs, lines)
    assert "pair 7 (line 7): its rewrite takes" in refused(options(tmp_path, data_path=lines))

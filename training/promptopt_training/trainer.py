"""The training loop (transformers' own) and what it leaves: what the run is made of, metrics as JSON lines, the loss as a plot."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from safetensors import SafetensorError
from transformers import PreTrainedModel, Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from promptopt.errors import InvalidInput
from promptopt.files import parse_json, read_text, sha256
from promptopt_training.batches import IGNORED, Batches, Shares, padded
from promptopt_training.plots import plot_loss

RUN = "run.json"
UNWRITTEN = ("I/O error", "PytorchStreamWriter")
"How safetensors and torch begin to say that the disk took no more."


class Journal(TrainerCallback):
    """Appends every logged figure to metrics.jsonl and redraws loss.png at each checkpoint and at the end."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "metrics.jsonl"
        self._picture = folder / "loss.png"

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """A resumed run keeps the lines up to its checkpoint, but for one that was cut short; a new run starts a new file."""
        if not state.is_world_process_zero:
            return
        lines = self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() and state.global_step else []
        kept = [line for line in lines if _step(line) <= state.global_step]
        partial = self.path.with_name(self.path.name + ".partial")
        partial.write_text("".join(line + "\n" for line in kept), encoding="utf-8")
        partial.replace(self.path)

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any) -> None:
        """One JSON line for each time the trainer logs."""
        if not state.is_world_process_zero:
            return
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": state.global_step, **(given.get("logs") or {})}) + "\n")

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """The plot so far."""
        if state.is_world_process_zero:
            plot_loss(self.path, self._picture)

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """The final plot."""
        if state.is_world_process_zero:
            plot_loss(self.path, self._picture)


class SaveEvery(TrainerCallback):
    """A checkpoint every so many steps, besides those of the epochs, so that an interruption costs little."""

    def __init__(self, steps: int) -> None:
        self._steps = steps

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Asks for one when it is time; at the end of an epoch that comes by itself, after the evaluation that belongs to it."""
        if state.global_step % self._steps == 0 and not float(state.epoch or 0).is_integer():
            control.should_save = True


def train(
    model: PreTrainedModel | PeftModel,
    batches: Batches,
    validation: Batches,
    arguments: TrainingArguments,
    optimizer: torch.optim.Optimizer | None = None,
    callbacks: Sequence[TrainerCallback] = (),
) -> Trainer:
    """Trains to the end, from the last checkpoint under `arguments.output_dir` if there is one; returns the trainer.

    Without an `optimizer` it is AdamW. Of several processes each computes its share of every batch, so that the steps are those of one.
    Raises InvalidInput when a checkpoint cannot be written.
    """
    folder = Path(str(arguments.output_dir))
    folder.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=Shares(batches, arguments.world_size),
        eval_dataset=Shares(validation, arguments.world_size),
        data_collator=padded,
        compute_loss_func=mean_loss,
        callbacks=[Journal(folder), *callbacks],
        optimizers=(optimizer, None),
    )
    try:
        trainer.train(resume_from_checkpoint=last_checkpoint(folder))
    except (SafetensorError, RuntimeError) as error:
        if not any(sign in str(error) for sign in UNWRITTEN):
            raise
        raise InvalidInput(
            f"A checkpoint could not be written to {folder} ({str(error).splitlines()[0]}).",
            "Free some space there and give the same command again; it goes on from the last whole checkpoint.",
        ) from error
    return trainer


def mean_loss(outputs: Mapping[str, torch.Tensor], labels: torch.Tensor, num_items_in_batch: torch.Tensor) -> torch.Tensor:
    """The cross entropy of the labels over `num_items_in_batch`, those of the whole batch in all processes; a scalar."""
    total = torch.nn.functional.cross_entropy(outputs["logits"].flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction="sum")
    return total / num_items_in_batch


def claim(folder: Path, options: Mapping[str, Any], **files: Path) -> None:
    """Keeps in `folder` what a run is made of: the options that shape its result and the hashes of the files it reads.

    Raises InvalidInput when `folder` holds a run made of something else.
    """
    hashes = {f"{name}_sha256": sha256(path) for name, path in files.items()}
    run = json.loads(json.dumps({**options, **hashes}))
    path = folder / RUN
    if path.exists():
        known = _known(path)
        if known != run:
            differing = [name for name in {**run, **known} if run.get(name) != known.get(name)]
            raise InvalidInput(
                f"{folder} holds a run on other data or with other options ({', '.join(differing)}).",
                "Give another --output_dir, or delete it.",
            )
        return
    folder.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(RUN + ".partial")
    partial.write_text(json.dumps(run, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)


def _known(path: Path) -> dict[str, Any]:
    """The JSON object of a file; empty where there is none, or not the whole of it."""
    try:
        known = parse_json(read_text(path))
    except (ValueError, InvalidInput):
        return {}
    return known if isinstance(known, dict) else {}


def _step(line: str) -> float:
    """At which step a line of the journal was written; infinite where it was cut short."""
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return math.inf


def last_checkpoint(folder: Path) -> str | None:
    """The newest whole checkpoint under `folder`, None when there is none: its state is written last, so a whole state says that all is."""
    numbered = [(int(path.name.split("-")[1]), path) for path in folder.glob("checkpoint-*") if _known(path / "trainer_state.json")]
    return str(max(numbered)[1]) if numbered else None


def can_use_bf16() -> bool:
    """Whether training in bfloat16 is faster here: on a CUDA card or a processor that multiplies it in hardware."""
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.cpu._is_avx512_bf16_supported())

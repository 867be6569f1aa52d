"""`promptopt-train lora` against a plain Trainer that shuffles and pads every prompt and rewrite to 512: same data, same number of steps.

python benchmarks/lora_padded.py [--pairs 88] [--epochs 1] [--quick]

Both train LoRA on the embedded base with the same options, evaluations and checkpoints; seconds are those of the processor, on one thread.
The validation loss of both is measured at the end in the same way. The last line is one JSON object.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from transformers import Trainer, TrainingArguments

from promptopt_training.bases import find_base
from promptopt_training.batches import IGNORED, Batches, Row, batches_by_size, padded
from promptopt_training.corpus import Examples, encode_pairs
from promptopt_training.data import golden_pairs
from promptopt_training.lora import adapted, split, training_arguments
from promptopt_training.options import LoraOptions
from promptopt_training.trainer import mean_loss, train

LONGEST = 512


def padded_to_longest(rows: Sequence[Row]) -> dict[str, Any]:
    """What `padded` makes, with columns of padding up to 512."""
    batch = padded([list(rows)])
    fillers = {"input_ids": 0, "attention_mask": 0, "decoder_input_ids": 0, "labels": IGNORED}
    return {name: torch.nn.functional.pad(tensor, (0, LONGEST - tensor.shape[1]), value=fillers[name]) for name, tensor in batch.items()}


def plain(model: Any, training: Examples, validation: Examples, arguments: TrainingArguments, size: int) -> None:
    """transformers' own loop on single examples in random order."""
    arguments.per_device_train_batch_size = arguments.per_device_eval_batch_size = size
    arguments.train_sampling_strategy = "random"
    data = {name: [examples[n] for n in range(len(examples))] for name, examples in (("train", training), ("eval", validation))}
    Trainer(
        model=model,
        args=arguments,
        train_dataset=data["train"],  # type: ignore[arg-type]
        eval_dataset=data["eval"],  # type: ignore[arg-type]
        data_collator=padded_to_longest,
        compute_loss_func=mean_loss,
    ).train()


def loss(model: Any, batches: Batches) -> float:
    """Cross entropy a piece over all batches."""
    model.eval()
    total = count = 0.0
    with torch.no_grad():
        for number in range(len(batches)):
            batch = padded([batches[number]])
            pieces = float((batch["labels"] != IGNORED).sum())
            total += float(model(**batch).loss) * pieces
            count += pieces
    return total / count


def main() -> None:
    """Prints a line for each loop and, last, one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=88)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="two steps: only that it runs")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    options = LoraOptions(num_epochs=asked.epochs)
    base = find_base(options.base)
    pairs = split(golden_pairs(20 if asked.quick else asked.pairs, seed=0), options.validation_share, options.seed)
    training, validation = (encode_pairs(part, base.codec(), base.kind.read_limit, base.kind.write_limit) for part in pairs)
    held_out = batches_by_size(validation, options.batch_size, options.seed)
    ours = batches_by_size(training, options.batch_size, options.seed)
    loops: dict[str, Callable[[Any, TrainingArguments], object]] = {
        "padded": lambda model, arguments: plain(model, training, validation, arguments, options.batch_size),
        "lora": lambda model, arguments: train(model, ours, held_out, arguments),
    }
    found: dict[str, float] = {"steps": len(ours) * asked.epochs}
    for name, loop in loops.items():
        with tempfile.TemporaryDirectory() as folder:
            model = adapted(base.folder, options)
            found["loss_before"] = round(loss(model, held_out), 4)
            started = time.process_time()
            loop(model, training_arguments(replace(options, output_dir=Path(folder))))
            found[f"{name}_processor_seconds"] = round(time.process_time() - started, 1)
            found[f"{name}_loss"] = round(loss(model, held_out), 4)
        print(f"{name}: {found[f'{name}_processor_seconds']} s, validation loss {found[f'{name}_loss']}", flush=True)
    found["padded_over_lora"] = round(found["padded_processor_seconds"] / found["lora_processor_seconds"], 2)
    print(json.dumps(found))


if __name__ == "__main__":
    main()

"""Trains a LoRA adapter on a frozen T5 from pairs, and leaves a bundle: adapter, manifest, model card, metrics, plot."""

import random
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import EarlyStoppingCallback, T5ForConditionalGeneration, Trainer, TrainingArguments, set_seed

from promptopt.bundle import VOCABULARY, WEIGHTS, Manifest
from promptopt.errors import InvalidInput
from promptopt.files import sha256, whole_folder
from promptopt_training.bases import Base, find_base
from promptopt_training.batches import batches_by_size
from promptopt_training.card import write_adapter_card
from promptopt_training.corpus import Examples, encode_pairs
from promptopt_training.drafts import write_drafts
from promptopt_training.headings import shared_headings
from promptopt_training.options import LoraOptions
from promptopt_training.processes import is_first
from promptopt_training.records import Pair, read_pairs
from promptopt_training.trainer import SaveEvery, can_use_bf16, claim, train
from promptopt_training.written import written_pieces

FEWEST_PAIRS = 20
TEMPERATURE = 0.7
FREE = frozenset({"data_path", "base", "output_dir", "num_epochs", "save_steps", "style"})


def train_lora(options: LoraOptions, log: Callable[[str], None] = print) -> Path:
    """Trains the adapter and returns its folder; of several processes the first one writes it.

    Raises InvalidInput for pairs or options that cannot be used and for a folder that holds another run, BundleError for a bad base.
    """
    pairs = read_pairs(options.data_path)
    if len(pairs) < FEWEST_PAIRS:
        raise InvalidInput(
            f"{options.data_path} holds {len(pairs)} pairs; at least {FEWEST_PAIRS} are needed.", "A few hundred teach a style well."
        )
    base = find_base(options.base)
    codec = base.codec()
    limits = (base.kind.read_limit, base.kind.write_limit)
    try:
        encoded = encode_pairs(pairs, codec, *limits)  # in the order of the file, so that a bad pair is named by its place there
    except ValueError as error:
        raise InvalidInput(f"{options.data_path}: {error}.", "Nothing was trained; mend the pair or leave it out.") from error
    training, validation = (encode_pairs(part, codec, *limits) for part in split(pairs, options.validation_share, options.seed))
    model = adapted(base.folder, options)
    shaping = {name: value for name, value in asdict(options).items() if name not in FREE}
    if is_first():
        claim(options.output_dir, shaping, data=options.data_path, base=base.folder / WEIGHTS, vocabulary=base.folder / VOCABULARY)
    trainable, everything = count_parameters(model)
    log(f"{len(training)} pairs to train on, {len(validation)} to validate")
    log(f"{trainable:,} of {everything:,} parameters train ({trainable / everything:.2%})")
    trainer = train(
        model,
        batches_by_size(training, options.batch_size, options.seed),
        batches_by_size(validation, options.batch_size, options.seed),
        training_arguments(options),
        callbacks=[SaveEvery(options.save_steps), EarlyStoppingCallback(options.patience)],
    )
    return save_adapter(model, trainer, options, pairs, base, encoded)


def split(pairs: list[Pair], share: float, seed: int) -> tuple[list[Pair], list[Pair]]:
    """Training and validation pairs; the same for the same seed."""
    shuffled = list(pairs)
    random.Random(seed).shuffle(shuffled)
    held_out = min(max(1, round(share * len(shuffled))), len(shuffled) - 1)
    return shuffled[held_out:], shuffled[:held_out]


def adapted(base: Path, options: LoraOptions) -> PeftModel:
    """The base with fresh LoRA updates, everything else frozen, in float32. Raises InvalidInput for targets that the base lacks."""
    set_seed(options.seed)
    model = T5ForConditionalGeneration.from_pretrained(base, dtype=torch.float32, local_files_only=True, use_safetensors=True)
    try:
        wrapped = get_peft_model(model, lora_config(options))
    except ValueError as error:
        known = sorted({name.split(".")[-1] for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)})
        raise InvalidInput(
            f"The base has no projections for --target_modules {' '.join(options.target_modules)}.", f"It has {', '.join(known)}."
        ) from error
    return wrapped


def lora_config(options: LoraOptions) -> LoraConfig:
    """The updates in peft's terms."""
    return LoraConfig(
        task_type="SEQ_2_SEQ_LM",
        r=options.rank,
        lora_alpha=options.lora_alpha,
        target_modules=list(options.target_modules),
    )


def count_parameters(model: torch.nn.Module) -> tuple[int, int]:
    """How many parameters train, and how many there are."""
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in model.parameters()]
    return sum(size for size, trains in sizes if trains), sum(size for size, _ in sizes)


def training_arguments(options: LoraOptions) -> TrainingArguments:
    """The run in transformers' terms: an evaluation and a checkpoint an epoch, the best one and the last one kept."""
    return TrainingArguments(
        output_dir=str(options.output_dir),
        num_train_epochs=options.num_epochs,
        per_device_train_batch_size=1,
        per_device_eval_batch_size=1,
        train_sampling_strategy="sequential",
        learning_rate=options.learning_rate,
        warmup_steps=0.06,
        lr_scheduler_type="linear",
        logging_steps=10,
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=2,
        load_best_model_at_end=True,
        metric_for_best_model="eval_loss",
        bf16=can_use_bf16(),
        use_cpu=not torch.cuda.is_available(),
        ddp_find_unused_parameters=False,
        seed=options.seed,
        report_to="none",
        remove_unused_columns=False,
        label_names=["labels"],
        restore_callback_states_from_checkpoint=True,
    )


def save_adapter(model: PeftModel, trainer: Trainer, options: LoraOptions, pairs: list[Pair], base: Base, encoded: Examples) -> Path:
    """Writes the bundle, which appears as a whole, in the first process, and returns its folder; `encoded` are the pairs in pieces."""
    target = options.output_dir / "final_adapter"
    if not is_first():
        return target
    model.peft_config["default"].base_model_name_or_path = base.name
    model.peft_config["default"].revision = base.revision
    metrics = {
        "validation_loss": round(float(trainer.state.best_metric or 0.0), 4),
        "epochs": float(round(trainer.state.epoch or 0)),
        "steps": float(trainer.state.global_step),
    }
    manifest = Manifest(
        base=base.reference,
        base_sha256=sha256(base.folder / WEIGHTS),
        style=options.style or pairs[0].style or "own",
        prefix=base.kind.prefix,
        codec=base.kind.table,
        read_limit=base.kind.read_limit,
        write_limit=base.kind.write_limit,
        temperature=TEMPERATURE,
        data_sha256=sha256(options.data_path),
        metrics=metrics,
        extra_ids=base.kind.extra_ids,
        written=written_pieces(base.folder, encoded.target.tolist()),
        headings=shared_headings(pairs),
    )
    with whole_folder(target) as folder:
        model.save_pretrained(str(folder), save_embedding_layers=False)  # else peft asks the Hub about the base
        manifest.write(folder)
        write_drafts(folder, (encoded[number]["labels"] for number in range(len(encoded))))
        write_adapter_card(folder, manifest, base.name, options.rank, options.lora_alpha, options.target_modules, len(pairs))
    return target

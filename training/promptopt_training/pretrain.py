"""Trains an embedded base from scratch on composed pairs: to point, to restore, to write structured prompts in many layouts."""

import random
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path

import torch
from transformers import T5Config, T5ForConditionalGeneration, TrainingArguments, set_seed

from promptopt.bundle import VOCABULARY
from promptopt.codec import END, PAD, Codec
from promptopt.errors import InvalidInput
from promptopt.files import whole_folder
from promptopt.vocabulary import Vocabulary
from promptopt_training.batches import batches_by_tokens
from promptopt_training.corpus import READ_LIMIT, Examples, encode_pretraining, reading_lessons, with_heads
from promptopt_training.grow import taken_up
from promptopt_training.labels import sentence_embedder
from promptopt_training.meaning import Lesson, Lessons, learn_meaning, subject_ends, vectors_of
from promptopt_training.optimizer import MuonWithAdamW
from promptopt_training.options import PretrainOptions
from promptopt_training.processes import alone
from promptopt_training.records import Pair, read_pairs
from promptopt_training.trainer import can_use_bf16, claim, last_checkpoint, train
from promptopt_training.vocabulary import REWRITE, TABLE
from promptopt_training.written import written_first

VALIDATION = 400
WARMUP = 60
WEIGHT_DECAY = 0.01
HEAD = 32
FREE = frozenset({"data_path", "vocabulary", "output_dir", "max_steps", "save_steps"})


def new_base(vocabulary: Vocabulary, options: PretrainOptions) -> T5ForConditionalGeneration:
    """A T5 with random weights, gated feed-forward layers and tied embeddings."""
    set_seed(options.seed)
    config = T5Config(
        vocab_size=len(vocabulary),
        d_model=options.d_model,
        d_kv=HEAD,
        num_heads=options.d_model // HEAD,
        d_ff=3 * options.d_model,
        num_layers=options.encoder_layers,
        num_decoder_layers=options.decoder_layers,
        feed_forward_proj="gated-gelu",
        dropout_rate=0.0,
        pad_token_id=PAD,
        eos_token_id=END,
    )
    config.decoder_start_token_id = PAD
    return T5ForConditionalGeneration(config)


def encoded(options: PretrainOptions, vocabulary: Vocabulary, log: Callable[[str], None]) -> tuple[Examples, Examples]:
    """Training and validation examples; encoded once and kept beside the checkpoints.

    Raises InvalidInput for pairs that cannot be used, and when the folder holds a run on other data or with other options.
    """
    kept = [options.output_dir / name for name in ("train.npz", "validation.npz")]
    pairs = [] if all(path.exists() for path in kept) else enough_pairs(options.data_path)
    shaping = {name: value for name, value in asdict(options).items() if name not in FREE}
    claim(options.output_dir, shaping, data=options.data_path, vocabulary=options.vocabulary)
    if pairs:
        random.Random(options.seed).shuffle(pairs)
        for path, part in zip(kept, (pairs[VALIDATION:], pairs[:VALIDATION]), strict=True):
            encode_pretraining(part, vocabulary, options.seed, lambda done: log(f"{done} pairs encoded")).save(path)
    return Examples.load(kept[0]), Examples.load(kept[1])


def enough_pairs(path: Path) -> list[Pair]:
    """The pairs of a file. Raises InvalidInput when none would be left to train on."""
    pairs = read_pairs(path)
    if len(pairs) <= VALIDATION:
        raise InvalidInput(
            f"{path} holds {len(pairs)} pairs; {VALIDATION} are held out, so more are needed.",
            "Make some with: promptopt-train data --inputs FILE",
        )
    return pairs


def pretrain(options: PretrainOptions, log: Callable[[str], None] = print) -> Path:
    """Trains the base to `max_steps` and returns the folder that holds it: config, safetensors and vocabulary."""
    alone("pretrain")
    vocabulary = Vocabulary(options.vocabulary)
    training, validation = encoded(options, vocabulary, log)
    log(f"{len(training)} examples, {len(training.target) / len(training):.0f} pieces to write each")
    known = options.init
    model = taken_up(known, vocabulary, sentence_embedder(), options.seed) if known else new_base(vocabulary, options)
    log(f"{model.num_parameters() / 1e6:.1f} M parameters")
    if last_checkpoint(options.output_dir) is None:
        if options.meaning_steps:
            folder = options.output_dir / "meaning"
            lessons = meaning_lessons(options, vocabulary)
            pointers = [vocabulary.id(piece) for piece in TABLE.pointers]
            learn_meaning(model, lessons, pointers, folder, options.meaning_steps, options.learning_rate, WEIGHT_DECAY, options.seed)
        heads, checks = (reading_lessons(part, vocabulary, options.seed) for part in (training, validation))
        run_stage(model, heads, checks, options, options.output_dir / "reading", options.reading_steps)
    run_stage(model, with_heads(training, vocabulary), validation, options, options.output_dir, options.max_steps)
    return save_base(model, options, [*training.target.tolist(), *validation.target.tolist()])


def meaning_lessons(options: PretrainOptions, vocabulary: Vocabulary) -> Lessons:
    """Every prompt of the pairs once, as the network reads it, with its kind of task, its subject and the vector of the embedding model."""
    pairs = {pair.prompt: pair for pair in reversed(read_pairs(options.data_path)) if pair.prompt != pair.rewrite}
    kinds = {entry: number for number, entry in enumerate(sorted({pair.entry for pair in pairs.values()}))}
    codec = Codec(vocabulary, TABLE, [vocabulary.id(REWRITE)])
    vectors = vectors_of(list(pairs), sentence_embedder(), options.output_dir / "meaning.npy")
    lessons = []
    for pair, vector in zip(pairs.values(), vectors, strict=True):
        source = codec.encode_prompt(pair.prompt, READ_LIMIT)
        ends = subject_ends(codec, source, pair.prompt, pair.subject)
        lessons.append(Lesson(source, vector.tolist(), kinds[pair.entry], ends))
    return Lessons(lessons, options.batch_tokens, options.seed)


def run_stage(
    model: T5ForConditionalGeneration, training: Examples, validation: Examples, options: PretrainOptions, folder: Path, steps: int
) -> None:
    """Trains `model` in place for `steps` steps; checkpoints and metrics go to `folder`."""
    arguments = TrainingArguments(
        output_dir=str(folder),
        max_steps=steps,
        per_device_train_batch_size=1,
        per_device_eval_batch_size=1,
        train_sampling_strategy="sequential",
        learning_rate=options.learning_rate,
        warmup_steps=max(1, min(WARMUP, steps // 5)),
        lr_scheduler_type="cosine",
        logging_steps=25,
        save_steps=min(options.save_steps, steps),
        save_total_limit=2,
        eval_strategy="steps",
        eval_steps=min(options.save_steps, steps),
        bf16=can_use_bf16(),
        use_cpu=not torch.cuda.is_available(),
        seed=options.seed,
        report_to="none",
        remove_unused_columns=False,
    )
    train(
        model,
        batches_by_tokens(training, options.batch_tokens, options.seed),
        batches_by_tokens(validation, options.batch_tokens, options.seed),
        arguments,
        MuonWithAdamW(model, options.learning_rate, WEIGHT_DECAY),
    )


def save_base(model: T5ForConditionalGeneration, options: PretrainOptions, written: Iterable[int]) -> Path:
    """Writes the base in half precision with its vocabulary, `written` pieces ahead of the others, as a whole; returns the folder."""
    half = model.half()  # type: ignore[no-untyped-call]
    vocabulary = written_first(half, options.vocabulary.read_bytes(), written)
    with whole_folder(options.output_dir / "base") as folder:
        half.save_pretrained(folder)
        (folder / VOCABULARY).write_bytes(vocabulary)
    return options.output_dir / "base"

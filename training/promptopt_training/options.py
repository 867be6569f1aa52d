"""Every option of `promptopt-train`, declared once, with its help. Nothing heavy is imported here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any, ClassVar

from promptopt.errors import InvalidInput


@dataclass(frozen=True)
class Rule:
    """What the value of an option has to be, in words and as a test."""

    words: str
    holds: Callable[[Any], bool]


COUNT = Rule("1 or more", lambda value: value >= 1)
LIMIT = Rule("0 or more", lambda value: value >= 0)
POSITIVE = Rule("above 0", lambda value: 0 < value < inf)
SHARE = Rule("between 0 and 1", lambda value: 0 < value < 1)
SEED = Rule("from 0 to 4294967295", lambda value: 0 <= value < 2**32)
WIDTH = Rule("a multiple of 32", lambda value: value >= 32 and value % 32 == 0)


def check(options: Any) -> None:
    """Raises InvalidInput naming the first flag whose value breaks its rule."""
    for name, rule in options.RULES.items():
        value = getattr(options, name)
        if not rule.holds(value):
            raise InvalidInput(f"--{name} is {value}.", f"It has to be {rule.words}.")


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """Without --inputs the pairs are made from the knowledge base alone."""

    size: int = 500
    seed: int = 0
    style: str = "golden"
    output: Path = Path("data/lora_training_data.json")
    base: str = "promptopt-mini"
    inputs: Path | None = None
    labels: Path | None = None
    held_out: tuple[str, ...] = ()
    jobs: int = 1

    HELP: ClassVar[Mapping[str, str]] = {
        "size": "How many pairs.",
        "seed": "The same seed gives the same pairs.",
        "style": "The form to write: golden, markdown, xml, concise, …",
        "output": "Where they go: a JSON list, or JSON lines for a name in .jsonl.",
        "base": "The base whose codec every pair is checked with; for a new base the folder with its spiece.model.",
        "inputs": 'Real prompts, JSON lines of {"text", "source"}: composes pre-training pairs in every form.',
        "labels": 'The entries of inputs that somebody has read, JSON lines of {"id", "entry"}; the rest is labelled by embedding.',
        "held_out": "Files of prompts to measure on; what shares eight words in a row with one of them are left out.",
        "jobs": "Processes that compose pre-training pairs; the file is the same for any number.",
    }

    RULES: ClassVar[Mapping[str, Rule]] = {"size": COUNT, "seed": SEED, "jobs": COUNT}


@dataclass(frozen=True, kw_only=True)
class VocabularyOptions:
    """The pieces span several words; some stand for the prompt and its words."""

    data_path: Path
    output: Path
    size: int = 12288
    words: int = 8192
    frequent: Path | None = None
    init: Path | None = None
    pairs: int = 20_000

    HELP: ClassVar[Mapping[str, str]] = {
        "data_path": "Pre-training pairs as JSON lines.",
        "output": "Where the SentencePiece model goes.",
        "size": "Number of pieces that are chosen for what rewrites spell.",
        "words": "Number of pieces beside these that are whole words of the prompts.",
        "frequent": "Words people use, one a line, the commonest first; for words that the prompts of the pairs seldom have.",
        "init": "A SentencePiece model to go on from: its phrases make room for those of the pairs, all else keeps its id; give --words 0.",
        "pairs": "Choose the pieces from so many of the pairs; the words come from all.",
    }

    RULES: ClassVar[Mapping[str, Rule]] = {"size": COUNT, "words": LIMIT, "pairs": COUNT}


@dataclass(frozen=True, kw_only=True)
class PretrainOptions:
    """The base learns to point, to restore masked text and to write structured prompts in many forms."""

    data_path: Path
    vocabulary: Path
    output_dir: Path
    max_steps: int
    init: Path | None = None
    meaning_steps: int = 1100
    reading_steps: int = 300
    batch_tokens: int = 4000
    learning_rate: float = 1.5e-3
    save_steps: int = 500
    d_model: int = 256
    encoder_layers: int = 6
    decoder_layers: int = 2
    seed: int = 0

    HELP: ClassVar[Mapping[str, str]] = {
        "data_path": "Pre-training pairs as JSON lines.",
        "vocabulary": "The SentencePiece model.",
        "output_dir": "Checkpoints, metrics, loss plot; the finished base is in base below it.",
        "max_steps": "Optimizer steps on whole pairs.",
        "init": "A base to go on from instead of random weights; the vocabulary is its own, a longer one, or has other phrases.",
        "meaning_steps": "Steps before, in which the encoder learns from a sentence embedding model; 0 leaves them out.",
        "reading_steps": "Steps between, on short lessons: beginning rewrites, copying prompts.",
        "batch_tokens": "Pieces in a batch, read and written, padding counted.",
        "learning_rate": "Peak rate of AdamW, warmed up over 4 % of the steps, then falling along a cosine.",
        "save_steps": "Steps between checkpoints.",
        "d_model": "Width of the network.",
        "encoder_layers": "Layers that read.",
        "decoder_layers": "Layers that write; few, because they run once a piece.",
        "seed": "Seed of the weights, the order and the masks.",
    }

    RULES: ClassVar[Mapping[str, Rule]] = {
        "max_steps": COUNT,
        "meaning_steps": LIMIT,
        "reading_steps": COUNT,
        "batch_tokens": COUNT,
        "learning_rate": POSITIVE,
        "save_steps": COUNT,
        "d_model": WIDTH,
        "encoder_layers": COUNT,
        "decoder_layers": COUNT,
        "seed": SEED,
    }


@dataclass(frozen=True, kw_only=True)
class LoraOptions:
    """Only the low-rank updates train; the best epoch by validation loss is kept."""

    data_path: Path = Path("data/lora_training_data.json")
    base: str = "promptopt-mini"
    output_dir: Path = Path("checkpoints/lora_model")
    num_epochs: int = 5
    learning_rate: float = 1e-3
    batch_size: int = 8
    rank: int = 16
    lora_alpha: int = 32
    target_modules: tuple[str, ...] = ("q", "v")
    style: str = ""
    validation_share: float = 0.1
    patience: int = 2
    save_steps: int = 25
    seed: int = 0

    HELP: ClassVar[Mapping[str, str]] = {
        "data_path": 'Pairs {"prompt", "rewrite"}: a JSON list, or JSON lines.',
        "base": "The frozen base: a built-in name, the folder of a T5, or a T5 on the Hub such as google/flan-t5-base.",
        "output_dir": "Checkpoints, metrics, loss plot; the adapter is in final_adapter below it.",
        "num_epochs": "Times through the pairs.",
        "learning_rate": "Peak rate of AdamW, warmed up over 6 % of the steps, then falling along a line.",
        "batch_size": "Pairs in a batch; several processes share it.",
        "rank": "Rank of the low-rank updates.",
        "lora_alpha": "Scale of the updates, divided by the rank.",
        "target_modules": "Projections that get an update; all of a T5's: q k v o wi_0 wi_1 wo.",
        "style": "Name of the form; by default the one the pairs name.",
        "validation_share": "Share of the pairs held out.",
        "patience": "Stop after so many epochs in a row without a lower validation loss.",
        "save_steps": "Steps between checkpoints; there is one at the end of each epoch, too.",
        "seed": "Seed of the new weights, the split and the order.",
    }

    RULES: ClassVar[Mapping[str, Rule]] = {
        "num_epochs": COUNT,
        "learning_rate": POSITIVE,
        "batch_size": COUNT,
        "rank": COUNT,
        "lora_alpha": COUNT,
        "validation_share": SHARE,
        "patience": COUNT,
        "save_steps": COUNT,
        "seed": SEED,
    }


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions:
    """The last line of standard output is one JSON object with every figure."""

    prompts: Path
    labels: Path | None = None
    adapter: str = "golden"
    report: Path | None = None
    limit: int = 0

    HELP: ClassVar[Mapping[str, str]] = {
        "prompts": 'JSON lines of {"text": …}, perhaps with "source", "id", "missing" (details that the prompt leaves open).',
        "labels": 'JSON lines of {"id": …, "fits": [stems of words that a fitting persona holds]}.',
        "adapter": "Built-in adapter or adapter folder.",
        "report": "Folder for the one-page report, its plots and every rewrite.",
        "limit": "Only the first so many prompts; 0 takes all.",
    }

    RULES: ClassVar[Mapping[str, Rule]] = {"limit": LIMIT}


@dataclass(frozen=True, kw_only=True)
class CalibrateOptions:
    """What the confidence of an adapter means is measured on prompts and written into its promptopt.json."""

    prompts: Path
    adapter: Path

    HELP: ClassVar[Mapping[str, str]] = {
        "prompts": 'JSON lines of {"text": …} that are neither trained on nor measured on later.',
        "adapter": "The adapter folder.",
    }

    RULES: ClassVar[Mapping[str, Rule]] = {}


@dataclass(frozen=True, kw_only=True)
class PublishOptions:
    """Sends the adapter's weights, model card, manifest and, where they are there, its guesses (drafts.ids)."""

    repository: str = field(metadata={"positional": True})
    adapter_path: Path = Path("checkpoints/lora_model/final_adapter")
    revision: str = ""
    private: bool = False
    dry_run: bool = False

    HELP: ClassVar[Mapping[str, str]] = {
        "repository": "Where it goes on the Hub: owner/name; made if it is not there.",
        "adapter_path": "The adapter folder.",
        "revision": "Branch to commit to, made if it is not there; by default the main one.",
        "private": "Make a new repository private.",
        "dry_run": "Only show what would be sent; needs neither a network nor a login.",
    }

    RULES: ClassVar[Mapping[str, Rule]] = {}

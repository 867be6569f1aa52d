"""LoRA training on a random T5 of a few kilobytes, with dropout."""

from pathlib import Path
from typing import Any

from fakes import vocabulary
from transformers import T5Config, T5ForConditionalGeneration, set_seed

from promptopt.bundle import base_folder
from promptopt_training.data import golden_pairs
from promptopt_training.options import LoraOptions
from promptopt_training.records import write_pairs

SPIECE = base_folder("promptopt-mini", ("spiece.model",)) / "spiece.model"


def tiny_base(folder: Path) -> Path:
    """A random T5 with the vocabulary of the embedded model, and with dropout."""
    base = folder / "base"
    if not base.exists():
        set_seed(0)
        config = T5Config(
            vocab_size=len(vocabulary()), d_model=32, d_kv=16, num_heads=2, d_ff=64, num_layers=1, num_decoder_layers=1,
            feed_forward_proj="gated-gelu", dropout_rate=0.1, pad_token_id=0, eos_token_id=1, decoder_start_token_id=0,
        )  # fmt: skip
        T5ForConditionalGeneration(config).save_pretrained(base)
        (base / "spiece.model").write_bytes(SPIECE.read_bytes())
    return base


def options(folder: Path, **changes: Any) -> LoraOptions:
    """Two epochs on forty golden pairs, all below `folder`."""
    data = folder / "pairs.json"
    if not data.exists():
        write_pairs(golden_pairs(40, seed=0), data)
    given = {"data_path": data, "base": str(tiny_base(folder)), "output_dir": folder / "out", "num_epochs": 2, **changes}
    return LoraOptions(**given)


def quiet(line: str) -> None:
    """Says nothing."""

"""A small T5 with a vocabulary of T5's kind, and a way to teach it a few pairs by heart."""

from pathlib import Path
from typing import Any

import torch
from t5_codec import t5_vocabulary
from transformers import T5Config, T5ForConditionalGeneration

from promptopt_training.bases import SENTINELS, find_base
from promptopt_training.batches import batches_by_size, padded
from promptopt_training.corpus import encode_pairs
from promptopt_training.records import Pair

STEPS = 2000


def flan_base(folder: Path, pairs: list[Pair], pieces: int) -> Path:
    """A small random T5 with a vocabulary of T5's kind, that of the pairs; the matrix has spare rows, as T5's has."""
    folder.mkdir()
    t5_vocabulary(folder / "spiece.model", [line for pair in pairs for line in pair.rewrite.split("\n")] * 3, pieces)
    torch.manual_seed(0)
    config = T5Config(
        vocab_size=pieces + SENTINELS + 28, d_model=64, d_kv=32, num_heads=2, d_ff=128, num_layers=1, num_decoder_layers=1,
        feed_forward_proj="gated-gelu", dropout_rate=0.0, pad_token_id=0, eos_token_id=1, decoder_start_token_id=0,
    )  # fmt: skip
    T5ForConditionalGeneration(config).save_pretrained(folder)
    return folder


def overfitted(base: Path, pairs: list[Pair]) -> None:
    """Trains the network in `base` on the pairs until it knows them by heart."""
    torch.manual_seed(1)
    model = T5ForConditionalGeneration.from_pretrained(base)
    batch: dict[str, Any] = padded([batches_by_size(encode_pairs(pairs, find_base(str(base)).codec(), 512, 512), len(pairs), 0)[0]])
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=0.0)
    written = batch["labels"] != -100
    for _ in range(STEPS):
        output = model(**batch)
        known = bool((output.logits.argmax(-1) == batch["labels"])[written].all())
        if known and output.loss.item() < 0.01:
            break
        output.loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    else:
        raise AssertionError(f"not known by heart after {STEPS} steps: loss {output.loss.item():.3f}")
    model.save_pretrained(base)

"""Seconds a step and peak memory of LoRA training on a random network of the exact shape of flan-t5-base.

python benchmarks/lora_base.py [--steps 5] [--batch_size 8] [--rank 16] [--target_modules q v]

Speed and memory do not depend on the values of the weights. The vocabulary is trained here, with T5's settings, on the golden pairs; its
pieces are about as long as T5's, and the matrix has T5's 32128 rows. A step is what the training loop does: forward, backward, AdamW.
"""

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path

import sentencepiece
import torch
from transformers import T5Config, T5ForConditionalGeneration

from promptopt_training.bases import find_base
from promptopt_training.batches import batches_by_size, padded
from promptopt_training.corpus import encode_pairs
from promptopt_training.data import golden_pairs
from promptopt_training.lora import adapted, count_parameters
from promptopt_training.options import LoraOptions
from promptopt_training.records import Pair

SHAPE = T5Config(
    vocab_size=32128, d_model=768, d_kv=64, d_ff=2048, num_heads=12, num_layers=12, num_decoder_layers=12, dropout_rate=0.1,
    feed_forward_proj="gated-gelu", pad_token_id=0, eos_token_id=1, decoder_start_token_id=0,
)  # fmt: skip


def make_base(folder: Path, pairs: list[Pair]) -> Path:
    """A folder with the vocabulary and the random weights; the head is a matrix of its own, as in every Flan-T5."""
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=(line for pair in pairs for line in pair.rewrite.split("\n")),
        model_prefix=str(folder / "spiece"), model_type="unigram", vocab_size=3000, hard_vocab_limit=False,
        normalization_rule_name="nmt_nfkc", character_coverage=1.0, pad_id=0, eos_id=1, unk_id=2, bos_id=-1, minloglevel=2,
    )  # fmt: skip
    with torch.device("meta"):
        model = T5ForConditionalGeneration(SHAPE)
        model.lm_head.weight = torch.nn.Parameter(torch.empty(SHAPE.vocab_size, SHAPE.d_model))
    model.config.tie_word_embeddings = False
    model.to_empty(device="cpu")
    model.encoder.embed_tokens = model.decoder.embed_tokens = model.shared
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.uniform_(-0.05, 0.05)
    model.save_pretrained(folder)
    return folder


def measure(options: LoraOptions, pairs: list[Pair], steps: int) -> list[dict[str, float]]:
    """A row for each step, printed as it ends."""
    base = find_base(options.base)
    examples = encode_pairs(pairs, base.codec(), base.kind.read_limit, base.kind.write_limit)
    batches = batches_by_size(examples, options.batch_size, options.seed)
    model = adapted(base.folder, options).train()
    trainable, everything = count_parameters(model)
    print(f"{trainable:,} of {everything:,} parameters train", flush=True)
    optimizer = torch.optim.AdamW([parameter for parameter in model.parameters() if parameter.requires_grad], lr=options.learning_rate)
    rows = []
    for number in range(steps):
        batch = padded([batches[number]])
        started, worked = time.perf_counter(), time.process_time()
        model(**batch).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        rows.append(
            {
                "seconds": round(time.perf_counter() - started, 1),
                "processor_seconds": round(time.process_time() - worked, 1),
                "peak_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
            }
        )
        shape = " + ".join(str(batch[name].shape[1]) for name in ("input_ids", "labels"))
        print(f"step {number + 1}: {len(batch['labels'])} pairs of {shape} pieces, {rows[-1]}", flush=True)
    return rows


def main() -> None:
    """Prints a line for each step and, last, one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--batch_size", type=int, default=8)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--target_modules", nargs="+", default=["q", "v"])
    given = parser.parse_args()
    pairs = golden_pairs(500, seed=0)
    with tempfile.TemporaryDirectory() as folder:
        base = make_base(Path(folder), pairs)
        options = LoraOptions(base=str(base), batch_size=given.batch_size, rank=given.rank, target_modules=tuple(given.target_modules))
        rows = measure(options, pairs, given.steps)
    print(json.dumps({"threads": torch.get_num_threads(), "steps": rows}))


if __name__ == "__main__":
    main()

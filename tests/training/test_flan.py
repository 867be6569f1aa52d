"""A network with the vocabulary of a Flan-T5: line breaks and braces come out of it, and adapters for it are trained and loaded."""

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from safetensors.torch import load_file
from tiny_models import bundle_of
from tiny_t5 import flan_base, overfitted
from transformers import T5Config, T5ForConditionalGeneration

from promptopt.bundle import Manifest
from promptopt.engine.protocol import Decoding
from promptopt.engine.reference import ReferenceEngine
from promptopt.optimizer import Optimizer, Rewrite
from promptopt.settings import Settings
from promptopt_training.bases import FLAN_TABLE, SENTINELS, T5
from promptopt_training.data import golden_pairs
from promptopt_training.lora import adapted, count_parameters, lora_config, train_lora
from promptopt_training.options import LoraOptions
from promptopt_training.records import Pair, write_pairs


def hard_pairs() -> list[Pair]:
    """Ten golden pairs; some have braces in the prompt, or braces, tabs and empty lines that no pointer reaches."""
    pairs = sorted((pair for pair in golden_pairs(80, seed=0) if pair.prompt != pair.rewrite), key=lambda pair: len(pair.rewrite))[:10]
    return [
        *(Pair(f"{pair.prompt} for {{name}}", pair.rewrite.replace(pair.prompt, f"{pair.prompt} for {{name}}")) for pair in pairs[:3]),
        *(Pair(pair.prompt, f'{pair.rewrite}\n\n\n{{\n\t"done":  ~ \\\n}}') for pair in pairs[3:6]),
        *pairs[6:],
    ]


@pytest.mark.parametrize(("changes", "trainable"), [({}, 1_769_472), ({"rank": 8}, 884_736)])
def test_so_many_parameters_train_on_the_full_shape(changes: dict[str, Any], trainable: int) -> None:
    with torch.device("meta"):
        config = T5Config(
            vocab_size=32128, d_model=768, d_kv=64, num_heads=12, d_ff=2048, num_layers=12, num_decoder_layers=12,
            feed_forward_proj="gated-gelu", pad_token_id=0, eos_token_id=1, decoder_start_token_id=0,
        )  # fmt: skip
        model = peft.get_peft_model(T5ForConditionalGeneration(config), lora_config(LoraOptions(**changes)))
    assert count_parameters(model)[0] == trainable


@pytest.mark.model
@pytest.mark.timeout(900)
def test_ten_golden_pairs_learned_by_heart_come_out_exactly(tmp_path: Path) -> None:
    pairs = hard_pairs()
    base = flan_base(tmp_path / "base", pairs, 800)
    overfitted(base, pairs)
    model = adapted(base, LoraOptions(rank=2))
    assert count_parameters(model)[1] < 400_000
    model.save_pretrained(str(tmp_path / "adapter"))
    Manifest(
        base=str(base), base_sha256="", style="golden", prefix=T5.prefix, codec=FLAN_TABLE, read_limit=512, write_limit=512,
        temperature=0.7, extra_ids=SENTINELS,
    ).write(tmp_path / "adapter")  # fmt: skip
    optimizer = Optimizer(Settings(adapter=str(tmp_path / "adapter"), engine="reference"))
    found = list(optimizer.batch([pair.prompt for pair in pairs]))
    assert [rewrite.text if isinstance(rewrite, Rewrite) else str(rewrite) for rewrite in found] == [pair.rewrite for pair in pairs]


@pytest.mark.model
def test_an_adapter_for_such_a_base_is_trained_and_writes_the_same_in_plain_peft(tmp_path: Path) -> None:
    pairs = golden_pairs(24, seed=0)
    base = flan_base(tmp_path / "base", pairs, 800)
    write_pairs(pairs, tmp_path / "pairs.json")
    lines: list[str] = []
    given = LoraOptions(
        data_path=tmp_path / "pairs.json", base=str(base), output_dir=tmp_path / "out", num_epochs=1,
        target_modules=("q", "k", "v", "o", "wi_0", "wi_1", "wo"),
    )  # fmt: skip
    folder = train_lora(given, lines.append)
    bundle = bundle_of(folder)
    assert replace(bundle.manifest, metrics={}, base_sha256="", data_sha256="") == Manifest(
        base=str(base), base_sha256="", style="golden", prefix=(), codec=FLAN_TABLE, read_limit=512, write_limit=512, temperature=0.7,
        extra_ids=100, headings=("Act as ", "Context: ", "Task: ", "Constraints:", "- ", "Steps:", "1. ", "2. ", "3. ", "Goal: "),
    )  # fmt: skip
    assert "on q, k, v, o, wi_0, wi_1 and wo" in (folder / "README.md").read_text(encoding="utf-8")
    updates = sum(tensor.numel() for tensor in load_file(folder / "adapter_model.safetensors").values())
    assert lines[1].startswith(f"{updates:,} of ")

    source = bundle.codec().encode_prompt("create function {name}", 512)
    ours = [token.id for token in ReferenceEngine(bundle).stream(source, Decoding(12), threading.Event())]
    model = peft.PeftModel.from_pretrained(T5ForConditionalGeneration.from_pretrained(base), folder).eval()
    theirs = model.generate(input_ids=torch.tensor([source]), do_sample=False, max_new_tokens=12)[0, 1:].tolist()
    assert ours == theirs

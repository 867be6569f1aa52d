"""An adapter is trained on a tiny frozen base: only the low-rank updates move, and what is left is a bundle that plain PEFT loads."""

import hashlib
import json
import re
from pathlib import Path

import pytest
import torch
from fakes import mini_codec, vocabulary
from peft import PeftModel
from safetensors.torch import load_file
from tiny_lora import options, quiet, tiny_base
from tiny_models import bundle_of
from transformers import (
    T5ForConditionalGeneration,
)

from promptopt.bundle import DRAFTS, MANIFEST, PEFT_FILES, Manifest
from promptopt_training import lora as module
from promptopt_training.lora import adapted, count_parameters, split, train_lora
from promptopt_training.options import LoraOptions
from promptopt_training.records import Pair
from promptopt_training.vocabulary import REWRITE, TABLE

pytestmark = pytest.mark.usefixtures("one_thread")
UPDATES = re.compile(r"(encoder|decoder)\.block\.0\.layer\.[01]\.(SelfAttention|EncDecAttention)\.(q|v)\.lora_[AB]\.weight")


def digests(model: torch.nn.Module) -> dict[str, str]:
    """A hash of every tensor that belongs to the base."""
    return {
        name: hashlib.sha256(tensor.detach().contiguous().numpy().tobytes()).hexdigest()
        for name, tensor in model.state_dict().items()
        if "lora_" not in name
    }


def test_a_tenth_of_the_pairs_is_held_out_and_none_is_lost() -> None:
    pairs = [Pair(str(number), str(number)) for number in range(50)]
    training, validation = split(pairs, 0.1, 0)
    assert (len(training), len(validation)) == (45, 5)
    assert sorted([*training, *validation], key=lambda pair: int(pair.prompt)) == pairs
    assert split(pairs, 0.1, 0) == (training, validation)
    assert split(pairs, 0.1, 1) != (training, validation)


def test_at_least_one_pair_is_held_out() -> None:
    assert [len(part) for part in split([Pair("a", "a")] * 20, 0.001, 0)] == [19, 1]


def test_at_least_one_pair_is_left_to_train_on() -> None:
    assert [len(part) for part in split([Pair("a", "a")] * 20, 0.99, 0)] == [1, 19]


def test_only_the_updates_of_the_targets_train(tmp_path: Path) -> None:
    model = adapted(tiny_base(tmp_path), options(tmp_path, rank=4))
    names = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    assert len(names) == 12
    assert all(".q.lora_" in name or ".v.lora_" in name for name in names)
    assert count_parameters(model)[0] == 6 * 2 * 4 * 32


def test_other_targets_can_be_asked_for(tmp_path: Path) -> None:
    model = adapted(tiny_base(tmp_path), options(tmp_path, target_modules=("wo",)))
    names = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    assert len(names) == 4
    assert all(".wo.lora_" in name for name in names)


@pytest.mark.model
def test_training_leaves_the_base_alone_and_a_bundle_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[tuple[PeftModel, dict[str, str]]] = []

    def watched(base: Path, given: LoraOptions) -> PeftModel:
        model = adapted(base, given)
        built.append((model, digests(model)))
        return model

    monkeypatch.setattr(module, "adapted", watched)
    given, lines = options(tmp_path), list[str]()
    files = {path.name: path.read_bytes() for path in tiny_base(tmp_path).iterdir()}
    folder = train_lora(given, lines.append)

    [(model, before)] = built
    assert len(before) > 15
    assert digests(model) == before
    assert {path.name: path.read_bytes() for path in tiny_base(tmp_path).iterdir()} == files

    assert folder == given.output_dir / "final_adapter"
    assert {path.name for path in folder.iterdir()} == {*PEFT_FILES, MANIFEST, DRAFTS, "README.md"}
    assert {"metrics.jsonl", "loss.png"} <= {path.name for path in given.output_dir.iterdir()}

    updates = load_file(folder / "adapter_model.safetensors")
    assert len(updates) == 12
    assert [name for name in updates if not UPDATES.search(name)] == []
    assert [name for name, tensor in updates.items() if not tensor.abs().sum() > 0] == []

    trainable = sum(tensor.numel() for tensor in updates.values())
    everything = trainable + sum(parameter.numel() for parameter in T5ForConditionalGeneration.from_pretrained(given.base).parameters())
    assert trainable == 6 * 2 * 16 * 32
    assert lines == [
        "36 pairs to train on, 4 to validate",
        f"{trainable:,} of {everything:,} parameters train ({100 * trainable / everything:.2f}%)",
    ]


@pytest.mark.model
@pytest.mark.parametrize(("count", "written"), [(len(vocabulary()), len(vocabulary())), (1000, 0)])
def test_the_bundle_says_which_pieces_it_writes_where_its_base_does(tmp_path: Path, count: int, written: int) -> None:
    """Not where the pairs need others, too."""
    config = tiny_base(tmp_path) / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text(encoding="utf-8")), "written_pieces": count}), encoding="utf-8")
    assert Manifest.read(train_lora(options(tmp_path, num_epochs=1), quiet)).written == written


@pytest.mark.model
def test_the_bundle_says_what_it_was_made_of_and_loads_in_promptopt_and_in_plain_peft(tmp_path: Path) -> None:
    given = options(tmp_path, num_epochs=1)
    folder = train_lora(given, quiet)
    manifest = Manifest.read(folder)
    rows = [json.loads(line) for line in (given.output_dir / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    [loss] = [row["eval_loss"] for row in rows if "eval_loss" in row]
    assert manifest == Manifest(
        base=given.base,
        base_sha256=hashlib.sha256((tiny_base(tmp_path) / "model.safetensors").read_bytes()).hexdigest(),
        style="golden",
        prefix=(REWRITE,),
        codec=TABLE,
        read_limit=512,
        write_limit=320,
        temperature=0.7,
        data_sha256=hashlib.sha256(given.data_path.read_bytes()).hexdigest(),
        metrics={"validation_loss": round(loss, 4), "epochs": 1.0, "steps": 5.0},
        headings=("Act as ", "Context: ", "Task: ", "Constraints:", "- ", "Steps:", "1. ", "2. ", "3. ", "Goal: "),
    )
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert f"base_model: {given.base}\n" in card
    assert "rank 16, alpha 32, on q and v" in card
    assert f"Trained on 40 pairs; the file's SHA-256 is `{manifest.data_sha256}`." in card
    assert f"Validation loss {round(loss, 4)} nats per piece, after 5 steps; the best of 1 epochs is kept." in card

    bundle = bundle_of(folder)
    assert (bundle.base, bundle.manifest) == (tiny_base(tmp_path).resolve(), manifest)

    config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    assert (config["base_model_name_or_path"], config["r"], config["lora_alpha"]) == (given.base, 16, 32)
    assert (sorted(config["target_modules"]), config["task_type"], config["peft_type"]) == (["q", "v"], "SEQ_2_SEQ_LM", "LORA")
    model = PeftModel.from_pretrained(T5ForConditionalGeneration.from_pretrained(given.base), folder)
    source = torch.tensor([mini_codec().encode_prompt("create function", 512)])
    written = model.generate(input_ids=source, min_new_tokens=7, max_new_tokens=7, do_sample=False)
    assert written.shape == (1, 8)
    assert written[0, 0].item() == 0

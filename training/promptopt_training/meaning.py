"""Teaches a new encoder what prompts mean, before a decoder leans on it: prompts that mean alike are to be read alike.

The mean of the encoder's states is pulled towards the vector that a sentence embedding model gives the same prompt (knowledge
distillation; the embedding model is needed while training only), and probes on the states have to tell the kind of task and the
two pointers between which the subject stands. Without that the encoder learns from two decisions in fifty pieces, and hardly
does (docs/decisions/0004, 0011). The probes are thrown away.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import Dataset
from transformers import T5ForConditionalGeneration, Trainer, TrainingArguments

from promptopt.codec import Codec
from promptopt_training.batches import IGNORED
from promptopt_training.labels import Embedder
from promptopt_training.optimizer import MuonWithAdamW
from promptopt_training.trainer import Journal, can_use_bf16, last_checkpoint

SHARPNESS = 0.05
"Temperature of the comparison within a batch."
PULL = 2.0
"Weight of the plain distance beside that comparison."
SHORTEST, LONGEST = 2, 110
NO_SUBJECT = 0
"The place of a subject that is not there; position n of a source is place n + 1."
UNSEEN = -1e4
Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Lesson:
    """What there is to know of one prompt.

    source: the ids that the network reads.  vector: what a sentence embedding model makes of it, of length 1.
    kind: number of its kind of task.  ends: places of the first and the last pointer of its subject, NO_SUBJECT twice where it has none.
    Kind and ends are IGNORED where nobody knows them.
    """

    source: list[int]
    vector: list[float]
    kind: int = IGNORED
    ends: tuple[int, int] = (IGNORED, IGNORED)


def subject_ends(codec: Codec, source: Sequence[int], prompt: str, subject: str) -> tuple[int, int]:
    """Places in `source` of the pointers to the first and the last word of `subject`, which stands in `prompt`.

    NO_SUBJECT twice for an empty one, or one without a word that can be pointed at.
    """
    start = prompt.find(subject)
    numbers = [n for n, unit in enumerate(codec.units(prompt)) if start >= 0 and unit.end > start and unit.start < start + len(subject)]
    places = {codec.ordinals[index]: place for place, index in enumerate(source, start=1) if index in codec.ordinals}
    if not numbers or numbers[0] not in places or numbers[-1] not in places:
        return NO_SUBJECT, NO_SUBJECT
    return places[numbers[0]], places[numbers[-1]]


class Reader(nn.Module):
    """An encoder, a map from the mean of its states to the vectors of the teacher, and the probes."""

    pointing: torch.Tensor

    def __init__(self, model: T5ForConditionalGeneration, dimensions: int, kinds: int, pointers: Sequence[int]) -> None:
        super().__init__()
        width, size = model.config.d_model, model.config.vocab_size
        self.encoder = model.encoder
        self.map = nn.Linear(width, dimensions)
        self.kind = nn.Linear(width, kinds)
        self.ends = nn.Linear(width, 2)
        self.without = nn.Linear(width, 2)
        self.register_buffer("pointing", torch.isin(torch.arange(size), torch.tensor(list(pointers))), persistent=False)

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, vectors: torch.Tensor, kinds: torch.Tensor, ends: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """The loss for prompts [prompts, pieces], their vectors [prompts, dimensions], kinds [prompts] and ends [prompts, 2]."""
        states = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        mean = mean_state(states, attention_mask)
        read = nn.functional.normalize(self.map(mean), dim=-1).float()
        wanted = torch.softmax(vectors @ vectors.T / SHARPNESS, dim=-1)
        compared = -(wanted * torch.log_softmax(read @ vectors.T / SHARPNESS, dim=-1)).sum(dim=-1).mean()
        loss = compared + PULL * (1 - (read * vectors).sum(dim=-1)).mean()
        loss = loss + _told(self.kind(mean), kinds)
        places = self.ends(states).masked_fill(~self.pointing[input_ids].unsqueeze(-1), UNSEEN)
        places = torch.cat([self.without(mean).unsqueeze(1), places], dim=1)
        return {"loss": loss + _told(places[..., 0], ends[:, 0]) + _told(places[..., 1], ends[:, 1])}


def _told(scores: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """The mean cross entropy over the rows whose answer is known; 0 where none is."""
    total = nn.functional.cross_entropy(scores.float(), right, ignore_index=IGNORED, reduction="sum")
    return total / (right != IGNORED).sum().clamp(min=1)


def mean_state(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The mean over the pieces that are there: [prompts, pieces, width] and [prompts, pieces] to [prompts, width]."""
    kept = mask.unsqueeze(-1).to(states.dtype)
    return (states * kept).sum(dim=1) / kept.sum(dim=1)


class Lessons(Dataset[list[Lesson]]):
    """Batches of prompts of like length, at most `budget` pieces each, padding counted; the same for the same seed."""

    def __init__(self, lessons: Sequence[Lesson], budget: int, seed: int) -> None:
        rng = random.Random(seed)
        usable = [lesson for lesson in lessons if SHORTEST <= len(lesson.source) <= LONGEST]
        usable.sort(key=lambda lesson: (len(lesson.source) // 4, rng.random()))
        self.kinds = 1 + max((lesson.kind for lesson in usable), default=0)
        self._batches: list[list[Lesson]] = []
        batch: list[Lesson] = []
        for lesson in usable:
            if batch and (len(batch) + 1) * max(len(lesson.source), *(len(other.source) for other in batch)) > budget:
                self._batches.append(batch)
                batch = []
            batch.append(lesson)
        self._batches += [batch] if batch else []
        rng.shuffle(self._batches)

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, index: int) -> list[Lesson]:
        return self._batches[index]


def collated(items: Sequence[list[Lesson]]) -> dict[str, torch.Tensor]:
    """The prompts of the batches as tensors, padded with 0."""
    rows = [row for item in items for row in item]
    longest = max(len(row.source) for row in rows)
    ids = torch.tensor([row.source + [0] * (longest - len(row.source)) for row in rows])
    return {
        "input_ids": ids,
        "attention_mask": (ids != 0).long(),
        "vectors": torch.tensor([row.vector for row in rows]),
        "kinds": torch.tensor([row.kind for row in rows]),
        "ends": torch.tensor([row.ends for row in rows]),
    }


def learn_meaning(
    model: T5ForConditionalGeneration,
    lessons: Lessons,
    pointers: Sequence[int],
    folder: Path,
    steps: int,
    learning_rate: float,
    weight_decay: float,
    seed: int,
) -> None:
    """Trains the encoder of `model` in place, and the embeddings it shares, from the last checkpoint in `folder` if there is one."""
    folder.mkdir(parents=True, exist_ok=True)
    reader = Reader(model, len(lessons[0][0].vector), max(1, lessons.kinds), pointers)
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
        label_names=["vectors", "kinds", "ends"],
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

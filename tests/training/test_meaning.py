"""An encoder learns to read alike what means alike; the lessons hold every usable prompt once."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from fakes import vocabulary
from hypothesis import given
from hypothesis import strategies as st
from transformers import T5Config, T5ForConditionalGeneration

from promptopt.codec import Codec
from promptopt_training.batches import IGNORED
from promptopt_training.meaning import (
    LONGEST,
    Lesson,
    Lessons,
    Reader,
    Vectors,
    collated,
    learn_meaning,
    mean_state,
    subject_ends,
    vectors_of,
)
from promptopt_training.vocabulary import REWRITE, TABLE

POINTERS = (30, 31, 32)


def model(seed: int = 0) -> T5ForConditionalGeneration:
    torch.manual_seed(seed)
    return T5ForConditionalGeneration(
        T5Config(vocab_size=40, d_model=32, d_kv=16, num_heads=2, d_ff=64, num_layers=1, num_decoder_layers=1, dropout_rate=0.0)
    )


def two_subjects() -> list[Lesson]:
    """Prompts of pieces 5 to 9 mean one thing, those of pieces 15 to 19 another; each is about what piece 25 leads in."""
    rng = np.random.default_rng(0)
    lessons = []
    for number in range(40):
        kind, place = number // 20, int(rng.integers(3))
        source = [(5, 15)[kind] + int(rng.integers(5)) for _ in range(4)]
        for pointer in (2, 1, 0):
            source[pointer:pointer] = [POINTERS[pointer], 25] if pointer == place else [POINTERS[pointer]]
        at = source.index(POINTERS[place]) + 1
        lessons.append(Lesson(source, [float(kind == 0), float(kind == 1), 0.0], kind, (at, at)))
    return lessons


def read(reader: Reader, source: Sequence[int]) -> torch.Tensor:
    ids = torch.tensor([list(source)])
    with torch.no_grad():
        state = mean_state(reader.encoder(input_ids=ids).last_hidden_state, torch.ones_like(ids))
    return torch.nn.functional.normalize(state[0], dim=-1)


def test_after_the_lessons_prompts_of_one_subject_are_read_alike_and_of_two_apart(tmp_path: Path) -> None:
    network = model()
    lessons = Lessons(two_subjects(), 128, 0)
    learn_meaning(network, lessons, POINTERS, tmp_path, steps=40, learning_rate=3e-3, weight_decay=0.0, seed=0)
    reader = Reader(network, 3, 2, POINTERS)
    same = float(read(reader, [5, 6, 7, 8]) @ read(reader, [9, 8, 6, 5]))
    other = float(read(reader, [5, 6, 7, 8]) @ read(reader, [15, 16, 17, 18]))
    assert same > 0.75
    assert other < same - 0.4
    assert (tmp_path / "metrics.jsonl").is_file()


def test_lessons_that_were_interrupted_go_on_to_the_same_weights(tmp_path: Path) -> None:
    def taught(folder: Path, *steps: int) -> dict[str, torch.Tensor]:
        for until in steps:
            network = model()
            learn_meaning(network, Lessons(two_subjects(), 128, 0), POINTERS, folder, until, 1e-3, 0.0, seed=0)
        return network.encoder.state_dict()

    whole = taught(tmp_path / "whole", 6)
    again = taught(tmp_path / "whole", 6)
    assert all(torch.equal(whole[name], again[name]) for name in whole)


@given(st.lists(st.integers(1, LONGEST + 20), max_size=40), st.integers(LONGEST, 900))
def test_every_usable_prompt_is_in_one_batch_within_the_budget(lengths: list[int], budget: int) -> None:
    lessons = Lessons([Lesson([number + 5] * length, [0.0, 0.0]) for number, length in enumerate(lengths)], budget, 0)
    batches = [lessons[index] for index in range(len(lessons))]
    usable = [number for number, size in enumerate(lengths) if 2 <= size <= LONGEST]
    assert sorted(lesson.source[0] - 5 for batch in batches for lesson in batch) == usable
    assert all(len(batch) * max(len(lesson.source) for lesson in batch) <= budget for batch in batches)


def test_prompts_are_padded_and_keep_what_is_known_of_them() -> None:
    batch = collated([[Lesson([5, 6, 7], [1.0, 0.0], 3, (1, 2)), Lesson([8, 9], [0.0, 1.0])]])
    assert batch["input_ids"].tolist() == [[5, 6, 7], [8, 9, 0]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 1, 0]]
    assert batch["vectors"].tolist() == [[1.0, 0.0], [0.0, 1.0]]
    assert batch["kinds"].tolist() == [3, IGNORED]
    assert batch["ends"].tolist() == [[1, 2], [IGNORED, IGNORED]]


def test_the_ends_of_a_subject_are_the_places_of_its_pointers() -> None:
    codec = Codec(vocabulary(), TABLE, [vocabulary().id(REWRITE)])
    prompt = "sort the list of dates in python"
    source = codec.encode_prompt(prompt, 100)
    first, last = subject_ends(codec, source, prompt, "the list of dates")
    assert [source[first - 1], source[last - 1]] == [codec.pointers[1], codec.pointers[2]]
    assert subject_ends(codec, source, prompt, "dates") == (last, last)
    assert subject_ends(codec, source, prompt, "") == (0, 0)
    assert subject_ends(codec, source, prompt, "the tuple") == (0, 0)
    assert subject_ends(codec, source, prompt, "of") == (0, 0)
    assert subject_ends(codec, source[: last - 1], prompt, "dates") == (0, 0)


def test_padding_does_not_count_in_the_mean() -> None:
    states = torch.tensor([[[1.0, 2.0], [3.0, 4.0], [9.0, 9.0]]])
    assert mean_state(states, torch.tensor([[1, 1, 0]])).tolist() == [[2.0, 3.0]]


def test_vectors_are_made_once_and_anew_for_other_prompts(tmp_path: Path) -> None:
    asked: list[int] = []

    def embed(texts: Sequence[str]) -> Vectors:
        asked.append(len(texts))
        return np.ones((len(texts), 2), dtype=np.float32)

    for prompts in (["a", "b"], ["a", "b"], ["a"]):
        assert vectors_of(prompts, embed, tmp_path / "kept.npy").shape == (len(prompts), 2)
    assert asked == [2, 1]
    assert [path.name for path in tmp_path.iterdir()] == ["kept.npy"]


def test_the_loss_is_lowest_where_every_prompt_is_read_as_its_vector() -> None:
    reader = Reader(model(), 32, 1, POINTERS)
    nothing = torch.full((2,), IGNORED), torch.full((2, 2), IGNORED)
    ids = torch.tensor([[5, 6], [15, 16]])
    mask = torch.ones_like(ids)
    states = mean_state(reader.encoder(input_ids=ids, attention_mask=mask).last_hidden_state, mask)
    vectors = torch.nn.functional.normalize(reader.map(states), dim=-1).detach()
    right = reader(ids, mask, vectors, *nothing)["loss"].item()
    swapped = reader(ids, mask, vectors.flip(0), *nothing)["loss"].item()
    assert right <= swapped + 1e-6
    assert reader(ids, mask, -vectors, *nothing)["loss"].item() > right + 1


def test_the_probes_learn_kind_and_subject_and_choose_among_pointers_alone() -> None:
    torch.manual_seed(0)
    reader = Reader(model(), 3, 2, POINTERS)
    batch = collated([two_subjects()])
    optimizer = torch.optim.AdamW(reader.parameters(), 1e-2)
    losses = []
    for _ in range(200):
        loss = reader(**batch)["loss"]
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 2
    with torch.no_grad():
        states = reader.encoder(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).last_hidden_state
        kinds = reader.kind(mean_state(states, batch["attention_mask"])).argmax(1)
        ends = reader.ends(states).masked_fill(~torch.isin(batch["input_ids"], torch.tensor(POINTERS)).unsqueeze(-1), -1e4).argmax(1) + 1
    assert kinds.tolist() == batch["kinds"].tolist()
    assert ends.tolist() == batch["ends"].tolist()

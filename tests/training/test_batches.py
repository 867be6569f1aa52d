"""Batches hold every example once, within their budget, in an order that follows from the seed."""

from collections import Counter

import torch
from hypothesis import given
from hypothesis import strategies as st

from promptopt_training.batches import IGNORED, Batches, Row, Shares, batches_by_size, batches_by_tokens, padded
from promptopt_training.corpus import Examples

LENGTHS = st.lists(st.tuples(st.integers(1, 60), st.integers(1, 90)), min_size=1, max_size=40)


def examples(lengths: list[tuple[int, int]]) -> Examples:
    """Examples of these lengths; the first id of each source is its number from 2."""
    return Examples.of([([number + 2] + [9] * (wide - 1), [7] * tall) for number, (wide, tall) in enumerate(lengths)])


def numbers(batch: list[Row]) -> list[int]:
    return [row["input_ids"][0] - 2 for row in batch]


def everything(batches: Batches) -> list[list[int]]:
    return [numbers(batches[place]) for place in range(len(batches))]


def cost(batch: list[Row]) -> int:
    """Ids of the padded batch, sources and targets."""
    return len(batch) * (max(len(row["input_ids"]) for row in batch) + max(len(row["labels"]) for row in batch))


@given(LENGTHS, st.integers(20, 2000), st.integers(0, 5))
def test_a_batch_keeps_to_its_budget_of_ids_with_the_padding(lengths: list[tuple[int, int]], budget: int, seed: int) -> None:
    batches = batches_by_tokens(examples(lengths), budget, seed)
    for place in range(len(batches)):
        assert len(batches[place]) == 1 or cost(batches[place]) <= budget


@given(LENGTHS, st.integers(20, 2000), st.integers(0, 5))
def test_every_example_is_in_exactly_one_batch(lengths: list[tuple[int, int]], budget: int, seed: int) -> None:
    for batches in (batches_by_tokens(examples(lengths), budget, seed), batches_by_size(examples(lengths), 1 + budget % 7, seed)):
        assert Counter(number for batch in everything(batches) for number in batch) == Counter(range(len(lengths)))


@given(LENGTHS, st.integers(0, 5))
def test_the_same_seed_gives_the_same_batches(lengths: list[tuple[int, int]], seed: int) -> None:
    assert everything(batches_by_tokens(examples(lengths), 300, seed)) == everything(batches_by_tokens(examples(lengths), 300, seed))
    assert everything(batches_by_size(examples(lengths), 4, seed)) == everything(batches_by_size(examples(lengths), 4, seed))


def test_another_seed_gives_another_order() -> None:
    alike = examples([(10, 10)] * 64)
    assert everything(batches_by_tokens(alike, 80, 1)) != everything(batches_by_tokens(alike, 80, 2))
    assert everything(batches_by_size(alike, 4, 1)) != everything(batches_by_size(alike, 4, 2))


def test_batches_are_filled_as_far_as_the_budget_goes() -> None:
    batches = batches_by_tokens(examples([(10, 10)] * 64), 80, 0)
    assert [len(batch) for batch in everything(batches)] == [4] * 16


def test_an_example_over_the_budget_has_a_batch_of_its_own() -> None:
    batches = batches_by_tokens(examples([(50, 80), (5, 5), (5, 5)]), 30, 0)
    assert sorted(sorted(batch) for batch in everything(batches)) == [[0], [1, 2]]


def test_batches_by_size_are_full_but_one() -> None:
    batches = batches_by_size(examples([(5, 5)] * 30), 8, 0)
    assert sorted(len(batch) for batch in everything(batches)) == [6, 8, 8, 8]


def test_examples_of_like_length_share_a_batch() -> None:
    lengths = [(8, 16 if number % 2 else 80) for number in range(32)]
    for batch in everything(batches_by_size(examples(lengths), 8, 0)):
        assert len({number % 2 for number in batch}) == 1


def test_no_examples_make_no_batches() -> None:
    assert len(batches_by_tokens(examples([]), 100, 0)) == 0
    assert len(batches_by_size(examples([]), 8, 0)) == 0


def test_rows_are_padded_to_the_longest_and_padding_is_neither_read_nor_learned() -> None:
    rows = [{"input_ids": [5, 6, 1], "labels": [4, 1]}, {"input_ids": [8, 1], "labels": [3, 3, 3, 1]}]
    made = padded([rows])
    assert made["input_ids"].tolist() == [[5, 6, 1], [8, 1, 0]]
    assert made["attention_mask"].tolist() == [[1, 1, 1], [1, 1, 0]]
    assert made["labels"].tolist() == [[4, 1, IGNORED, IGNORED], [3, 3, 3, 1]]
    assert {tensor.dtype for tensor in made.values()} == {torch.int64}


def test_several_items_become_one_batch() -> None:
    made = padded([[{"input_ids": [5, 1], "labels": [1]}], [{"input_ids": [6, 7, 1], "labels": [2, 1]}]])
    assert made["input_ids"].tolist() == [[5, 1, 0], [6, 7, 1]]


@given(LENGTHS)
def test_the_shapes_are_rows_by_the_longest(lengths: list[tuple[int, int]]) -> None:
    packed = examples(lengths)
    made = padded([[packed[number] for number in range(len(packed))]])
    wide, tall = max(wide for wide, _ in lengths), max(tall for _, tall in lengths)
    assert made["input_ids"].shape == made["attention_mask"].shape == (len(lengths), wide)
    assert made["labels"].shape == (len(lengths), tall)
    assert made["attention_mask"].sum(1).tolist() == [wide for wide, _ in lengths]
    assert (made["labels"] != IGNORED).sum(1).tolist() == [tall for _, tall in lengths]


def test_every_epoch_has_an_order_of_its_own_that_follows_from_the_seed() -> None:
    batches = batches_by_size(examples([(5, 5)] * 64), 2, 0)
    orders = []
    for epoch in (0, 1, 0):
        batches.set_epoch(epoch)
        orders.append(everything(batches))
    assert orders[0] == orders[2] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1])


@given(st.integers(1, 9), st.integers(1, 4), st.integers(0, 3))
def test_processes_that_take_turns_have_shares_of_the_same_batch(count: int, processes: int, epoch: int) -> None:
    batches = batches_by_size(examples([(5, 5)] * count), 3, 0)
    shares = Shares(batches, processes)
    shares.set_epoch(epoch)
    assert len(shares) == processes * len(batches)
    for place in range(len(batches)):
        rows = [row for process in range(processes) for row in shares[place * processes + process]]
        learned = [row for row in rows if row["labels"] != [IGNORED]]
        assert sorted(numbers(learned)) == sorted(numbers(batches[place]))
        assert len(rows) == max(len(learned), processes)


def test_the_decoder_is_given_each_label_after_the_one_before() -> None:
    made = padded([[{"input_ids": [5, 1], "labels": [7, 8, 1]}, {"input_ids": [6, 1], "labels": [9, 1]}]])
    assert made["decoder_input_ids"].tolist() == [[0, 7, 8], [0, 9, 1]]
    assert padded([[{"input_ids": [5, 1], "labels": [IGNORED]}]])["decoder_input_ids"].tolist() == [[0]]

"""Real prompts are read and capped, and slips of the keyboard leave a prompt recognisable."""

import json
import random
import re
from collections import Counter
from difflib import SequenceMatcher
from importlib import resources
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from promptopt.errors import InvalidInput
from promptopt_training.golden.knowledge import entries
from promptopt_training.inputs import (
    CAPS,
    LONGEST_WORDS,
    Input,
    Read,
    apart_from,
    capped,
    cut_short,
    example_inputs,
    kept,
    mistyped,
    read_inputs,
    with_remarks,
)

WORDS = st.text(st.sampled_from("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZäé0123456789_`'"), min_size=1, max_size=12)
PROMPTS = st.builds(
    lambda words, end: " ".join(words) + end, st.lists(WORDS, min_size=1, max_size=20), st.sampled_from(["", ".", "?", "!?!"])
)


def rows_file(folder: Path, rows: list[dict[str, object]]) -> Path:
    path = folder / "inputs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n\n" for row in rows), encoding="utf-8")
    return path


def test_rows_are_read_with_their_source_and_label(tmp_path: Path) -> None:
    path = rows_file(
        tmp_path,
        [{"text": " bake bread\n", "source": "clinc150", "label": "recipe"}, {"text": "sort it", "source": "mbpp_train"}, {"text": "go"}],
    )
    assert read_inputs(path) == [Input("bake bread", "clinc150", "recipe"), Input("sort it", "mbpp_train", ""), Input("go", "", "")]


def test_a_label_that_is_a_number_or_null_becomes_text(tmp_path: Path) -> None:
    path = rows_file(tmp_path, [{"text": "a", "label": 7}, {"text": "b", "label": None}])
    assert [item.label for item in read_inputs(path)] == ["7", ""]


def test_blank_texts_and_texts_over_the_limit_of_words_are_left_out(tmp_path: Path) -> None:
    lengths = (LONGEST_WORDS - 1, LONGEST_WORDS, LONGEST_WORDS + 1)
    path = rows_file(tmp_path, [{"text": "  \n"}, *({"text": " ".join(["so"] * length)} for length in lengths)])
    assert [len(item.text.split()) for item in read_inputs(path)] == [LONGEST_WORDS - 1, LONGEST_WORDS]


def crowd(free: int, each: int) -> list[Input]:
    """`free` inputs of uncapped sets and `each` of every capped one."""
    found = [Input(f"free {number}", "own") for number in range(free)]
    return found + [Input(f"{source} {number}", source) for source in CAPS for number in range(each)]


def test_large_sets_are_cut_to_their_share_of_what_is_kept() -> None:
    kept = capped(crowd(1000, 1000), seed=0)
    counts = Counter(item.source for item in kept)
    assert counts["own"] == 1000
    for source, share in CAPS.items():
        assert abs(counts[source] / len(kept) - share) < 0.001, source


def test_small_sets_are_kept_whole() -> None:
    inputs = crowd(1000, 20)
    assert Counter(capped(inputs, seed=0)) == Counter(inputs)


def test_without_uncapped_inputs_nothing_is_kept_of_the_capped_ones() -> None:
    assert capped(crowd(0, 5), seed=0) == []


def test_the_cut_and_the_order_follow_from_the_seed_and_the_given_list_is_left_alone() -> None:
    inputs = crowd(50, 50)
    before = list(inputs)
    assert capped(inputs, seed=1) == capped(inputs, seed=1)
    assert capped(inputs, seed=1) != capped(inputs, seed=2)
    assert inputs == before


EIGHT = "one two three four five six seven eight"


@pytest.mark.parametrize(
    ("text", "held_out", "kept"),
    [
        ("make soup", "make soup", False),
        ("Make  Soup ", "make soup", False),
        ("make soup", "make a soup", True),
        (f"say {EIGHT}", f"{EIGHT.title()}, nine", False),
        (f"say {EIGHT}", "two three four five six seven eight nine", True),
        (EIGHT, "", True),
    ],
)
def test_inputs_that_share_text_with_what_is_held_out_are_left_out(text: str, held_out: str, kept: bool) -> None:
    own = Input("bake bread", "own")
    assert apart_from([own, Input(text, "own")], [held_out]) == [own, *([Input(text, "own")] if kept else [])]


@given(st.lists(st.text(), max_size=4), st.lists(st.text(), max_size=4))
def test_no_held_out_text_is_ever_kept(texts: list[str], held_out: list[str]) -> None:
    kept = apart_from([Input(text, "own") for text in texts], held_out)
    assert [item for item in kept if item.text in held_out] == []
    assert apart_from([Input(text, "own") for text in texts], []) == [Input(text, "own") for text in texts]


def test_every_example_comes_with_the_name_of_its_entry() -> None:
    pairs = list(example_inputs(entries()))
    assert len(pairs) == sum(len(entry.examples) for entry in entries().values())
    first = next(iter(entries().values()))
    assert pairs[0] == Read(first.examples[0], "example", first.name, first.subjects.get(first.examples[0], ""))
    assert all(item.text in entries()[item.entry].examples and item.subject in item.text for item in pairs)


@pytest.mark.parametrize(
    ("subject", "text", "found"),
    [("Mount Etna", "tell me about mount etna", "mount etna"), ("Mount Etna", "tell me about Mont Etna", ""), ("", "tell me", "")],
)
def test_a_subject_is_kept_as_the_text_spells_it_or_lost(subject: str, text: str, found: str) -> None:
    assert kept(subject, text) == found


@given(PROMPTS, st.integers(0, 10_000))
def test_a_slip_keeps_the_text_recognisable(text: str, seed: int) -> None:
    typed = mistyped(text, random.Random(seed))
    assert abs(len(typed) - len(text)) <= 12
    bare = typed.lower().removeprefix("please ") if typed.startswith("please ") and not text.startswith("please ") else typed.lower()
    assert sorted(bare.rstrip(".?!")) == sorted(text.lower().rstrip(".?!"))
    assert SequenceMatcher(None, bare, text.lower(), autojunk=False).ratio() > (0.6 if len(text) > 8 else 0.3)


@given(PROMPTS, st.integers(0, 10_000))
def test_the_same_seed_makes_the_same_slip(text: str, seed: int) -> None:
    assert mistyped(text, random.Random(seed)) == mistyped(text, random.Random(seed))


@given(st.text(st.sampled_from(".?! a"), min_size=1).filter(str.strip), st.integers(0, 1000))
def test_a_slip_never_leaves_nothing(text: str, seed: int) -> None:
    assert mistyped(text, random.Random(seed)).strip() != ""


class Fixed(random.Random):
    """Draws `draw` first, then as usual."""

    def __init__(self, draw: float) -> None:
        super().__init__(0)
        self._draw = draw

    def random(self) -> float:
        return self._draw


@pytest.mark.parametrize(
    ("draw", "expected"),
    [
        (0.0, "write a function."),
        (0.29, "write a function."),
        (0.3, "Write a Function"),
        (0.5, "please write a Function."),
        (0.6, "Write a Function."),
    ],
)
def test_each_slip_by_its_share(draw: float, expected: str) -> None:
    assert mistyped("Write a Function.", Fixed(draw)) == expected


def test_swapped_letters_stay_inside_one_word_of_five_or_more_letters() -> None:
    changed = {mistyped("create it", random.Random(seed)) for seed in range(400)}
    swapped = changed - {"create it", "please create it", "Create it"}
    assert swapped == {"cerate it", "craete it", "cretae it"}


@given(PROMPTS, st.integers(0, 10_000))
def test_remarks_stand_around_the_text_and_leave_it_word_for_word(text: str, seed: int) -> None:
    said = with_remarks(text, random.Random(seed))
    assert said.count(text) >= 1
    assert len(said) > len(text)
    assert said == said.strip()
    assert not re.search(r"\{(n|age|word|letter)\}", said)
    assert with_remarks(text, random.Random(seed)) == said


def test_remarks_come_ahead_behind_or_both_and_some_on_lines_of_their_own() -> None:
    said = [with_remarks("sort it", random.Random(seed)) for seed in range(2000)]
    ahead = sum(not text.startswith("sort it") for text in said) / 2000
    behind = sum(not text.endswith("sort it") for text in said) / 2000
    lines = sum("\n" in text for text in said) / 2000
    assert 0.42 < ahead < 0.53  # 1/4 + 3/4 * 0.3
    assert 0.71 < behind < 0.79
    assert 0.07 < lines < 0.13


def test_a_text_without_an_end_gets_a_full_stop_where_a_remark_follows() -> None:
    for text, ended in (("sort it", "sort it."), ("sort it?", "sort it?"), ("call `f`", "call `f`"), ("do:", "do:")):
        for seed in range(200):
            said = with_remarks(text, random.Random(seed))
            assert said.endswith(text) or f"{ended} " in said or f"{ended}\n" in said, said


def test_a_number_is_the_same_throughout_a_remark_and_an_age_one_that_people_reach() -> None:
    said = " ".join(with_remarks("sort it", random.Random(seed)) for seed in range(4000))
    ages = [int(age) for age in re.findall(r"I am (\d+) years old|audience is (\d+) year olds", said) for age in age if age]
    words = [int(count) for count in re.findall(r"Use no more than (\d+) words", said)]
    assert len(ages) > 40
    assert (min(ages) >= 5, max(ages) <= 80) == (True, True)
    assert all(2 <= count <= 12 or (count % 10 == 0 and count <= 600) for count in words)
    assert set(re.findall(r"The letter (\w+) should", said)) <= set("abcdefghilmnoprstu")


def test_remarks_end_as_sentences_do_and_have_no_slot_but_the_known_ones() -> None:
    remarks = yaml.safe_load(resources.files("promptopt_training.golden").joinpath("remarks.yaml").read_text(encoding="utf-8"))
    assert set(remarks) == {"before", "after", "words"}
    texts = [*remarks["before"], *remarks["after"]]
    assert len(set(texts)) == len(texts) > 90
    assert {slot for text in texts for slot in re.findall(r"\{(.*?)\}", text)} == {"n", "age", "word", "letter"}
    assert [text for text in remarks["after"] if text[-1] not in ".!?" and text != "thx"] == []
    assert [text for text in remarks["before"] if text[-1] not in ".!?:," and text != "ok so"] == []


@pytest.mark.parametrize("word", ["class", "meeting", "angular", "table", "numbered list", "double quotes"])
def test_no_remark_uses_a_word_that_means_something_else_in_the_knowledge_base(word: str) -> None:
    remarks = resources.files("promptopt_training.golden").joinpath("remarks.yaml").read_text(encoding="utf-8")
    assert word not in remarks.lower()


@given(st.text(min_size=1).filter(str.strip), st.integers(0, 10_000))
def test_a_text_cut_short_is_a_beginning_of_it_or_the_whole_and_never_nothing(text: str, seed: int) -> None:
    short = cut_short(text, random.Random(seed))
    assert short.strip() != ""
    assert short == text.lower() or " ".join(text.lower().split()).startswith(short)
    assert cut_short(text, random.Random(seed)) == short


@pytest.mark.parametrize(
    ("text", "shorts"),
    [
        ("Write a function that sorts, by age", {"write a function", "write a function that sorts"}),
        ("How do I make a cake", {"how do i make a cake"}),
        ("explain this code, please", {"explain this code"}),
        ("Fix it.", {"fix it."}),
        ("rename `old name` in go", {"rename `old name`"}),
        ("java -> kotlin", {"java ->", "java -> kotlin"}),
        ("sum the array [1, 2]", {"sum the array", "sum the array [1, 2]"}),
        ("Generate a list of ships", {"generate a list of ships"}),
        ("bake", {"bake"}),
        ("?!", {"?!"}),
    ],
)
def test_a_text_is_cut_after_two_to_five_words_where_it_can_stand_alone(text: str, shorts: set[str]) -> None:
    assert {cut_short(text, random.Random(seed)) for seed in range(200)} == shorts


def test_a_prompt_cut_short_still_tells_what_it_is_for() -> None:
    fits: dict[str, set[str]] = {}
    for item in example_inputs(entries()):
        for seed in range(6):
            fits.setdefault(cut_short(item.text, random.Random(seed)), set()).add(item.entry)
    assert {short: len(names) for short, names in fits.items() if len(names) > 12} == {}
    assert sum(len(names) > 1 for names in fits.values()) / len(fits) < 0.04


def test_bad_rows_are_named_by_line(tmp_path: Path) -> None:
    path = tmp_path / "inputs.jsonl"
    path.write_text('{"text": "go"}\n{"txt": "go"}\n\n{"text"\n[1]\n{"text": 7}\n{"text": "go", "source": 3}\n', encoding="utf-8")
    with pytest.raises(InvalidInput) as caught:
        read_inputs(path)
    bare = '"text" is missing or not a string'
    assert caught.value.message.startswith(f"{path} has bad rows. line 2: {bare}; line 4: not valid JSON: Expecting ':' delimiter; ")
    assert caught.value.message.endswith(f'line 5: not an object; line 6: {bare}; line 7: "source" is not a string.')
    assert caught.value.hint == "Mend these rows and start again."


@pytest.mark.parametrize(("content", "message"), [(None, "cannot be read"), (b'{"text": "\xfc"}', r"is not UTF-8 \(byte 10\)")])
def test_a_file_that_cannot_be_used_is_refused(content: bytes | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "inputs.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidInput, match=message):
        read_inputs(path)

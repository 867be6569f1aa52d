"""Patterns of prompts: what they may hold, what is drawn from them, and that all that ship can be drawn from."""

import random
import re
from collections import Counter
from pathlib import Path

import pytest

from promptopt_training.data import MISTYPED_SHARE, phrased
from promptopt_training.golden import phrasings as module
from promptopt_training.golden.knowledge import KnowledgeError, entries
from promptopt_training.golden.phrasings import check, drawn, fillers, phrasings, read_phrasings


@pytest.fixture
def own_fillers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "fillers", lambda: {"animal": ["bees"], "place": ["Oslo"]})


@pytest.mark.usefixtures("own_fillers")
@pytest.mark.parametrize(
    ("pattern", "text", "subject"),
    [
        ("{*animal}", "bees", "bees"),
        ("a poem about {*animal} in {place}", "a poem about bees in Oslo", "bees"),
        ("plan a day in {place}", "plan a day in Oslo", ""),
        ("fix it", "fix it", ""),
        ("[please |please ]write  about {*animal|animal}", "please write about animal", "animal"),
        ("[|] write it", "write it", ""),
    ],
)
def test_slots_are_filled_and_the_one_with_a_star_is_the_subject(pattern: str, text: str, subject: str) -> None:
    assert drawn(pattern, random.Random(0)) == (text, subject)


def test_every_wording_and_every_filler_is_drawn_about_as_often() -> None:
    rng = random.Random(1)
    counts = Counter(drawn("[write|draw] {*a dog|a cat|a cow}", rng) for _ in range(6000))
    assert {text for text, _ in counts} == {f"{verb} a {animal}" for verb in ("write", "draw") for animal in ("dog", "cat", "cow")}
    assert all(abs(count - 1000) < 150 for count in counts.values())
    assert all(text.endswith(subject) for text, subject in counts)


@pytest.mark.usefixtures("own_fillers")
@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("write about {*colour}", "unknown slot 'colour'"),
        ("{*animal} and {*place}", "two subjects"),
        ("[write about {*animal}", "a bracket without its partner"),
        ("[write {animal}] now", "a bracket without its partner"),
        ("write} it", "a bracket without its partner"),
        ("  ", "a phrasing is no text"),
        (7, "a phrasing is no text: 7"),
    ],
)
def test_a_broken_pattern_is_refused_with_its_entry(pattern: object, reason: str) -> None:
    with pytest.raises(KnowledgeError, match=f"^life/pets: .*{re.escape(reason)}"):
        check(pattern, "life/pets")


def test_phrasings_for_an_entry_that_is_not_there_are_refused(tmp_path: Path) -> None:
    (tmp_path / "life.yaml").write_text("pets: [feed it]\nkites: [fly it]\n", encoding="utf-8")
    with pytest.raises(KnowledgeError, match="unknown entry: life/kites"):
        read_phrasings(tmp_path)


def test_every_entry_has_phrasings_and_each_can_be_drawn_from() -> None:
    assert set(phrasings()) == set(entries())
    rng = random.Random(2)
    for name, patterns in phrasings().items():
        assert len(patterns) >= 9, name
        assert len(set(patterns)) == len(patterns), name
        for pattern in patterns:
            text, subject = drawn(pattern, rng)
            assert subject in text


def test_fillers_are_different_texts_without_slots() -> None:
    for name, items in fillers().items():
        assert len(set(items)) == len(items) > 30, name
        assert all(item == item.strip() and item and "|" not in item for item in items), name


def test_the_subject_is_kept_in_the_spelling_of_the_prompt() -> None:
    rng = random.Random(3)
    found = [phrased("Tell me about {*Mount Etna|Mount Fuji}", rng) for _ in range(800)]
    assert {subject for _, subject in found} <= {"Mount Etna", "Mount Fuji", "mount etna", "mount fuji", ""}
    assert all(subject in text for text, subject in found)
    lost = sum(not subject for _, subject in found) / len(found)
    assert 0 < lost < MISTYPED_SHARE / 2

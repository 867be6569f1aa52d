"""The topic is the phrase that a careful reader would name, in the writer's own words, or nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt_training.golden.knowledge import entries
from promptopt_training.golden.topic import LONGEST, topic

EXPECTED = [
    ("", None),
    ("hello", None),
    ("fix this", None),
    ("write code", None),
    ("write tests", None),
    ("make it better", None),
    ("create function", None),
    ("help me please", None),
    ("translate `foo()` to go", None),
    ("rewrite this paragraph to sound more professional", None),
    ("c++ function reverse string", None),
    ("write a haiku", "haiku"),
    ("how do vaccines work", "vaccines"),
    ("explain photosynthesis", "photosynthesis"),
    ("write an email asking my boss for a raise", "raise"),
    ("write a short story about a dragon who is afraid of fire", "dragon"),
    ("What's the best way to learn to play the violin?", "violin"),
    ("pizza near me", "pizza"),
    ("write a vegan dessert recipe", "vegan dessert recipe"),
    ("summarize the French Revolution", "French Revolution"),
    ("write a poem about autumn leaves", "autumn leaves"),
    ("how do I reset a linked list iterator", "linked list iterator"),
    ("Write a Python script to scrape product prices", "product prices"),
    ("create a REST API for a todo app", "REST API"),
    ("write a SQL query to find duplicate rows", "duplicate rows"),
    ("plan a birthday party for my daughter", "birthday party"),
    ("what is machine learning", "machine learning"),
    ("give me tips for job interviews", "job interviews"),
    ("write a cover letter for a marketing position", "marketing position"),
    ("compare electric cars and hybrid cars", "electric cars"),
    ("write unit tests for the payment service", "payment service"),
    ("write a playwright test for the login page", "login page"),
    ("debug my React login form", "login form"),
    ("design a database schema for an online bookstore", "database schema"),
    ("optimize this slow postgres query", "slow postgres query"),
    ("what are the side effects of ibuprofen?", "side effects"),
    ("how to set up a home network", "home network"),
    ("write an essay on climate change", "climate change"),
    ("write a regex for email addresses", "email addresses"),
    ("best hiking trails near Denver", "hiking trails"),
    ("suggest a good name for my coffee shop", "coffee shop"),
    ("generate a random password", "random password"),
    ("build a budget spreadsheet", "budget spreadsheet"),
    ("review my pull request", "pull request"),
    ("write a docker compose file for postgres and redis", "docker compose file"),
    ("refactor the user authentication module", "user authentication module"),
    ("explain how tcp handshakes work", "tcp handshakes"),
    ("write a bash script that backs up my photos folder", "photos folder"),
    ("outline a research paper on soil erosion", "soil erosion"),
    ("draft a resignation letter", "resignation letter"),
    ("make a workout plan for beginners", "workout plan"),
    ("implement binary search in rust", "binary search"),
    ("Can you recommend a science fiction novel?", "science fiction novel"),
    ("Explain the water cycle to a ten-year-old.", "water cycle"),
    ("how do i make sourdough bread at home", "sourdough bread"),
    ("improve internet download speed", "internet download speed"),
    ("build a raised garden bed", "raised garden bed"),
    ("sprint plan mobile app mvp", "mobile app mvp"),
]


@pytest.mark.parametrize(("prompt", "expected"), EXPECTED)
def test_the_topic_is_what_a_careful_reader_names(prompt: str, expected: str | None) -> None:
    assert topic(prompt) == expected


def test_a_lone_word_without_an_article_is_no_topic_of_a_longer_prompt() -> None:
    assert topic("write code that merges dictionaries") is None
    assert topic("merge dictionaries") == "dictionaries"
    assert topic("write code that merges the dictionaries") == "dictionaries"


def test_a_longer_phrase_goes_before_a_shorter_and_one_with_an_article_before_one_without() -> None:
    assert topic("the garden and rose bed soil") == "rose bed soil"
    assert topic("garden soil beside the rose bed") == "rose bed"


def test_of_a_long_run_the_last_four_words_count() -> None:
    assert topic("the old wooden garden shed door hinge") == "garden shed door hinge"


def test_a_phrase_does_not_run_across_punctuation_or_a_protected_span() -> None:
    assert topic("the garden, shed door") == "shed door"
    assert topic("the garden `code` shed") == "garden"


def test_the_topic_keeps_the_capitals_of_the_writer() -> None:
    assert topic("Summarize the FRENCH Revolution") == "FRENCH Revolution"


@given(st.text() | st.lists(st.sampled_from("write a the plan garden Rose 3 `x` , list search test climate change".split())).map(" ".join))
def test_every_topic_stands_in_its_prompt_and_has_at_most_four_words(prompt: str) -> None:
    found = topic(prompt)
    assert found is None or (found in prompt and 1 <= len(found.split()) <= LONGEST)


def test_every_topic_of_an_example_stands_in_it_and_most_examples_have_one() -> None:
    examples = [example for entry in entries().values() for example in entry.examples]
    topics = {example: topic(example) for example in examples}
    assert [example for example, found in topics.items() if found is not None and found not in example] == []
    assert sum(found is not None for found in topics.values()) / len(topics) > 0.7

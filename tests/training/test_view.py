"""A subject is named only where a few words ahead and behind decide where it begins and ends."""

import pytest

from promptopt_training.golden.view import in_plain_view


@pytest.mark.parametrize(
    ("prompt", "subject"),
    [
        ("write a poem about autumn leaves", "autumn leaves"),
        ("Write an email to my boss about the broken heating.", "the broken heating"),
        ("What are tides?", "tides"),
        ("what is a sundial", "a sundial"),
        ("Read these notes, then summarize the annual report.", "the annual report"),
    ],
)
def test_what_is_led_in_and_ends_plainly_is_in_view(prompt: str, subject: str) -> None:
    assert in_plain_view(prompt, subject)


@pytest.mark.parametrize(
    ("prompt", "subject"),
    [
        ("write a poem", ""),
        ("write a poem about autumn", "winter"),
        ("fashion trends spring", "fashion trends"),
        ("write a poem about autumn leaves falling", "autumn leaves"),
        ("Explain inflation to a child", "inflation"),
        ("Write a joke. Say nothing about commas.", "commas"),
        ("Notes on tides\nwhat is a sundial", "a sundial"),
        ("write a poem about autumn. No rhymes", "autumn"),
        ("Explain about rust and then discuss ownership.", "ownership"),
        ("write an email to my boss about sick leave", "my boss"),
        ("a list of rules for the kitchen", "the kitchen"),
        ("user stories for a ferry booking app, islanders want two things", "a ferry booking app"),
        ("animate a loading spinner in pure css", "a loading spinner"),
        ("How do I introduce a new puppy to my older dog?", "a new puppy"),
        ("a poem about the fall of the leaves in the garden", "the fall of the leaves in the garden"),
    ],
)
def test_what_something_else_might_be_or_where_it_does_not_end_is_not(prompt: str, subject: str) -> None:
    assert not in_plain_view(prompt, subject)

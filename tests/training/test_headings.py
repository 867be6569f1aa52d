"""The form that training pairs share."""

import pytest

from promptopt.form import in_form
from promptopt_training.data import golden_pairs
from promptopt_training.headings import shared_headings
from promptopt_training.records import Pair


def pairs(*rewrites: str) -> list[Pair]:
    return [Pair("fix it", rewrite, "own", "") for rewrite in rewrites]


@pytest.mark.parametrize(
    ("style", "headings"),
    [
        ("golden", ("Act as ", "Context: ", "Task: ", "Constraints:", "- ", "Steps:", "1. ", "2. ", "3. ", "Goal: ")),
        ("concise", ("Requirements:", "- ", "Done when: ")),
        (
            "markdown",
            ("# Role", "You are ", "## Context", "## Task", "## Requirements", "- ", "## Approach", "1. ", "2. ", "3. ", "## Outcome"),
        ),
    ],
)
def test_the_headings_of_our_forms_are_found_in_their_pairs(style: str, headings: tuple[str, ...]) -> None:
    made = golden_pairs(120, seed=3, style=style)
    assert shared_headings(made) == headings
    assert all(in_form(pair.prompt, pair.rewrite, headings) for pair in made)


@pytest.mark.parametrize(
    ("rewrites", "headings"),
    [
        (("Goal: a\nfix it\nEnd.", "Goal: b\nfix it\nEnd of it."), ("Goal: ", "End")),
        (("A: 1\nB: 2\nfix it", "B: 2\nA: 1\nfix it"), ("A: 1",)),
        (("A: 1\nfix it", "no\nfix it"), ()),
        (("fix it", "fix it"), ()),
        ((), ()),
    ],
)
def test_what_all_have_in_one_order_is_a_heading(rewrites: tuple[str, ...], headings: tuple[str, ...]) -> None:
    assert shared_headings(pairs(*rewrites)) == headings


def test_what_the_prompt_says_is_none() -> None:
    assert shared_headings([Pair("a\nb", "Task:\na\nb", "own", ""), Pair("a\nb c", "Task:\na\nb c", "own", "")]) == ("Task:",)

"""A persona fits when it holds a labelled word; a missing detail is raised when half of its words stand outside the task."""

import pytest

from promptopt_training.fit import covered, persona_fits


def golden(persona: str, prompt: str, constraint: str = "Use salt.") -> str:
    return (
        f"Act as {persona}.\n\nContext: It is warm.\n\nTask: {prompt}\n\n"
        f"Constraints:\n- {constraint}\n- Stir.\n- Taste.\n\nSteps:\n1. Cut.\n2. Boil.\n3. Serve.\n\nGoal: Soup."
    )


@pytest.mark.parametrize(
    ("persona", "stems", "fits"),
    [
        ("a software engineer", ["engineer"], True),
        ("an Engineering lead", ["engineer"], True),
        ("a cook who measures", ["chef", "cook"], True),
        ("a cook who measures", ["oven", "measure"], True),
        ("a cook", ["chef"], False),
        ("a scoop maker", ["cook", "coop"], False),
        ("a C++ developer", ["c++"], True),
        ("a cook", [], False),
    ],
)
def test_a_persona_fits_when_a_word_of_it_begins_with_a_stem(persona: str, stems: list[str], fits: bool) -> None:
    assert persona_fits("make soup", golden(persona, "make soup"), stems) is fits


def test_words_outside_the_persona_do_not_count() -> None:
    assert not persona_fits("ask an engineer", golden("a cook", "ask an engineer"), ["engineer"])


def test_a_rewrite_in_another_form_has_no_persona_that_fits() -> None:
    assert not persona_fits("make soup", "# Role\nYou are a cook.\n\n## Task\nmake soup", ["cook"])


def test_a_detail_is_covered_from_half_of_its_content_words_on() -> None:
    text = golden("a cook", "make soup", "Ask about the duration and the diet.")
    assert covered("make soup", text, ["Duration of the trip", "duration", "budget of the trip", "Dietary restrictions", "diet"]) == [
        True, True, False, False, True,
    ]  # fmt: skip


def test_words_of_the_task_do_not_cover_a_detail() -> None:
    assert covered("soup for a small budget", golden("a cook", "soup for a small budget"), ["budget"]) == [False]


def test_a_detail_without_content_words_is_never_covered() -> None:
    assert covered("make soup", golden("a cook", "make soup"), ["", "of the"]) == [False, False]

"""Each layout is one form of the same content; golden is the product's own, to the character."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt_training.golden.compose import Parts, compose
from promptopt_training.golden.knowledge import entries
from promptopt_training.golden.layouts import LAYOUTS
from promptopt_training.measures import form_problems, sections

PARTS = Parts(
    persona="a cook",
    context="It is for guests.",
    task="make soup",
    constraints=("Use salt.", "Use water.", "Use fire.", "Use a pot."),
    steps=("Boil.", "Stir.", "Serve."),
    goal="A warm meal.",
)

GOLDEN = """Act as a cook.

Context: It is for guests.

Task: make soup

Constraints:
- Use salt.
- Use water.
- Use fire.
- Use a pot.

Steps:
1. Boil.
2. Stir.
3. Serve.

Goal: A warm meal."""

MARKDOWN = """# Role
You are a cook.

## Context
It is for guests.

## Task
make soup

## Requirements
- Use salt.
- Use water.
- Use fire.
- Use a pot.

## Approach
1. Boil.
2. Stir.
3. Serve.

## Outcome
A warm meal."""

XML = """<role>You are a cook.</role>
<context>It is for guests.</context>
<task>
make soup
</task>
<constraints>
- Use salt.
- Use water.
- Use fire.
- Use a pot.
</constraints>
<steps>
1. Boil.
2. Stir.
3. Serve.
</steps>
<goal>A warm meal.</goal>"""

CONCISE = """make soup

Requirements:
- Use salt.
- Use water.
- Use fire.

Done when: A warm meal."""

TASK_FIRST = """Task: make soup
Role: a cook
Why: It is for guests.

Rules:
* Use salt.
* Use water.
* Use fire.
* Use a pot.

Plan:
1) Boil.
2) Stir.
3) Serve.

Result: A warm meal."""

PROSE = """You are a cook. It is for guests.

Your task:
make soup

Keep to these rules. Use salt. Use water. Use fire. Use a pot.

Work in this order. Boil. Stir. Serve.

Aim: A warm meal."""

CHECKLIST = """**Task:** make soup
**Role:** a cook

**Steps**
- [ ] Boil.
- [ ] Stir.
- [ ] Serve.

**Check**
- [ ] Use salt.
- [ ] Use water.
- [ ] Use fire.
- [ ] Use a pot.

**Goal:** A warm meal."""

CAPITALS = """ROLE
a cook

BACKGROUND
It is for guests.

TASK
make soup

CONSTRAINTS
1. Use salt.
2. Use water.
3. Use fire.
4. Use a pot.

STEPS
1. Boil.
2. Stir.
3. Serve.

GOAL
A warm meal."""

QUESTIONS = """What I want: make soup
Who should do it: a cook
Why: It is for guests.

What to respect:
- Use salt.
- Use water.
- Use fire.
- Use a pot.

How to go about it:
1. Boil.
2. Stir.
3. Serve.

How to know it is done: A warm meal."""

BOLD = """**Persona**
a cook

**Situation**
It is for guests.

**Request**
make soup

**Rules**
- Use salt.
- Use water.
- Use fire.
- Use a pot.

**Procedure**
1. Boil.
2. Stir.
3. Serve.

**Success**
A warm meal."""

BRACKETS = """[ROLE] a cook
[GOAL] A warm meal.
[TASK] make soup
[CONTEXT] It is for guests.
[STEPS]
1. Boil.
2. Stir.
3. Serve.
[LIMITS]
- Use salt.
- Use water.
- Use fire.
- Use a pot."""

TASK_LAST = """Role: a cook
Background: It is for guests.

Requirements:
+ Use salt.
+ Use water.
+ Use fire.
+ Use a pot.

Method:
1. Boil.
2. Stir.
3. Serve.

Expected result: A warm meal.

Now do this:
make soup"""

EXPECTED = {
    "golden": GOLDEN,
    "markdown": MARKDOWN,
    "xml": XML,
    "concise": CONCISE,
    "task_first": TASK_FIRST,
    "prose": PROSE,
    "checklist": CHECKLIST,
    "capitals": CAPITALS,
    "questions": QUESTIONS,
    "bold": BOLD,
    "brackets": BRACKETS,
    "task_last": TASK_LAST,
}
TASK = "\N{SNOWMAN} 17\n{name} <b>\t"


def test_the_layouts_are_those_that_the_base_knows() -> None:
    assert list(LAYOUTS) == list(EXPECTED)


@pytest.mark.parametrize("style", EXPECTED)
def test_the_layout_has_exactly_its_form(style: str) -> None:
    assert LAYOUTS[style](PARTS) == EXPECTED[style]


@pytest.mark.parametrize("style", EXPECTED)
def test_the_task_stands_in_the_layout_once_word_for_word(style: str) -> None:
    text = LAYOUTS[style](Parts(PARTS.persona, PARTS.context, TASK, PARTS.constraints, PARTS.steps, PARTS.goal))
    assert text.count(TASK) == 1
    assert text.replace(TASK, "make soup") == EXPECTED[style]


@pytest.mark.parametrize("style", [style for style in EXPECTED if style not in {"concise", "checklist"}])
@given(task=st.text(min_size=1))
def test_no_part_of_the_content_is_lost(style: str, task: str) -> None:
    text = LAYOUTS[style](Parts(PARTS.persona, PARTS.context, task, PARTS.constraints, PARTS.steps, PARTS.goal))
    for part in (PARTS.persona, PARTS.context, task, *PARTS.constraints, *PARTS.steps, PARTS.goal):
        assert part in text


def test_the_layouts_of_one_content_all_differ() -> None:
    assert len({layout(PARTS) for layout in LAYOUTS.values()}) == len(LAYOUTS)


def test_the_golden_form_of_every_entry_is_valid_and_reads_back_as_its_content() -> None:
    for entry in entries().values():
        for prompt in entry.examples[:3]:
            parts = compose(prompt, entry, entry.subjects.get(prompt, ""))
            text = LAYOUTS["golden"](parts)
            assert form_problems(prompt, text) == [], (entry.name, prompt)
            found = sections(text, prompt)
            assert found is not None
            assert (found.persona, found.context, found.task, found.goal) == (f"{parts.persona}.", parts.context, prompt, parts.goal)
            assert [re.sub(r"^- ", "", line) for line in found.constraints] == list(parts.constraints)
            assert [re.sub(r"^\d\. ", "", line) for line in found.steps] == list(parts.steps)


@pytest.mark.parametrize("style", EXPECTED)
def test_the_task_of_every_entry_stands_in_the_layout_in_full(style: str) -> None:
    for entry in entries().values():
        prompt = max(entry.examples, key=len)
        assert LAYOUTS[style](compose(prompt, entry, entry.subjects.get(prompt, ""))).count(prompt) == 1, entry.name

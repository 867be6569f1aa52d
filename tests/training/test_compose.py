"""What is composed follows from the prompt alone: conditions kept, slots filled with the writer's words, nothing twice."""

import re
from collections.abc import Iterator
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt_training.golden.compose import Parts, compose, fill
from promptopt_training.golden.experts import expert_on
from promptopt_training.golden.knowledge import Entry, Line, common, entries, parse_line, pattern


def line(text: str, says: str | None = None, lacks: str | None = None) -> Line:
    return Line(text, pattern(says) if says else None, pattern(lacks) if lacks else None)


def small(constraints: tuple[Line, ...], steps: tuple[Line, ...] | None = None) -> Entry:
    """An entry with these constraints."""
    plain = tuple(line(f"Do {letter}.") for letter in "abcdef")
    return Entry(
        name="test/small",
        task="test",
        examples=(),
        personas=(line("a sailor who knows {match}", says="boat|ship"), line("the cook")),
        contexts=(line("It is for {topic}."), line("It is needed.")),
        constraints=constraints,
        steps=steps or plain,
        goals=(line("A dry {match}.", says="boat"), line("A good meal.")),
    )


PLAIN = tuple(line(f"Keep {letter}.") for letter in "abcdef")


@cache
def composed() -> tuple[tuple[Entry, str, Parts], ...]:
    """Every example of every entry with what is composed for it."""
    return tuple(
        (entry, example, compose(example, entry, entry.subjects.get(example, "")))
        for entry in entries().values()
        for example in entry.examples
    )


def written(entry: Entry, parts: Parts) -> Iterator[tuple[str, tuple[Line, ...]]]:
    """Every text of the parts but the task, with the lines that it can come from."""
    yield parts.persona, entry.personas
    yield parts.context, entry.contexts
    yield from ((text, (*common(), *entry.constraints)) for text in parts.constraints)
    yield from ((text, entry.steps) for text in parts.steps)
    yield parts.goal, entry.goals


@cache
def shape(text: str) -> re.Pattern[str]:
    """What a line with slots can become."""
    source = re.sub(r"\\\{(topic|match|expert)\\\}", r"(?P<\1>.+)", re.escape(text))
    return re.compile(source, re.DOTALL)


def belongs(origin: Line, text: str, prompt: str, subject: str) -> bool:
    """Whether `text` is the line, its conditions hold for the prompt, and its slots hold the writer's own words or the subject's expert."""
    match = shape(origin.text).fullmatch(text)
    if match is None or (origin.says and not origin.says.search(prompt)) or (origin.lacks and origin.lacks.search(prompt)):
        return False
    for slot, phrase in match.groupdict().items():
        if slot == "expert":
            if phrase != expert_on(subject):
                return False
            continue
        at_start = origin.text.startswith(f"{{{slot}}}")
        if phrase not in prompt and not (at_start and phrase[:1].lower() + phrase[1:] in prompt):
            return False
        if slot == "match" and not (origin.says and origin.says.search(phrase)):
            return False
        if slot == "topic" and phrase.lower() != subject.lower():
            return False
    return True


def test_the_specific_line_comes_first_and_carries_the_writers_words() -> None:
    parts = compose("paint my rowing boat", small(PLAIN))
    assert parts.persona == "a sailor who knows boat"
    assert parts.goal == "A dry boat."


def test_without_the_words_the_unconditional_line_is_taken() -> None:
    parts = compose("hello", small(PLAIN))
    assert (parts.persona, parts.context, parts.goal) == ("the cook", "It is needed.", "A good meal.")


def test_the_task_is_the_prompt_as_it_is() -> None:
    assert compose("  fix\n\tthis ", small(PLAIN)).task == "  fix\n\tthis "


@pytest.mark.parametrize(
    ("given_line", "prompt", "expected"),
    [
        (line("Mind the {match}.", says="list|array"), "sort the ARRAYS now", "Mind the ARRAYS."),
        (line("Mind the {match}.", says="list|array"), "sort the tuples", None),
        (line("Mind the {match}.", says="list|array"), "enlist", None),
        (line("Ask.", lacks="language"), "in which Language?", None),
        (line("Ask.", lacks="language"), "sort it", "Ask."),
        (line("Mind {match}.", says="wind", lacks="rope"), "wind and rope", None),
        (line("Mind {match}.", says="wind", lacks="rope"), "windy", "Mind windy."),
        (line("About {topic}."), "write a poem about autumn leaves", "About autumn leaves."),
        (line("{topic} come first."), "write a poem about autumn leaves", "Autumn leaves come first."),
        (line("About {topic}."), "write code", None),
        (line("Use {match}.", says=r"c\+\+"), "in C++ please", "Use C++."),
        (line("Use {match}.", says=r"\d"), "within 30 days", "Use 30."),
        (line("Plain."), "anything", "Plain."),
    ],
)
def test_a_line_is_filled_where_it_belongs_and_left_out_elsewhere(given_line: Line, prompt: str, expected: str | None) -> None:
    assert fill(given_line, prompt, "autumn leaves" if "autumn leaves" in prompt else "") == expected


def test_conditional_lines_are_chosen_before_general_ones_and_all_keep_the_order_of_the_file() -> None:
    lines = (line("First."), line("Ask.", lacks="rope"), line("Second."), line("Mind {match}.", says="wind"), line("Third."))
    assert compose("strong wind", small(lines)).constraints == ("First.", "Ask.", "Mind wind.")


LONG = " and so on" * 4


def test_all_constraints_but_one_may_have_a_condition_one_of_each_kind_first() -> None:
    lines = (
        *(line(f"Mind {{match}} {letter}.", says="wind") for letter in "abc"),
        *(line(f"Ask {letter}.", lacks="rope") for letter in "abc"),
        *PLAIN,
    )
    assert compose("strong wind", small(lines)).constraints == ("Mind wind a.", "Ask a.", "Keep a.")
    assert compose("strong wind" + LONG, small(lines)).constraints == ("Mind wind a.", "Mind wind b.", "Ask a.", "Keep a.")
    assert compose("wind, rope", small(lines)).constraints == ("Mind wind a.", "Mind wind b.", "Keep a.")
    assert compose("calm", small(lines)).constraints == ("Ask a.", "Ask b.", "Keep a.")


AUTUMN = "write a poem about autumn leaves"


def test_one_topical_line_is_taken() -> None:
    lines = (line("Name {topic}."), line("Show {topic}."), *PLAIN)
    assert compose(AUTUMN, small(lines), "autumn leaves").constraints == ("Name autumn leaves.", "Keep a.", "Keep b.")


def test_a_topical_constraint_comes_after_what_is_said_and_what_lacks() -> None:
    lines = (line("Name {topic}."), line("Mind {match}.", says="poem"), line("Ask.", lacks="rope"), line("Show.", lacks="boat"), *PLAIN)
    assert compose(AUTUMN, small(lines), "autumn leaves").constraints == ("Mind poem.", "Ask.", "Keep a.")
    assert compose("about autumn leaves", small(lines), "autumn leaves").constraints == ("Name autumn leaves.", "Ask.", "Keep a.")


def test_a_subject_that_is_not_in_plain_view_is_named_nowhere() -> None:
    parts = compose("autumn leaves poem", small((line("Name {topic}."), *PLAIN)), "autumn leaves")
    assert (parts.context, parts.constraints) == ("It is needed.", ("Keep a.", "Keep b.", "Keep c."))


def test_general_constraints_are_taken_in_order_of_worth() -> None:
    assert compose("hello", small(PLAIN)).constraints == ("Keep a.", "Keep b.", "Keep c.")
    assert compose("hello" + LONG, small(PLAIN)).constraints == ("Keep a.", "Keep b.", "Keep c.", "Keep d.")


def test_steps_leave_the_topic_to_the_constraints_where_these_name_it() -> None:
    lines = (line("Name {topic}."), *PLAIN)
    assert compose(AUTUMN, small(PLAIN, lines), "autumn leaves").steps == ("Name autumn leaves.", "Keep a.", "Keep f.")
    assert compose(AUTUMN, small(lines, lines), "autumn leaves").steps == ("Keep a.", "Keep c.", "Keep f.")


def test_a_long_subject_is_named_in_context_and_goal_alone() -> None:
    lines = (line("Name {topic}."), *PLAIN)
    parts = compose("a poem about the fall of the leaves", small(lines, lines), "the fall of the leaves")
    assert parts.context == "It is for the fall of the leaves."
    assert (parts.constraints, parts.steps) == (("Keep a.", "Keep b.", "Keep c."), ("Keep a.", "Keep c.", "Keep f."))


def test_demands_of_the_request_lead_the_constraints_of_any_entry() -> None:
    [demand] = common()
    assert compose("fix it without loops", small(PLAIN)).constraints == (demand.text, "Keep a.", "Keep b.")
    assert compose("fix it", small(PLAIN)).constraints == ("Keep a.", "Keep b.", "Keep c.")


@pytest.mark.parametrize("tail", ["", LONG])
def test_one_step_is_particular_and_the_others_run_from_the_first_general_line_to_the_last(tail: str) -> None:
    general = tuple(line(f"Go {number}.") for number in range(11))
    asks = tuple(line(f"Ask {letter}.", lacks="rope") for letter in "abc")
    assert compose("hello" + tail, small(PLAIN, general)).steps == ("Go 0.", "Go 5.", "Go 10.")
    assert compose("hello" + tail, small(PLAIN, (*asks, *general))).steps == ("Ask a.", "Go 0.", "Go 10.")


@given(st.integers(4, 30))
def test_general_steps_are_spread_evenly(count: int) -> None:
    general = tuple(line(f"Go {number}.") for number in range(count))
    first, middle, last = (int(text[3:-1]) for text in compose("hello", small(PLAIN, general)).steps)
    assert (first, last) == (0, count - 1)
    assert abs((last - middle) - (middle - first)) <= 1


@pytest.mark.parametrize(
    ("subject", "context"),
    [("autumn leaves", "It is for autumn leaves."), ("", "It is needed.")],
)
def test_the_subject_is_the_topic_and_an_empty_one_says_that_there_is_none(subject: str, context: str) -> None:
    assert compose("write a poem about autumn leaves", small(PLAIN), subject).context == context


@pytest.mark.parametrize(("words", "lines"), [(1, 3), (12, 3), (13, 4), (60, 4)])
def test_longer_prompts_get_a_constraint_more(words: int, lines: int) -> None:
    parts = compose(" ".join(["so"] * words), small(PLAIN))
    assert (len(parts.constraints), len(parts.steps)) == (lines, 3)


@given(st.text(), st.sampled_from(list(entries())))
def test_any_text_gets_whole_content_and_the_same_each_time(prompt: str, name: str) -> None:
    entry = entries()[name]
    parts = compose(prompt, entry)
    assert parts == compose(prompt, entry)
    assert parts.task == prompt
    assert (len(parts.constraints), len(parts.steps)) in {(3, 3), (4, 3)}
    assert all(text.strip() for text, _ in written(entry, parts))


def test_every_example_is_composed_the_same_twice() -> None:
    assert [
        (example, entry.name) for entry, example, parts in composed() if compose(example, entry, entry.subjects.get(example, "")) != parts
    ] == []


def test_every_composed_line_respects_its_conditions_and_holds_the_writers_words() -> None:
    wrong = [
        (entry.name, example, text)
        for entry, example, parts in composed()
        for text, lines in written(entry, parts)
        if not any(belongs(origin, text, example, entry.subjects.get(example, "")) for origin in lines)
    ]
    assert wrong == []


def test_no_slot_is_left_open() -> None:
    assert [
        text for entry, _, parts in composed() for text, _ in written(entry, parts) if re.search(r"\{(topic|match|expert)\}", text)
    ] == []


def test_every_example_gets_as_many_constraints_and_steps_as_wanted() -> None:
    wanted = {example: 3 if len(example.split()) <= 12 else 4 for _, example, _ in composed()}
    off = [
        (entry.name, example, len(parts.constraints), len(parts.steps))
        for entry, example, parts in composed()
        if (len(parts.constraints), len(parts.steps)) != (wanted[example], 3)
    ]
    assert off == []
    assert set(wanted.values()) == {3, 4}


def test_steps_of_every_example_begin_and_end_the_work_and_keep_the_order_of_the_file() -> None:
    for entry, example, parts in composed():
        general = [item.text for item in entry.steps if not item.conditional and "{topic}" not in item.text]
        assert {general[0], general[-1]} <= set(parts.steps), (entry.name, example)
        places = [
            next(place for place, item in enumerate(entry.steps) if belongs(item, text, example, entry.subjects.get(example, "")))
            for text in parts.steps
        ]
        assert places == sorted(places), (entry.name, example)


def test_no_line_stands_twice_in_a_result() -> None:
    repeated = [
        (entry.name, example)
        for entry, example, parts in composed()
        if len({text.lower() for text, _ in written(entry, parts)}) != len(list(written(entry, parts)))
    ]
    assert repeated == []


def test_no_digit_and_no_url_is_invented() -> None:
    invented = [
        (entry.name, example, text, found)
        for entry, example, parts in composed()
        for text, _ in written(entry, parts)
        for found in re.findall(r"\d+|https?://\S+|www\.\S+", text)
        if found.rstrip(".") not in example
    ]
    assert invented == []


def test_constraints_differ_between_prompts_of_one_entry() -> None:
    for entry in entries().values():
        different = {compose(example, entry, entry.subjects.get(example, "")).constraints for example in entry.examples}
        assert len(different) >= 4, entry.name


def test_a_topic_that_starts_a_line_is_capitalised_in_a_result() -> None:
    raw = parse_line("{topic} will be read by others.", "contexts")
    assert fill(raw, "summarize the annual report figures", "annual report figures") == "Annual report figures will be read by others."

"""Every measure is shown to pass on a good rewrite and to fail on a bad one."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt_training import measures
from promptopt_training.data import composed, golden_pairs
from promptopt_training.golden.compose import compose
from promptopt_training.golden.knowledge import entries
from promptopt_training.golden.layouts import LAYOUTS
from promptopt_training.template import Template, wrapped

PROMPT = "create function"
GOOD = """Act as a software engineer who writes small functions.

Context: Other code will call create without reading its body.

Task: create function

Constraints:
- Name the language that you choose.
- Return the result instead of printing it.
- Reject invalid arguments.

Steps:
1. Write the signature.
2. List the edge cases.
3. Write the body.

Goal: A function that can be called and trusted."""


def golden(prompt: str) -> str:
    return GOOD.replace("Task: create function", f"Task: {prompt}")


def test_sections_of_a_golden_form() -> None:
    found = measures.sections(GOOD)
    assert found == measures.Sections(
        persona="a software engineer who writes small functions.",
        context="Other code will call create without reading its body.",
        task="create function",
        constraints=(
            "- Name the language that you choose.",
            "- Return the result instead of printing it.",
            "- Reject invalid arguments.",
        ),
        steps=("1. Write the signature.", "2. List the edge cases.", "3. Write the body."),
        goal="A function that can be called and trusted.",
    )


@pytest.mark.parametrize(
    "prompt",
    [
        "two\nlines",
        "a paragraph\n\nand another\n\nGoal: mine",
        "Constraints:\n- none\n\nSteps:\n1. go",
        "a\n\nConstraints:\n- x\n\nConstraints:",
        "x\n\nTask: y",
        "  spaces kept  ",
        GOOD,
        golden(GOOD),
        "(a.*b)[",
        "日本語の関数を書いて",
        "crlf\r\nline",
        "u2028\u2028line",
    ],
)
@pytest.mark.parametrize("known", [True, False])
def test_the_task_is_found_whatever_it_looks_like(prompt: str, known: bool) -> None:
    found = measures.sections(golden(prompt), prompt if known else None)
    assert found is not None
    assert found.task == prompt
    assert len(found.steps) == 3
    assert measures.form_problems(prompt, golden(prompt)) == []
    assert measures.verbatim(prompt, golden(prompt))
    assert "create function" not in measures.outside_task(prompt, golden(prompt))


@pytest.mark.parametrize(
    "rewrite",
    ["", "create function", GOOD[1:], GOOD.replace("Goal:", "Aim:"), GOOD.replace("\n\nSteps", "\nSteps"), "x\n" + GOOD],
)
def test_no_sections_in_another_form(rewrite: str) -> None:
    assert measures.sections(rewrite) is None
    assert measures.form_problems(PROMPT, rewrite)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("Act as a", "You are a", "no persona line at the start"),
        ("Act as a software engineer who writes small functions.", "Act as .", "the persona is empty"),
        ("Act as a software engineer who writes small functions.", "Act as", "the persona is empty"),
        ("small functions.\n", "small functions\n", "the persona line does not end with a full stop"),
        ("Context: Other code will call create without reading its body.", "Context:", "Context is empty"),
        ("Context: ", "Why: ", "no Context section"),
        ("Task: create function", "Task: create a function", "the task is not the prompt word for word"),
        ("Task: create function", "Task: create", "the task is not the prompt word for word"),
        ("Task: create function", "Task:", "the task is not the prompt word for word"),
        ("Constraints:\n", "Rules:\n", "no Constraints section"),
        ("- Reject invalid arguments.\n", "", "Constraints has 2 lines, 3 are needed"),
        ("- Reject invalid arguments.", "- ", "a line of Constraints is empty"),
        ("- Reject", "* Reject", 'a line of Constraints does not start with "- ": * Reject invalid arguments.'),
        ("3. Write the body.\n", "", "Steps has 2 lines, 3 are needed"),
        ("3. Write", "4. Write", 'a line of Steps does not start with "3. ": 4. Write the body.'),
        ("2. List", "1. List", 'a line of Steps does not start with "2. ": 1. List the edge cases.'),
        ("1. Write the signature.", "1. ", "a line of Steps is empty"),
        ("Steps:\n", "Plan:\n", "no Steps section"),
        ("Goal: A function that can be called and trusted.", "Goal: ", "Goal is empty"),
        ("\n\nGoal: A function that can be called and trusted.", "", "no Goal section"),
        ("\n\nSteps:", "\n\nBy the way.\n\nSteps:", "the sections are out of order, or something stands between them"),
        ("trusted.", "trusted.\n\nThanks!", "the sections are out of order, or something stands between them"),
        ("- Reject invalid arguments.", "- name the language  that you choose.", "a line is repeated: name the language that"),
        ("3. Write the body.", "3. Reject invalid arguments.", "a line is repeated: reject invalid arguments."),
        ("Goal: A function that can be called and trusted.", "Goal: Write the body.", "a line is repeated: write the body."),
    ],
)
def test_each_problem_of_form_is_named(old: str, new: str, problem: str) -> None:
    assert measures.form_problems(PROMPT, GOOD) == []
    found = measures.form_problems(PROMPT, GOOD.replace(old, new))
    assert any(item.startswith(problem) for item in found), found


def test_sections_in_another_order_are_no_form() -> None:
    context, goal = GOOD.split("\n\n")[1], GOOD.split("\n\n")[5]
    swapped = GOOD.replace(context, "HERE").replace(goal, context).replace("HERE", goal)
    assert measures.form_problems(PROMPT, swapped) == ["the sections are out of order, or something stands between them"]


def test_a_repetition_inside_the_task_is_the_writers_own() -> None:
    prompt = "sing\nla la\nla la"
    assert measures.form_problems(prompt, golden(prompt)) == []
    assert measures.repeated_lines(prompt, golden(prompt)) == []


def test_a_structured_prompt_has_to_stay() -> None:
    assert measures.structured(GOOD)
    assert not measures.structured(PROMPT)
    assert not measures.structured(GOOD.replace("3. Write", "7. Write"))
    assert measures.problems(GOOD, GOOD) == []
    assert measures.problems(GOOD, golden(GOOD)) == ["the prompt already was structured, but was changed"]
    assert measures.problems(PROMPT, GOOD) == []
    assert "no Goal section" in measures.problems(PROMPT, PROMPT)


@pytest.mark.parametrize(
    ("prompt", "rewrite", "holds"),
    [
        ("create function", GOOD, True),
        ("Create function", GOOD, False),
        ("create  function", GOOD, False),
        ("hi", "this", False),
        ("hi", "say hi!", True),
        ("f(x)", "call f(x)now", True),
        ("(x)", "f(x)", True),
    ],
)
def test_verbatim(prompt: str, rewrite: str, holds: bool) -> None:
    assert measures.verbatim(prompt, rewrite) is holds


def test_outside_task_leaves_what_the_network_wrote() -> None:
    assert "Task: \n" in measures.outside_task(PROMPT, GOOD)
    assert measures.outside_task("absent", GOOD) == GOOD
    assert measures.outside_task("do it", "## Task\ndo it\n\n## Goal\nredo it") == "## Task\n\n\n## Goal\nredo it"
    assert "call create without" in measures.outside_task("create", golden("create"))


def test_lost_spans() -> None:
    prompt = "rename `a_b` to {name} in /etc/hosts, 3 times, see https://x.org/y"
    assert measures.lost_spans(prompt, golden(prompt)) == []
    assert measures.lost_spans(prompt, golden("rename `a_b` to {name} in /etc/hosts, 3 times, see https://x.org/y!")) == []
    assert measures.lost_spans(prompt, golden("rename a_b to name in /etc/hosts, three times")) == [
        "`a_b`",
        "{name}",
        "3",
        "https://x.org/y",
    ]
    assert measures.lost_spans("add 5 pears", golden("add 15 pears")) == ["5"]
    assert measures.lost_spans(PROMPT, "nothing") == []


def test_invented_numbers() -> None:
    assert measures.invented_numbers(PROMPT, GOOD) == []
    bad = GOOD.replace("invalid arguments", "more than 20 arguments, 20 or 3.5")
    assert measures.invented_numbers(PROMPT, bad) == ["20", "3", "5"]
    assert measures.invented_numbers("use 20 rows", bad.replace(PROMPT, "use 20 rows")) == ["3", "5"]
    assert measures.invented_numbers("use 120 rows", bad.replace(PROMPT, "use 120 rows")) == ["20", "3", "5"]
    assert measures.invented_numbers("count to 7", golden("count to 7")) == []


def test_invented_urls() -> None:
    assert measures.invented_urls(PROMPT, GOOD) == []
    bad = GOOD.replace("invalid arguments.", "what https://a.io/b, www.c.de and docs.example.com/d say.")
    assert measures.invented_urls(PROMPT, bad) == ["https://a.io/b", "www.c.de", "docs.example.com/d"]
    assert measures.invented_urls("see www.c.de", bad.replace(PROMPT, "see www.c.de")) == [
        "https://a.io/b",
        "docs.example.com/d",
    ]
    assert measures.invented_urls("read https://a.io", golden("read https://a.io")) == []


@pytest.mark.parametrize(
    ("sentence", "names"),
    [
        ("Write it in Python and JavaScript, not in Python.", ["Python", "JavaScript"]),
        ("Ask Anna's team (Berlin).", ["Anna", "Berlin"]),
        ("Say what the API, the README and the URLs are for.", []),
        ("Decide what I want; see Steps and Goal.", []),
        ("Keep it short. Then stop: No more! Why? Because.", []),
        ('Add a heading such as "Next steps".', []),
        ("Use créer and Élodie.", ["Élodie"]),
    ],
)
def test_invented_names(sentence: str, names: list[str]) -> None:
    assert measures.invented_names(PROMPT, GOOD) == []
    assert measures.invented_names(PROMPT, GOOD.replace("Reject invalid arguments.", sentence)) == names


@pytest.mark.parametrize("style", LAYOUTS)
def test_what_follows_the_marks_of_a_form_is_no_name(style: str) -> None:
    entry = entries()["code/function"]
    assert measures.faults(PROMPT, composed(PROMPT, entry, style).rewrite) == {}
    named = replace(compose(PROMPT, entry), goal="A function for Berlin.")
    assert measures.faults(PROMPT, LAYOUTS[style](named)) == {"invented name": ["Berlin"]}


@pytest.mark.parametrize("prompt", ["write PYTHON", "use python3", "python_script for me", "a Python-like thing"])
def test_a_name_that_the_prompt_has_is_not_invented(prompt: str) -> None:
    rewrite = golden(prompt).replace("invalid arguments", "what Python rejects")
    assert measures.invented_names(prompt, rewrite) == []
    assert measures.invented_names("use ruby", rewrite.replace(prompt, "use ruby")) == ["Python"]


def test_faults_by_kind() -> None:
    assert measures.faults(PROMPT, GOOD) == {}
    bad = golden("add pears").replace("invalid arguments.", "Bob and 9 of a.com.").replace("List the edge cases", "Write the body")
    assert measures.faults("add 5 pears", bad) == {
        "lost span": ["5"],
        "invented number": ["9"],
        "invented URL": ["a.com"],
        "invented name": ["Bob"],
        "repeated line": ["write the body."],
    }


def test_length_ratio() -> None:
    assert measures.length_ratio("one two", "one two three four five") == 2.5
    assert measures.length_ratio("same here", "same here") == 1.0
    assert measures.length_ratio("", "two words") == 2.0


def test_content_recall() -> None:
    assert measures.content_recall("please write a Poem about the sea", "A poem of the SEA") == pytest.approx(2 / 3)
    assert measures.content_recall("please write a poem", "nothing") == 0.0
    assert measures.content_recall("what is it", "nothing") == 1.0
    assert measures.content_recall(PROMPT, GOOD) == 1.0
    assert measures.content_recall(PROMPT, measures.outside_task(PROMPT, wrapped(PROMPT))) == 0.0


def test_distinct_share() -> None:
    assert measures.distinct_share([]) is None
    assert measures.distinct_share(["no form"]) is None
    assert measures.distinct_share([GOOD]) == 1.0
    assert measures.distinct_share([GOOD, golden("another")]) == 0.5
    assert measures.distinct_share([GOOD, "no form", GOOD.replace("3. Write", "3. Finish")]) == pytest.approx(7 / 12)


@pytest.mark.parametrize("prompt", [PROMPT, "several\n\nlines {prompt} 3", "\\1 \\g<0>"])
def test_the_template_is_a_valid_form_that_never_fits(prompt: str) -> None:
    text = Template().optimize(prompt).text
    assert measures.form_problems(prompt, text) == []
    assert measures.faults(prompt, text) == {}
    assert text == wrapped(prompt)
    assert measures.outside_task(prompt, text) == measures.outside_task("other", wrapped("other"))


@given(st.text(min_size=1))
def test_any_prompt_in_the_golden_form_is_valid_and_nothing_is_lost(prompt: str) -> None:
    rewrite = golden(prompt)
    found = measures.sections(rewrite, prompt)
    assert found is not None
    assert found.task == prompt
    assert measures.form_problems(prompt, rewrite) == []
    assert measures.lost_spans(prompt, rewrite) == []
    assert measures.faults(prompt, rewrite) == {}


@given(st.text(), st.text())
def test_no_text_breaks_a_measure(prompt: str, rewrite: str) -> None:
    measures.problems(prompt, rewrite)
    measures.faults(prompt, rewrite)
    assert measures.length_ratio(prompt, rewrite) >= 0
    assert 0 <= measures.content_recall(prompt, rewrite) <= 1
    assert measures.distinct_share([prompt, rewrite]) is None or measures.structured(prompt) or measures.sections(rewrite)


def test_what_the_network_learns_from_passes() -> None:
    pairs = golden_pairs(120, seed=5)
    wrong = {pair.prompt: found for pair in pairs if (found := measures.problems(pair.prompt, pair.rewrite))}
    assert wrong == {}
    kinds = ("lost span", "invented number", "invented URL", "repeated line")
    assert not [pair.prompt for pair in pairs if any(kind in measures.faults(pair.prompt, pair.rewrite) for kind in kinds)]
    assert (measures.distinct_share([pair.rewrite for pair in pairs]) or 0) > 0.5
    of_their_own = [pair.rewrite for pair in pairs if pair.entry in entries()]
    assert (measures.distinct_share(of_their_own) or 0) > 0.6


def test_a_number_of_a_list_line_does_not_stand_in_for_a_lost_one() -> None:
    assert measures.lost_spans("give 3 reasons", golden("give reasons")) == ["3"]
    assert measures.lost_spans("give 3 reasons", golden("give 3 good reasons")) == []


def test_a_prompt_that_quotes_itself_is_cut_once() -> None:
    prompt = 'say "Task: say"'
    assert measures.outside_task(prompt, golden(prompt)) == measures.outside_task("x", golden("x"))

"""Which stretches of a prompt can be pointed at."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.units import Unit, protected_spans, words_and_spans

PIECES = st.sampled_from(
    [
        *("`a b`", "```\nx\n```", "https://a.b/c", "{name}", "a@b.co", "/usr/lib", '"q q"', "f()", "snake_case", "12.5%", "word", "don't"),
        *("é", "日本", " ", "\n", '"', "`", "(", ")", ".", "/", "-", "“", "”", "‘", "’", "\ud800", "\u2581", "\0"),
    ]
)
PROMPTS = st.one_of(st.text(), st.lists(PIECES).map("".join))


def protected(text: str) -> list[str]:
    return [text[unit.start : unit.end] for unit in protected_spans(text)]


def everything(text: str) -> list[tuple[str, bool]]:
    return [(text[unit.start : unit.end], unit.protected) for unit in words_and_spans(text)]


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("run ```\nprint(1)\n\n``` now", "```\nprint(1)\n\n```"),
        ("the `sort by key` call", "`sort by key`"),
        ("see https://example.org/a?b=1#c, please", "https://example.org/a?b=1#c"),
        ("(see http://example.org/x).", "http://example.org/x"),
        ("fill {{user name}} in", "{{user name}}"),
        ("fill {user name} in", "{user name}"),
        ("fill ${HOME} in", "${HOME}"),
        ("fill <your-name> in", "<your-name>"),
        ("fill %(name)s in", "%(name)s"),
        ("fill $NAME in", "$NAME"),
        ("fill %s in", "%s"),
        ("mail ann.b+c@mail.example.org today", "ann.b+c@mail.example.org"),
        ("open /etc/hosts.d/ now", "/etc/hosts.d/"),
        ("open ./src/main.rs now", "./src/main.rs"),
        ("open ../up now", "../up"),
        ("open ~/notes/a.md now", "~/notes/a.md"),
        ("open C:\\Users\\ann now", "C:\\Users\\ann"),
        ('say "hello there" twice', '"hello there"'),
        ("say “hello there” twice", "“hello there”"),
        ("say «bonjour à tous» twice", "«bonjour à tous»"),
        ("say ‘hello there’ twice", "‘hello there’"),
        ("call foo() first", "foo()"),
        ("call std::vec.push_all() first", "std::vec.push_all()"),
        ("rename user_name please", "user_name"),
        ("rename userName please", "userName"),
        ("rename utf8 please", "utf8"),
        ("pay 42 now", "42"),
        ("pay $1,299.50 now", "$1,299.50"),
        ("pay €5 now", "€5"),
        ("drop by -12.5% now", "-12.5%"),
        ("at 10:30 sharp", "10:30"),
        ("on 3/4/2025 then", "3/4/2025"),
    ],
)
def test_each_kind_of_span_is_protected_whole(text: str, span: str) -> None:
    start = text.index(span)
    assert protected_spans(text) == [Unit(start, start + len(span), True)]


@pytest.mark.parametrize(
    "text",
    [
        "write a function that sorts",
        "it's a well-known fact",
        "use `unclosed code",
        'an open " quote',
        'a "quote over\na line" end',
        "a < b and c > d",
        "either/or and and/or",
        "Title Case Words",
        "50 %".removeprefix("50"),
        "",
        " \n\t ",
    ],
)
def test_plain_text_is_not_protected(text: str) -> None:
    assert protected(text) == []


def test_the_outer_span_wins_where_one_holds_another() -> None:
    assert protected('`run {x} at "y"` then "a 5 b"') == ['`run {x} at "y"`', '"a 5 b"']


def test_a_code_block_may_hold_backticks_and_lines() -> None:
    assert protected("```py\na = `1`\n``` and `b`") == ["```py\na = `1`\n```", "`b`"]


def test_a_quote_opened_twice_begins_at_the_last_opening() -> None:
    assert protected("an “open and “closed” quote") == ["“closed”"]


def test_spans_and_words_come_in_order_and_each_once() -> None:
    assert everything("Fix `a b` in src/x.py: don't break 3 well-known calls, e.g. foo().") == [
        ("Fix", False),
        ("`a b`", True),
        ("in", False),
        ("src", False),
        ("x", False),
        ("py", False),
        ("don't", False),
        ("break", False),
        ("3", True),
        ("well-known", False),
        ("calls", False),
        ("e", False),
        ("g", False),
        ("foo()", True),
    ]


def test_words_of_every_script_are_units() -> None:
    assert everything("écris 日本語 مرحبا наука") == [("écris", False), ("日本語", False), ("مرحبا", False), ("наука", False)]


def test_a_word_does_not_run_into_the_span_after_it() -> None:
    assert everything("go`x`on") == [("go", False), ("`x`", True), ("on", False)]


@given(PROMPTS)
def test_units_are_inside_the_text_and_disjoint_and_not_empty(text: str) -> None:
    position = 0
    for unit in words_and_spans(text):
        assert position <= unit.start < unit.end <= len(text)
        position = unit.end


@given(PROMPTS)
def test_the_protected_units_are_the_protected_spans(text: str) -> None:
    assert [unit for unit in words_and_spans(text) if unit.protected] == protected_spans(text)


@given(PROMPTS)
def test_between_the_units_there_is_no_letter(text: str) -> None:
    rest, position = "", 0
    for unit in words_and_spans(text):
        rest += text[position : unit.start]
        position = unit.end
    assert [character for character in rest + text[position:] if character.isalnum()] == []


@pytest.mark.timeout(60)
@pytest.mark.parametrize("bit", ["a", "a-", "a.", "a:", "“a", "x@a-", "_a", "/a", '"a', "`a"])
def test_a_long_text_of_one_kind_takes_time_in_proportion(bit: str) -> None:
    text = bit * (100_000 // len(bit))
    assert len(text) - len(bit) <= words_and_spans(text)[-1].end <= len(text)

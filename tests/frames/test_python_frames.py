"""Python strings and comments, held against Python's own parser."""

import ast
import textwrap

import pytest
from framing import SETTINGS, TEXTS, framed, refused, rewritten, rewritten_or_refused
from hypothesis import example, given, settings
from hypothesis import strategies as st

QUOTES = ["'", '"', "'''", '"""']
PIECES = st.lists(st.one_of(TEXTS, st.just("{x}")), max_size=5)


def value(source: str, **names: object) -> object:
    """The value of the variable `v` of a module."""
    scope = dict(names)
    exec(compile(ast.parse(source), "", "exec"), scope)
    return scope["v"]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("quote", QUOTES)
@pytest.mark.parametrize("marked", ["v = {q}⟦create function⟧{q}\nz = 1\n", "v = (⟦{q}create function{q}⟧,)[0]\nz = 1\n"])
@given(rewrite=TEXTS)
@settings(**SETTINGS)
@example(rewrite='"')
@example(rewrite='a"""b""')
@example(rewrite="\\")
def test_the_value_of_a_string_is_the_rewrite(marked: str, quote: str, newline: str, rewrite: str) -> None:
    marked = marked.replace("{q}", quote).replace("\n", newline)
    after = rewritten(marked, rewrite, "python")
    assert value(after) == rewrite
    assert after.startswith(marked.split("⟦")[0])
    assert after.endswith(marked.split("⟧")[1])


@pytest.mark.parametrize("quote", QUOTES)
@given(rewrite=TEXTS)
@settings(**SETTINGS)
def test_a_part_of_a_string_becomes_the_rewrite_and_the_rest_stays(quote: str, rewrite: str) -> None:
    after = rewritten(f"v = {quote}a\\tb ⟦create⟧ d\\\\{quote}\n", rewrite, "python")
    assert value(after) == f"a\tb {rewrite} d\\"


@pytest.mark.parametrize("quote", QUOTES)
@given(rewrite=TEXTS)
@settings(**SETTINGS)
def test_a_raw_string_holds_the_rewrite_or_refuses_it(quote: str, rewrite: str) -> None:
    after = rewritten_or_refused(f"v = r{quote}⟦create function⟧{quote}\n", rewrite, "python")
    assert after is None or value(after) == rewrite


@pytest.mark.parametrize("quote", QUOTES)
@pytest.mark.parametrize("prefix", ["f", "F", "rf"])
@given(pieces=PIECES)
@settings(**SETTINGS)
def test_the_fields_of_an_f_string_stay_fields_and_other_braces_are_braces(quote: str, prefix: str, pieces: list[str]) -> None:
    rewrite = "".join(pieces)
    after = rewritten_or_refused(f"v = {prefix}{quote}⟦create {{x}}⟧{quote}\n", rewrite, "python")
    assert after is not None or "r" in prefix
    if after is not None:
        assert value(after, x="<X>") == rewrite.replace("{x}", "<X>")


@given(rewrite=TEXTS)
@settings(**SETTINGS)
def test_quotes_in_a_format_specifier_are_characters(rewrite: str) -> None:
    after = rewritten("v = f\"⟦create {x:'>3}⟧\"\nw = 'it'\n", rewrite.replace("{x", "") + "{x:'>3}", "python")
    assert value(after, x="X") == rewrite.replace("{x", "") + "''X"


@given(text=TEXTS, quote=st.sampled_from(QUOTES))
@settings(**SETTINGS)
def test_the_prompt_is_the_value_of_the_string(text: str, quote: str) -> None:
    text = f"a{text}b"
    frame = framed(f"v = ⟦{quote}create{quote}⟧\n", "python")
    again = framed(f"v = ⟦{frame.fit(text)}⟧\n".replace("\r", "\\r"), "python")
    assert again.prompt == text == value(f"v = {frame.fit(text)}")


@pytest.mark.parametrize(
    ("marked", "prompt"),
    [
        (r'v = "⟦a\x41\u0042\101\N{BULLET}\d\"⟧"', 'aABA•\\d"'),
        ('v = f"⟦{{x}} and {y!r:>{w}}⟧"', "{x} and {y!r:>{w}}"),
        ('v = f"⟦{d["}"]} {a[1:2]}⟧"', '{d["}"]} {a[1:2]}'),
        ("v = f\"⟦{x:'>9} it's⟧\"", "{x:'>9} it's"),
        ("v = f\"⟦{x!r:{w}'} {y:#'{w}}⟧\"", "{x!r:{w}'} {y:#'{w}}"),
        ("v = f\"⟦{d[':']} {(lambda: '}')()} it's⟧\"", "{d[':']} {(lambda: '}')()} it's"),
        ('v = """⟦one\\\ntwo⟧"""', "onetwo"),
        ('v = """⟦one\r\ntwo⟧"""', "one\ntwo"),
        ("v = ⟦'''\n    one\n      two\n    '''⟧", "one\n  two"),
    ],
)
def test_what_a_selection_means(marked: str, prompt: str) -> None:
    assert framed(marked, "python").prompt == prompt


@given(rewrite=TEXTS.map(str.strip).filter(lambda text: text and "\r" not in text and "\f" not in text and "\v" not in text))
@settings(**SETTINGS)
def test_an_indented_text_in_a_string_stays_indented(rewrite: str) -> None:
    after = rewritten('v = """\n    ⟦create\n    function⟧\n    """\n', rewrite, "python")
    text = value(after)
    assert isinstance(text, str)
    assert [line.removeprefix("    ") for line in text.split("\n")][1:-1] == rewrite.split("\n")
    assert text.startswith("\n    ")


@pytest.mark.parametrize(
    ("marked", "sentence"),
    [
        ('v = b"⟦create⟧"', "The selection is in a Python bytes literal, which holds bytes and no text."),
        (r'v = "a\⟦n create⟧"', r"The selection cuts '\\n' of a Python string in two."),
        ('v = f"a {x⟦yz} create⟧"', "The selection cuts '{xyz}' of a Python f-string in two."),
        ('v = f"⟦{{x}} {x}⟧"', "In the Python f-string, {x} stands for a value in one place and for itself in another."),
        ('v = ⟦"create⟧ it"', "The selection has a part of the quotes of a Python string."),
        ('v = "cre⟦ate" + a⟧', "The selection begins or ends in the middle of a string or comment."),
        ('v = "⟦\\N{NO SUCH}⟧"', "What '\\\\N{NO SUCH}' stands for in a Python string is not known."),
    ],
)
def test_what_cannot_be_kept_is_said(marked: str, sentence: str) -> None:
    assert refused(marked, "python") == sentence


@pytest.mark.parametrize("rewrite", ["a\nb", 'say "x"', "end\\"])
def test_a_raw_string_says_what_it_cannot_hold(rewrite: str) -> None:
    assert refused('v = r"⟦create⟧"\n', "python", rewrite).startswith("The rewrite cannot stand in the Python raw string: ")


@given(rewrite=TEXTS.map(str.strip).filter(lambda text: text and "\0" not in text))
@settings(**SETTINGS)
def test_a_comment_stays_a_comment_and_the_code_around_it_the_same(rewrite: str) -> None:
    after = rewritten("def f():\n    x = 1  # ⟦create function⟧\n    return x\n", rewrite, "python")
    assert ast.dump(ast.parse(after)) == ast.dump(ast.parse("def f():\n    x = 1\n    return x\n"))


def test_a_run_of_comments_keeps_leader_and_indentation() -> None:
    marked = "if a:\n    ⟦# create\n    #   function\n    #\n    # now⟧\n    b()\n"
    assert framed(marked, "python").prompt == "create\n  function\n\nnow"
    assert rewritten(marked, "Act.\n\n- b", "python") == textwrap.dedent(
        """\
        if a:
            # Act.
            #
            # - b
            b()
        """
    )

"""Shell strings and comments, held against bash."""

import shutil
import subprocess

import pytest
from framing import SETTINGS, TEXTS, framed, rewritten, rewritten_or_refused
from hypothesis import example, given, settings
from hypothesis import strategies as st

BASH = shutil.which("bash")
pytestmark = pytest.mark.skipif(BASH is None, reason="bash is not installed")
FEWER = {**SETTINGS, "max_examples": 25}


def output(script: str) -> str:
    """What a script prints; it must be well formed as a whole."""
    assert BASH is not None
    checked = subprocess.run([BASH, "-n"], input=script.encode(), capture_output=True)
    assert (checked.returncode, checked.stderr) == (0, b""), script
    return subprocess.run([BASH, "--norc"], input=script.encode(), capture_output=True, env={"LC_ALL": "C.UTF-8"}).stdout.decode()


@pytest.mark.parametrize("literal", ["'⟦create⟧'", '"⟦create⟧"', "$'⟦create⟧'", "⟦'create'⟧", '⟦"create"⟧'])
@given(rewrite=TEXTS)
@settings(**FEWER)
@example(rewrite='it\'s $x ${y} `z` \\ "q" # !\n\ta\\')
def test_the_value_of_a_string_is_the_rewrite(literal: str, rewrite: str) -> None:
    after = rewritten_or_refused(f"x=1\nprintf '%s.' {literal}\nprintf end\n", rewrite, "shellscript")
    if after is None:
        assert any(character < " " or character == "\x7f" for character in rewrite)
    else:
        assert output(after) == rewrite + ".end"


@given(pieces=st.lists(st.one_of(st.text("ab \"'\\`\n!#", max_size=6), st.just("${x}")), max_size=4))
@settings(**FEWER)
def test_expansions_stay_and_no_others_come(pieces: list[str]) -> None:
    rewrite = "".join(pieces)
    after = rewritten("x=X\nprintf '%s.' \"⟦create ${x}⟧\"\n", rewrite, "shellscript")
    assert output(after) == rewrite.replace("${x}", "X") + "."


@pytest.mark.parametrize("word", ["EOF", "'EOF'"])
@given(rewrite=TEXTS.map(str.strip).filter(bool))
@settings(**FEWER)
@example(rewrite="a\nEOF\nb")
def test_a_here_document_holds_the_rewrite_or_refuses_it(word: str, rewrite: str) -> None:
    after = rewritten_or_refused(f"cat <<{word}\n⟦create⟧\nEOF\nprintf end\n", rewrite, "shellscript")
    assert after is None or output(after) == rewrite + "\nend"


@pytest.mark.parametrize(
    ("marked", "prompt"),
    [
        ('echo "⟦a \\$b $c $(d "e)")⟧"', 'a $b $c $(d "e)")'),
        ("echo '⟦it'\\''s⟧'", "it's"),
        ("echo a\\'b '⟦c⟧'", "c"),
        ("echo ${#x} $# '⟦c⟧' # d", "c"),
        ("f() { # ⟦create\n  # function⟧\n}", "create\nfunction"),
    ],
)
def test_what_a_selection_means(marked: str, prompt: str) -> None:
    assert framed(marked, "shellscript").prompt == prompt

"""Shell strings and comments, held against bash."""

import shutil
import subprocess

import pytest
from framing import SETTINGS, TEXTS, framed, refused, rewritten, rewritten_or_refused
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


@pytest.mark.parametrize(
    ("opening", "closing"),
    [
        ("<<EOF", "EOF"),
        ("<<'EOF'", "EOF"),
        ("<<-EOF", "\t\tEOF"),
        ("<<-'EOF'", "\tEOF"),
        ("<< 'A-B'", "A-B"),
        ('<<"END OF"', "END OF"),
        ("<<\\EOF", "EOF"),
        ("<<a.b", "a.b"),
        ("<<E'O'F", "EOF"),
        ('<<"it\'s"', "it's"),
    ],
)
@given(rewrite=TEXTS.map(str.strip).filter(bool))
@settings(**FEWER)
@example(rewrite="a\nEOF\nb")
@example(rewrite="it's $x ${y} `z` $(z) \\ \\n")
@example(rewrite="a\n\tb\n\n  c")
def test_a_here_document_holds_the_rewrite_or_refuses_it(opening: str, closing: str, rewrite: str) -> None:
    tabs = "\t" if "-" in opening[:3] else ""
    after = rewritten_or_refused(f"cat {opening} | cat '-'\n{tabs}⟦create⟧\n{closing}\nprintf 'end'\n", rewrite, "shellscript")
    assert after is None or output(after) == rewrite + "\nend"


@pytest.mark.parametrize("opening", ["<<'END OF'", "<<-'END OF'", '<<"END OF"', "<<END\\ OF"])
def test_a_line_like_the_end_mark_is_refused_and_one_that_only_holds_it_is_not(opening: str) -> None:
    marked = f"cat {opening}\n⟦create⟧\nEND OF\n"
    sentence = "The rewrite cannot stand in the here-document: it would end the here-document."
    assert refused(marked, "shellscript", "a\nEND OF\nb") == sentence
    assert refused(marked, "shellscript", "END OF") == sentence
    assert rewritten(marked, "a\n END OF\nEND OF it's $x", "shellscript") == f"cat {opening}\na\n END OF\nEND OF it's $x\nEND OF\n"


@pytest.mark.parametrize(
    ("marked", "written"),
    [
        ("cat <<A <<-'B-C'\nit's\nA\n\t⟦it's $x⟧\n\tB-C\n", "it's $1 \\"),
        ("cat <<A <<'B'\n⟦it's⟧\nA\n\"\nB\n", "it's \\$1 \\\\"),
        ("cat <<A > '⟦f⟧'\nit's\nA\n", "it'\\''s $1 \\"),
        ("cat <<A\none\\\nA\nit's\nA\necho '⟦f⟧'\n", "it'\\''s $1 \\"),
        ("echo $((1 << 2)) '⟦f⟧'\n", "it'\\''s $1 \\"),
        ('git commit -m "$(cat <<\'EOF\'\nit\'s (\nEOF\n)" -m "⟦create⟧"\n', "it's \\$1 \\\\"),
    ],
)
def test_what_stands_around_here_documents_keeps_its_meaning(marked: str, written: str) -> None:
    ahead, rest = marked.split("⟦")
    assert rewritten(marked, "it's $1 \\", "shellscript") == ahead + written + rest.split("⟧")[1]


@pytest.mark.parametrize(
    ("marked", "prompt"),
    [
        ('echo "⟦a \\$b $c $(d "e)")⟧"', 'a $b $c $(d "e)")'),
        ("echo '⟦it'\\''s⟧'", "it's"),
        ("echo a\\'b '⟦c⟧'", "c"),
        ("echo ${#x} $# '⟦c⟧' # d", "c"),
        ("f() { # ⟦create\n  # function⟧\n}", "create\nfunction"),
        ("cat <<-A\n\t\t⟦create\n\t\t\t- one\n\t  two \\$x⟧\n\tA\n", "create\n- one\n  two $x"),
    ],
)
def test_what_a_selection_means(marked: str, prompt: str) -> None:
    assert framed(marked, "shellscript").prompt == prompt

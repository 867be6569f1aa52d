"""Prose, Markdown, and the comments of many languages."""

import pytest
from framing import SETTINGS, TEXTS, framed, refused, rewritten
from hypothesis import given, settings

from promptopt.frames import widened

REWRITE = "Act.\n\nSteps:\n- one"
COMMENTS = [
    ("python", "# {}", "# "),
    ("ruby", "## {}", "## "),
    ("c", "// {}", "// "),
    ("rust", "/// {}", "/// "),
    ("sql", "-- {}", "-- "),
    ("lua", "-- {}", "-- "),
    ("haskell", "-- {}", "-- "),
    ("ini", "; {}", "; "),
    ("emacs-lisp", ";; {}", ";; "),
    ("latex", "% {}", "% "),
    ("erlang", "%% {}", "%% "),
    ("vb", "' {}", "' "),
    ("vb", "REM {}", "REM "),
    ("bat", "REM {}", "REM "),
    ("bat", ":: {}", ":: "),
    ("vim", '" {}', '" '),
    ("dockerfile", "# {}", "# "),
    ("unheard-of", "# {}", "# "),
    ("unheard-of", "-- {}", "-- "),
]
BLOCKS = [
    ("c", "/* {} */", " * "),
    ("css", "/* {} */", " * "),
    ("html", "<!-- {} -->", "     "),
    ("haskell", "{{- {} -}}", "   "),
    ("ocaml", "(* {} *)", "   "),
    ("powershell", "<# {} #>", "   "),
    ("lua", "--[[ {} ]]", "     "),
]


def under(rewrite: str, prefix: str, newline: str = "\n") -> str:
    """`rewrite` with `prefix` ahead of each further line."""
    return newline.join((prefix + line).rstrip() if number else line for number, line in enumerate(rewrite.split("\n")))


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("indentation", ["", "    ", "\t"])
@pytest.mark.parametrize(("language", "form", "prefix"), COMMENTS)
def test_a_line_comment_keeps_its_leader(language: str, form: str, prefix: str, indentation: str, newline: str) -> None:
    marked = f"one{newline}{indentation}{form.format('⟦create function⟧')}{newline}two{newline}"
    assert framed(marked, language).prompt == "create function"
    written = indentation + form.format(under(REWRITE, indentation + prefix, newline))
    assert rewritten(marked, REWRITE, language) == f"one{newline}{written}{newline}two{newline}"


@pytest.mark.parametrize(("language", "form", "prefix"), BLOCKS)
@pytest.mark.parametrize("whole", [True, False])
def test_a_block_comment_keeps_its_frame(language: str, form: str, prefix: str, whole: bool) -> None:
    marked = f"⟦{form.format('create')}⟧" if whole else form.format("⟦create⟧")
    marked = f"  {marked}\n"
    assert framed(marked, language).prompt == "create"
    assert rewritten(marked, REWRITE, language) == "  " + form.format(under(REWRITE, "  " + prefix)) + "\n"


def test_a_starred_block_keeps_its_stars() -> None:
    marked = "/**\r\n * Keep.\r\n *\r\n * ⟦create\r\n *   function⟧\r\n */\r\nf();\r\n"
    assert framed(marked, "java").prompt == "create\n  function"
    after = rewritten(marked, REWRITE, "java")
    assert after == "/**\r\n * Keep.\r\n *\r\n * Act.\r\n *\r\n * Steps:\r\n * - one\r\n */\r\nf();\r\n"


@pytest.mark.parametrize(
    ("language", "form", "end"), [("c", "/* ⟦a⟧ */", "*/"), ("html", "<!-- ⟦a⟧ -->", "-->"), ("rust", "/* ⟦a⟧ */", "/*")]
)
def test_a_block_comment_refuses_what_would_end_it(language: str, form: str, end: str) -> None:
    assert refused(form, language, f"x {end} y") == "The rewrite cannot stand in the comment: it would end the comment."


@pytest.mark.parametrize(
    ("marked", "sentence"),
    [
        ("// ⟦a\nf();\n// b⟧", "The selection reaches from one comment over code to another."),
        ("f(); // ⟦a\ng();⟧", "The selection begins or ends in the middle of a string or comment."),
        ('$s = "⟦a⟧";', "The selection is in a string, whose escapes promptopt does not know."),
    ],
)
def test_a_selection_without_one_meaning_is_refused(marked: str, sentence: str) -> None:
    assert refused(marked, "php" if "$" in marked else "c") == sentence


@pytest.mark.parametrize("language", ["c", "cpp", "go", "java"])
@pytest.mark.parametrize("escape", ["\\033", "\\x1b", "\\u001b"])
def test_a_string_of_c_go_or_java_is_read_and_written(language: str, escape: str) -> None:
    marked = f's = "⟦{escape}[1m create\\t\\"it\\"⟧";\n'
    assert framed(marked, language).prompt == '\x1b[1m create\t"it"'
    assert rewritten(marked, 'Act: \x1b[1m\n\x01fast "é" \\', language) == 's = "Act: \\033[1m\\n\\001fast \\"é\\" \\\\";\n'


@pytest.mark.parametrize("escape", ["\\xc3", "\\303", "\\777", "\\x", "\\q"])
def test_a_byte_of_a_character_is_not_taken_for_one(escape: str) -> None:
    sentence = f"What {escape!r} stands for in a string is not known."
    assert refused(f's = "⟦caf{escape} x⟧";', "c") == sentence


@pytest.mark.parametrize("ahead", ['R"(', 'R"x(', 'u8R"--(', 'LR"sixteen_letters_(', 'auto s = R"]('])
@pytest.mark.parametrize("rewrite", ['Say "x" \\n.\n\n- it)', ')" and )y" too'])
def test_a_raw_string_of_cpp_is_kept_as_it_is_whatever_its_delimiter(ahead: str, rewrite: str) -> None:
    behind = f'){ahead.partition(chr(34))[2][:-1]}";\nf("x");\n'
    marked = f'{ahead}⟦create \\n\n"it"⟧{behind}'
    assert framed(marked, "cpp").prompt == 'create \\n\n"it"'
    if ahead == 'R"(' and ')"' in rewrite:
        assert refused(marked, "cpp", rewrite) == "The rewrite cannot stand in the raw string: it would end the raw string."
    else:
        assert rewritten(marked, rewrite, "cpp") == f"{ahead}{rewrite}{behind}"


@pytest.mark.parametrize("rewrite", ['x )x" y'])
def test_a_raw_string_of_cpp_refuses_what_would_end_it(rewrite: str) -> None:
    assert refused('R"x(⟦create⟧)x"', "cpp", rewrite) == "The rewrite cannot stand in the raw string: it would end the raw string."


@pytest.mark.parametrize(
    ("text", "prompt"),
    [("it\\'s ''it''", "it's 'it'"), ("a\\\\", "a\\"), ("a\\n\\t\\q", "a\n\tq"), ("100\\%", "100\\%"), ("a # b -- c", "a # b -- c")],
)
def test_a_string_of_mysql_has_backslashes(text: str, prompt: str) -> None:
    marked = f"SELECT `it's`, '⟦{text}⟧', 'x'; # don't\n"
    assert framed(marked, "mysql").prompt == prompt
    after = rewritten(marked, f"{prompt}\n\\ 'b'", "mysql")
    assert framed(after.replace("`it's`, '", "`it's`, '⟦").replace("', 'x'; #", "⟧', 'x'; #"), "mysql").prompt == f"{prompt}\n\\ 'b'"


def test_a_string_of_other_sql_has_none() -> None:
    assert framed("SELECT '⟦C:\\⟧', 'x'", "sql").prompt == "C:\\"


@pytest.mark.parametrize(
    ("marked", "prompt", "after"),
    [
        ("- ⟦create⟧\n- b\n", "create", "- Act.\n\n  Steps:\n  - one\n- b\n"),
        ("- ⟦create\n  function⟧\n", "create\nfunction", "- Act.\n\n  Steps:\n  - one\n"),
        ("⟦- create⟧\n", "create", "- Act.\n\n  Steps:\n  - one\n"),
        ("⟦- a\n- b⟧\n", "- a\n- b", "Act.\n\nSteps:\n- one\n"),
        ("  12. [ ] ⟦create⟧\n", "create", "  12. [ ] Act.\n\n          Steps:\n          - one\n"),
        ("> ⟦create\n> function⟧\n", "create\nfunction", "> Act.\n>\n> Steps:\n> - one\n"),
        ("⟦> create⟧\r\n", "create", "> Act.\r\n>\r\n> Steps:\r\n> - one\r\n"),
        ("> - ⟦create\n>   it⟧\n", "create\nit", "> - Act.\n>\n>   Steps:\n>   - one\n"),
        ("please ⟦create⟧ it\n", "create", "please Act.\n\nSteps:\n- one it\n"),
        ("    ⟦create\n    it⟧\n", "create\nit", "    Act.\n\n    Steps:\n    - one\n"),
        ("```\n⟦create⟧\n```\n", "create", "```\nAct.\n\nSteps:\n- one\n```\n"),
        ("- x\n  ```\n  ⟦create\n  it⟧\n  ```\n", "create\nit", "- x\n  ```\n  Act.\n\n  Steps:\n  - one\n  ```\n"),
        ("```python\nv = '⟦create⟧'\n```\n", "create", "```python\nv = 'Act.\\n\\nSteps:\\n- one'\n```\n"),
        ("~~~js\n  // ⟦create⟧\n~~~\n", "create", "~~~js\n  // Act.\n  //\n  // Steps:\n  // - one\n~~~\n"),
        ("⟦# create⟧\n", "# create", "Act.\n\nSteps:\n- one\n"),
        ("don't \"⟦create⟧\n", "create", "don't \"Act.\n\nSteps:\n- one\n"),
    ],
)
def test_markdown(marked: str, prompt: str, after: str) -> None:
    assert framed(marked, "markdown").prompt == prompt
    assert rewritten(marked, REWRITE, "markdown") == after
    assert rewritten(marked, REWRITE, "plaintext", "notes/a.md") == after


def test_a_fenced_block_refuses_what_would_end_it() -> None:
    assert refused("```\n⟦create⟧\n```\n", "markdown", "a\n```\nb") == "The rewrite cannot stand in the fence: it would end the fence."


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@given(text=TEXTS, rewrite=TEXTS)
@settings(**SETTINGS)
def test_prose_takes_any_rewrite_and_changes_nowhere_else(newline: str, text: str, rewrite: str) -> None:
    head, tail = f"one{newline}  ", f" don't{newline}"
    after = rewritten(f"{head}⟦a{text}b⟧{tail}", rewrite.replace("\0", ""), "plaintext")
    assert after.startswith(head)
    assert after.endswith(tail)


@pytest.mark.parametrize("name", ["a.py", "x/y/b.PY"])
def test_a_file_s_name_tells_its_language_where_the_client_does_not(name: str) -> None:
    assert framed('v = "⟦a\\n⟧"', "", name).prompt == "a\n"
    assert framed('v = "⟦a\\n⟧"', "python", "a.txt").prompt == "a\n"
    assert framed('v = "⟦a\\n⟧"', "plaintext", "").prompt == "a\\n"


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ("x = 'create function'\n", "create function"),
        ("a = 1\n# create\n# function\nb = 1\n", "# create\n# function"),
        ("a = 1  # create\n# function\n\n# create b\n", "# create\n# function"),
        ("create = 1\n", None),
    ],
)
def test_one_character_in_a_comment_or_a_string_is_widened_to_it(document: str, expected: str | None) -> None:
    found = widened(document, "python", "", document.index("create"))
    assert (found and document[slice(*found)]) == expected


@pytest.mark.parametrize("newline", ["\n", "\r\n", ""])
@pytest.mark.parametrize(
    ("language", "comment"),
    [("python", "# create"), ("javascript", "// create"), ("yaml", "# create"), ("shellscript", "# create"), ("unheard-of", "# create")],
)
def test_the_end_of_a_line_comment_belongs_to_it(language: str, comment: str, newline: str) -> None:
    document = f"a: 1\nb: 2\n{comment}{newline}"
    start = document.index(comment)
    assert widened(document, language, "", start + len(comment)) == (start, start + len(comment))
    assert widened(document, language, "", start - 1) is None


def test_the_end_of_a_string_or_a_block_comment_does_not_belong_to_it() -> None:
    assert widened("f('a')", "javascript", "", 5) is None
    assert widened("/* a */g()", "javascript", "", 7) is None


@pytest.mark.parametrize("info", ["py", "Python", "{python}", "{.python .numbered}", "python{1,3}", "pyi"])
def test_a_fence_names_its_language_in_many_ways(info: str) -> None:
    marked = f"```{info}\nv = '⟦create⟧'\n```\n"
    assert rewritten(marked, "it's\n- one", "markdown") == f"```{info}\nv = 'it\\'s\\n- one'\n```\n"


@pytest.mark.parametrize(
    ("info", "code", "written"),
    [
        ("shell", "echo '⟦create⟧'", "echo 'it'\\''s'"),
        ("console", '$ echo "⟦create⟧"', '$ echo "it\'s"'),
        ("c++", 'f("⟦create⟧");', 'f("it\'s");'),
    ],
)
def test_a_fence_of_a_shell_or_of_cpp(info: str, code: str, written: str) -> None:
    assert rewritten(f"~~~{info}\n{code}\n~~~\n", "it's", "markdown") == f"~~~{info}\n{written}\n~~~\n"


@pytest.mark.parametrize(
    "marked",
    [
        "> ```js\n> f('⟦create⟧')\n> ```\n",
        "> ```js\n> f() // ⟦create⟧\n> ```\n",
        '- ```json\n  {"v": "⟦create⟧"}\n  ```\n',
        "1. ~~~py\n   v = ⟦'a'⟧\n   ~~~\n",
    ],
)
def test_a_string_or_a_comment_in_a_fence_within_a_list_or_a_quotation_is_refused(marked: str) -> None:
    assert refused(marked, "markdown") == "The selection is in a string or comment of a code block within a list or a quotation."


def test_code_and_prose_in_a_fence_within_a_quotation_are_rewritten() -> None:
    assert rewritten("> ```js\n> ⟦f('a') // b⟧\n> ```\n", "g()\nh()", "markdown") == "> ```js\n> g()\n> h()\n> ```\n"
    assert framed("> ```text\n> it's ⟦create⟧ it's\n> ```\n", "markdown").prompt == "create"


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("closing", ["---", "..."])
def test_front_matter_is_yaml(closing: str, newline: str) -> None:
    marked = f"---\ndescription: 'create'\nmode: agent\n{closing}\n\nit's 'here'\n".replace("\n", newline)
    quoted, prose = marked.replace("create", "⟦create⟧"), marked.replace("here", "⟦here⟧")
    assert rewritten(quoted, "it's", "markdown") == marked.replace("create", "it''s")
    assert rewritten(marked.replace("agent", "⟦agent⟧"), "a: b", "markdown") == marked.replace("agent", '"a: b"')
    assert rewritten(prose, "it's", "markdown") == marked.replace("here", "it's")
    assert rewritten("\n" + quoted, "it's", "markdown") == "\n" + marked.replace("create", "it's")

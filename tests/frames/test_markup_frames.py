"""Scripts and style sheets within HTML."""

import json

import pytest
from framing import SETTINGS, TEXTS, framed, refused, rewritten, rewritten_or_refused
from hypothesis import given, settings

from promptopt.frames import widened

REWRITE = "Act.\n\n- one"


@pytest.mark.parametrize("language", ["html", "vue", "svelte"])
@pytest.mark.parametrize(
    "tag", ["<script>", '<script type="module">', "<SCRIPT setup lang='ts'>", "<script\n  async type=text/javascript>"]
)
@pytest.mark.parametrize(
    ("code", "prompt", "written"),
    [
        ("const p = '⟦it\\'s⟧';", "it's", "const p = '{}';"),
        ("const p = ⟦`create ${x}`⟧;", "create ${x}", None),
        ("/a'b/.test(x);\n// ⟦create⟧", "create", "/a'b/.test(x);\n// {}"),
    ],
)
def test_a_script_is_read_as_its_language(language: str, tag: str, code: str, prompt: str, written: str | None) -> None:
    ahead, behind = f"<!-- don't <script> -->\n<p title=\"it's\">don't</p>\n{tag}\n", "\n</script >\n<p>it's</p>\n"
    marked = f"{ahead}{code}{behind}"
    assert framed(marked, language).prompt == prompt
    after = rewritten(marked, REWRITE, language)
    assert after.startswith(ahead)
    assert after.endswith(behind)
    if written:
        text = "Act.\n//\n// - one" if "//" in written else "Act.\\n\\n- one"
        assert after == f"{ahead}{written.format(text)}{behind}"


@given(rewrite=TEXTS)
@settings(**SETTINGS)
def test_json_in_a_page_holds_the_rewrite(rewrite: str) -> None:
    ahead, behind = '<script type="application/ld+json">', "</script>"
    after = rewritten(f'{ahead}{{"a": "⟦create⟧"}}{behind}', rewrite, "html")
    assert json.loads(after.removeprefix(ahead).removesuffix(behind)) == {"a": rewrite}


@pytest.mark.parametrize("rewrite", ["a </script> b", "a </SCRIPT >", "<!-- <script> -->"])
@pytest.mark.parametrize("code", ["p = '⟦create⟧';", "// ⟦create⟧", "p = `⟦create⟧`"])
def test_what_would_end_the_script_is_refused(code: str, rewrite: str) -> None:
    assert rewritten_or_refused(f"<script>\n{code}\n</script>\n<p>it's</p>", rewrite, "html") is None


@pytest.mark.parametrize("behind", ["</script>", ""])
def test_a_script_that_is_a_template_is_text(behind: str) -> None:
    marked = f'<script type="text/x-template"><p>⟦don\'t⟧</p>{behind}'
    assert rewritten(marked, REWRITE, "html") == marked.replace("⟦don't⟧", REWRITE)


def test_a_style_sheet_has_its_comments() -> None:
    marked = "<style>\np { } /* ⟦create⟧ */\n</style>"
    assert framed(marked, "html").prompt == "create"
    assert rewritten(marked, "Act.\nNow.", "html") == "<style>\np { } /* Act.\n       * Now. */\n</style>"
    assert refused("<style>p::after { content: '⟦create⟧' }</style>", "html").startswith("The selection is in a string, whose escapes")


def test_in_xml_a_script_is_text() -> None:
    assert rewritten("<script>p = '⟦create⟧'</script>", "it's", "xml") == "<script>p = 'it's'</script>"


def test_one_character_in_a_string_of_a_script_is_widened_to_it() -> None:
    document = "<p>it's</p><script>p = 'create function'</script>"
    found = widened(document, "html", "", document.index("create") + 2)
    assert found is not None
    assert document[slice(*found)] == "create function"


SCRIPT = "---\n// it's\nconst ruler = `\n---\n`; /*\n---\n*/\nconst p: string = '{}';\n---\n"
ASTRO = SCRIPT + "<p title=\"it's\">don't</p>\n<script>\nq = '{}';\n</script>\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (ASTRO.format("⟦it\\'s⟧", "b"), ASTRO.format("Act.\\nit\\'s", "b")),
        (ASTRO.format("a", "⟦it\\'s⟧"), ASTRO.format("a", "Act.\\nit\\'s")),
        (ASTRO.format("a", "b").replace("don't", "⟦don't⟧"), ASTRO.format("a", "b").replace("don't", "Act.\nit's")),
        ("\n" + ASTRO.format("⟦a⟧", "b").replace("\n", "\r\n"), "\n" + ASTRO.format("Act.\\nit\\'s", "b").replace("\n", "\r\n")),
        ("<p>it's</p>\n---\np = '⟦c⟧'\n---\n", "<p>it's</p>\n---\np = 'Act.\nit's'\n---\n"),
        ("---\np = '⟦c⟧'\n", "---\np = 'Act.\nit's'\n"),
    ],
)
def test_what_stands_ahead_of_an_astro_page_is_a_script(before: str, after: str) -> None:
    assert rewritten(before, "Act.\nit's", "astro") == after


def test_what_would_end_the_script_of_an_astro_page_is_refused() -> None:
    sentence = "The rewrite cannot stand in the comment: it would end the comment."
    assert refused("---\n/*\n⟦create⟧\n*/\n---\n<p>it's</p>", "astro", "a */\n---\n") == sentence
    assert framed("---\nv = '⟦create⟧'\n---\n", "", "page.astro").prompt == "create"

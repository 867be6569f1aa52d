"""Texts and attributes of JSX, held against the grammar of tree-sitter."""

import re
from itertools import pairwise

import pytest
from framing import SETTINGS, TEXTS, framed, refused, rewritten, rewritten_or_refused
from hypothesis import example, given, settings
from hypothesis import strategies as st

from promptopt.frames import widened
from promptopt.frames.languages import SYNTAXES

tree_sitter = pytest.importorskip("tree_sitter")
grammar = pytest.importorskip("tree_sitter_javascript")
PARSER = tree_sitter.Parser(tree_sitter.Language(grammar.language()))
LANGUAGES = ["javascript", "javascriptreact", "typescriptreact"]
# what a text or a value consists of
INNER = {"jsx_text", "html_character_reference", "string_fragment"}
CODE = """\
import React from 'react';
// it's
const less = (a, b) => a <b || b<a && a < b > c;
const Title = ({ size, ...rest }) => size > 3 && <h1 title="it's \\" {...rest} aria-label='say "hi" // no'>Don't {/* it's */}go</h1>;
export default function App() {
  const pattern = /<p>'/g;
  if (less(1, 2)) return <></>;
  return ( // it's
    <Menu.Item key={`a${1}'`} render={() => <b>it's {"it's"} {names.map((n) => ({ n })).map(({ n }) => <i key={n}>{n}'s</i>)}</b>} />
  );
}
const page = (
  <main>
    <Title size={4} /* it's */ disabled // it's
    />
    <svg:path d="M 1'" />
    <my-element>
      That's // no comment &amp; no /* either */
      isn't it?
    </my-element>
    {ok ? <p>isn't</p> : <p>aren't</p>}
  </main>
);
const last = 'it is';
"""


def descendants(node: "tree_sitter.Node") -> "list[tree_sitter.Node]":
    return [node, *(inner for child in node.children for inner in descendants(child))]


def parsed(source: str) -> "list[tree_sitter.Node]":
    root = PARSER.parse(source.encode()).root_node
    assert not root.has_error, source
    return descendants(root)


def resolved(text: str) -> str:
    """A text of JSX with its character references resolved."""
    names = {"amp": "&", "lt": "<", "gt": ">", "quot": '"'}
    return re.sub(r"&(?:#(\d+)|(\w+));", lambda found: chr(int(found[1])) if found[1] else names[found[2]], text)


def test_the_sample_has_the_strings_texts_and_comments_that_the_grammar_finds() -> None:
    runs: list[list[tree_sitter.Node]] = []
    for node in parsed(CODE):
        text = node.type in ("jsx_text", "html_character_reference")
        if text and node.parent.type == "jsx_element" and runs and runs[-1][-1].end_byte == node.start_byte:
            runs[-1].append(node)
        elif (text and node.parent.type == "jsx_element") or node.type in ("string", "comment", "template_string"):
            runs.append([node])
    spans = [(run[0].start_byte, CODE[run[0].start_byte : run[-1].end_byte]) for run in runs]
    expected = {start + len(text) - len(text.lstrip()): text.strip() for start, text in spans if text.strip()}
    assert {token.start: CODE[token.start : token.end] for token in SYNTAXES["jsx"].tokens(CODE)} == expected
    assert len(expected) == 19


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    "marked",
    [
        "v = <p title=\"⟦it's&quot;⟧\">Don't</p>;\nw = 'x';\n",
        "v = <p title=⟦'create'⟧ {...x}>Don't</p>;\n",
        "v = <p>⟦create⟧</p>;\nw = 'x';\n",
        "v = (\r\n  <p>\r\n    ⟦Don't\r\n    create⟧\r\n    {x} <b>it's</b>\r\n  </p>\r\n);\r\n",
    ],
)
@given(rewrite=TEXTS.filter(bool))
@settings(**SETTINGS)
@example(rewrite='<b>{x}</b> &amp; \\n &#123; it\'s "x"')
@example(rewrite=" a\n\n  b ")
@example(rewrite="<!-- -->")
@example(rewrite="*/ // `${x}` }>")
def test_what_the_rewrite_stands_for_is_the_rewrite(marked: str, language: str, rewrite: str) -> None:
    after = rewritten(marked, rewrite, language)
    behind = marked.split("⟧")[1]
    text = after[marked.index("⟦") : len(after) - len(behind)]
    assert "\n" not in text
    assert resolved(text.removeprefix("'").removesuffix("'") if "⟦'" in marked else text) == rewrite
    shape = [node.type for node in parsed(marked.replace("⟦", "").replace("⟧", "")) if node.type not in INNER]
    assert [node.type for node in parsed(after) if node.type not in INNER] == shape


@pytest.mark.parametrize(
    ("marked", "prompt"),
    [
        ("v = <p>⟦Don't\n   create\n\n   it⟧ </p>", "Don't create it"),
        ("v = <p>⟦&lt;b&gt; &#x41;&#66; &nosuch; &apos; &eacute; \\n &⟧</p>", "<b> AB &nosuch; ' é \\n &"),
        ("v = <p title='⟦a\\n&quot;\n b⟧'/>", 'a\\n"\n b'),
        ("v = <p>it's {f('⟦it\\'s⟧')} it's</p>", "it's"),
        ("v = <p>it's</p>; w = '⟦it\\'s⟧'", "it's"),
        ("v = <>it's {/* ⟦create⟧ */}</>", "create"),
        ("v = <p>it's <br> it's</p>; w = '⟦it\\'s⟧'", "it's"),
        ("v = <Map<string, Array<'a'>> of={m}>it's</Map>; w = '⟦it\\'s⟧'", "it's"),
    ],
)
def test_what_a_selection_means(marked: str, prompt: str) -> None:
    assert framed(marked, "typescriptreact").prompt == prompt


@pytest.mark.parametrize(
    "code",
    [
        "const f = <T,>(x: T) => x;",
        "const f = <T extends object>(x: T) => x;",
        "type F = <T>(x: T) => T;",
        "interface F { <T>(x: T): T; <U>(x: U): U }",
        "const y = f<T>(x), z = a <b && c> d, m = new Map<string, number>();",
        "for (let i = 0; i <n; i++) {}",
        "if (a <b) { c = d > e }",
        "function f() { return <div>; }",
        "return <div title={",
        "x = <p>{y}</q>;",
        "x = <p><q>;",
        "x = {<p>} + <q {<r>};",
    ],
)
def test_what_only_looks_like_a_tag_is_code(code: str) -> None:
    marked = f"a = 'it is';\n{code}\nb = '⟦it\\'s⟧'; // it's\n"
    assert framed(marked, "typescriptreact").prompt == "it's"
    assert rewritten(marked, "Don't", "typescriptreact") == marked.replace("⟦it\\'s⟧", "Don\\'t")


def test_typescript_alone_has_no_tags() -> None:
    marked = "v = <any>'⟦create⟧'; w = <b>it</b>;\n"
    assert rewritten(marked, "it's", "typescript") == "v = <any>'it\\'s'; w = <b>it</b>;\n"
    assert rewritten("v = <b>⟦it⟧</b>;\n", "it's {x}", "typescript") == "v = <b>it's {x}</b>;\n"


def test_a_text_refuses_to_become_nothing_and_half_a_reference() -> None:
    with_text = "v = <p>⟦create⟧</p>"
    assert rewritten_or_refused(with_text, "", "javascript") is None
    assert rewritten_or_refused("v = <p title='⟦create⟧'/>", "", "javascript") == "v = <p title=''/>"
    assert refused("v = <p>a &am⟦p; create⟧</p>", "javascript").startswith("The selection cuts '&amp;' of a JSX text in two.")


def test_one_character_of_a_text_is_widened_to_it() -> None:
    document = "v = (\n  <p>\n    Don't create\n    functions {x}\n  </p>\n)"
    found = widened(document, "javascriptreact", "", document.index("create"))
    assert found is not None
    assert document[slice(*found)] == "Don't create\n    functions"


@given(
    st.lists(st.sampled_from(["<a>", "</a>", "<b x='", "'", "{", "}", "(", "a", ";\n", "=>", "</b>", "/>", "<>", "`", "//", "${"])).map(
        "".join
    )
)
@settings(**SETTINGS)
def test_any_text_has_tokens_in_order(document: str) -> None:
    tokens = SYNTAXES["jsx"].tokens(document)
    assert all(token.start <= token.text_start <= token.text_end <= token.end <= len(document) for token in tokens)
    assert all(one.end <= other.start for one, other in pairwise(tokens))


@pytest.mark.parametrize("piece", ["x = <a>", "x = {<a>{", "(<a b={<b>}>", "<a>{'<b>'", "x = (<a>}\n"])
def test_thousands_of_elements_without_an_end_hide_no_string(piece: str) -> None:
    document = piece * 3_000 + "'it is'"
    assert document[SYNTAXES["jsx"].tokens(document)[-1].start :] == "'it is'"

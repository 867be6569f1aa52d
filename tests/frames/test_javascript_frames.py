"""JavaScript and TypeScript literals, held against the grammar of tree-sitter."""

import pytest
from framing import SETTINGS, TEXTS, framed, refused, rewritten, rewritten_or_refused
from hypothesis import example, given, settings
from hypothesis import strategies as st

tree_sitter = pytest.importorskip("tree_sitter")
grammar = pytest.importorskip("tree_sitter_javascript")
PARSER = tree_sitter.Parser(tree_sitter.Language(grammar.language()))
LANGUAGES = ["javascript", "typescript", "typescriptreact"]
SIMPLE = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v"}


def value(source: str) -> str:
    """The value of the only literal assigned in a program; substitutions as they are written."""
    root = PARSER.parse(source.encode()).root_node
    assert not root.has_error, source
    literal = next(node for node in descendants(root) if node.type in ("string", "template_string"))
    data, parts = source.encode(), []
    position, end = literal.start_byte + 1, literal.end_byte - 1
    for child in literal.children:
        if child.type in ("escape_sequence", "template_substitution"):
            parts.append(data[position : child.start_byte].decode().replace("\r\n", "\n"))
            text = data[child.start_byte : child.end_byte].decode()
            parts.append(text if child.type == "template_substitution" else unescaped(text))
            position = child.end_byte
    return "".join([*parts, data[position:end].decode().replace("\r\n", "\n")])


def descendants(node: "tree_sitter.Node") -> "list[tree_sitter.Node]":
    return [node, *(inner for child in node.children for inner in descendants(child))]


def unescaped(escape: str) -> str:
    rest = escape[1:]
    if rest[0] in "xu":
        return chr(int(rest[1:].strip("{}"), 16))
    return SIMPLE.get(rest, rest)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("quote", ["'", '"', "`"])
@pytest.mark.parametrize("marked", ["const v = {q}⟦create⟧{q};\nlet z = 1;\n", "f(⟦{q}create{q}⟧, /a'b/g.test(c));\n"])
@given(rewrite=TEXTS)
@settings(**SETTINGS)
@example(rewrite="$")
@example(rewrite="${a}`\\")
@example(rewrite="\u2028\r\n")
def test_the_value_of_a_literal_is_the_rewrite(marked: str, quote: str, language: str, rewrite: str) -> None:
    after = rewritten(marked.replace("{q}", quote), rewrite, language)
    assert value(after) == rewrite


@given(pieces=st.lists(st.one_of(TEXTS, st.just("${x}")), max_size=5))
@settings(**SETTINGS)
def test_the_substitutions_of_a_template_stay_and_no_others_come(pieces: list[str]) -> None:
    rewrite = "".join(pieces)
    after = rewritten("const v = `⟦create ${x}⟧{y}`;\r\n", rewrite, "javascript")
    assert value(after) == rewrite + "{y}"
    root = PARSER.parse(after.encode()).root_node
    assert sum(node.type == "template_substitution" for node in descendants(root)) == rewrite.count("${x}")


@pytest.mark.parametrize(
    ("marked", "prompt"),
    [
        (r"v = '⟦\x41\u{1F600}\u00e9\'\q⟧'", "A😀é'q"),
        (r"v = '⟦\ud83d\ude00⟧'", "😀"),
        ("v = `⟦a ${f(`}`, {b: '}'})} c⟧`", "a ${f(`}`, {b: '}'})} c"),
        ("v = `⟦one\r\ntwo\\\r\nthree⟧`", "one\ntwothree"),
        ("x = a / b; v = '⟦c⟧' // d'", "c"),
        ("x = [/['\"]/, '⟦c⟧']", "c"),
        ("<p>don't</p>; v = '⟦c⟧'", "c"),
        ("// ⟦create\n//   function⟧\nf()", "create\n  function"),
        ("  /** ⟦create\n   * function⟧ */", "create\nfunction"),
    ],
)
def test_what_a_selection_means(marked: str, prompt: str) -> None:
    assert framed(marked, "javascript").prompt == prompt


def test_strings_of_json5_are_those_of_javascript() -> None:
    marked = "{a: '⟦create it\\'s⟧', // b\n}\n"
    assert framed(marked, "json5").prompt == "create it's"
    assert rewritten(marked, "Act.\nit's", "", "x.json5") == "{a: 'Act.\\nit\\'s', // b\n}\n"


@given(rewrite=TEXTS.map(str.strip).filter(lambda text: text and "\0" not in text))
@settings(**SETTINGS)
def test_comments_stay_comments_or_refuse(rewrite: str) -> None:
    for marked in ("f(); // ⟦create⟧\ng();\n", "/* ⟦create⟧ */ g();\n", "{\n  /**\n   * ⟦create⟧\n   */\n  g();\n}\n"):
        after = rewritten_or_refused(marked, rewrite, "javascript")
        if after is not None:
            before = marked.replace("⟦", "").replace("⟧", "")
            assert code_of(after) == code_of(before)


def code_of(source: str) -> list[str]:
    """The leaves of a program, comments left out."""
    root = PARSER.parse(source.encode()).root_node
    assert not root.has_error
    return [str(node.text) for node in descendants(root) if not node.children and node.type != "comment"]


@pytest.mark.parametrize("rewrite", ["a */ b", "*/"])
def test_a_block_comment_refuses_its_own_end(rewrite: str) -> None:
    sentence = "The rewrite cannot stand in the comment: it would end the comment."
    assert refused("/* ⟦create⟧ */\n", "javascript", rewrite) == sentence


def test_a_line_comment_refuses_a_line_separator() -> None:
    assert refused("// ⟦create⟧\nf()", "javascript", "a\u2028b").endswith("it would end the comment.")

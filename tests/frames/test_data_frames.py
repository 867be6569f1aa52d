"""JSON, TOML and YAML, held against their parsers."""

import json
import tomllib

import pytest
import yaml
from framing import SETTINGS, TEXTS, framed, refused, rewritten, rewritten_or_refused
from hypothesis import example, given, settings


@pytest.mark.parametrize("marked", ['{"v": "⟦create⟧", "z": 1}', '{"v": ⟦"create"⟧, "z": 1}'])
@given(rewrite=TEXTS)
@settings(**SETTINGS)
def test_json(marked: str, rewrite: str) -> None:
    assert json.loads(rewritten(marked, rewrite, "json")) == {"v": rewrite, "z": 1}


@given(rewrite=TEXTS)
@settings(**SETTINGS)
def test_a_part_of_a_json_string(rewrite: str) -> None:
    after = rewritten('["a\\n\\u00e9 ⟦create⟧\\"", 1]', rewrite, "json")
    assert json.loads(after) == [f'a\né {rewrite}"', 1]


def test_json_escapes_are_read() -> None:
    assert framed('["⟦\\ud83d\\ude00\\/\\u00e9\\n⟧"]', "json").prompt == "😀/é\n"


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("marked", ['v = "⟦create⟧"\nz = 1\n', 'v = """⟦create⟧"""\nz = 1\n', 'v = """\n⟦create⟧"""\nz = 1\n'])
@given(rewrite=TEXTS)
@settings(**SETTINGS)
def test_toml(marked: str, newline: str, rewrite: str) -> None:
    after = rewritten_or_refused(marked.replace("\n", newline), rewrite, "toml")
    if after is None:
        assert rewrite.startswith("\n")
    else:
        assert tomllib.loads(after) == {"v": rewrite, "z": 1}


@pytest.mark.parametrize("marked", ["v = '⟦create⟧'\nz = 1\n", "v = '''⟦create⟧'''\nz = 1\n"])
@given(rewrite=TEXTS)
@settings(**SETTINGS)
def test_a_toml_literal_holds_the_rewrite_or_refuses_it(marked: str, rewrite: str) -> None:
    after = rewritten_or_refused(marked, rewrite, "toml")
    assert after is None or tomllib.loads(after) == {"v": rewrite, "z": 1}


@pytest.mark.parametrize(
    "marked", ['v: "⟦create⟧"\nz: 1\n', 'v: ⟦"create"⟧\nz: 1\n', "v: ⟦create it⟧\nz: 1\n", "v: ⟦create it⟧ # c\nz: 1\n"]
)
@given(rewrite=TEXTS)
@settings(**SETTINGS)
@example(rewrite="\ufeff\U0010ffff\uffff\x7f\x85\u2029")
def test_yaml_between_double_quotes(marked: str, rewrite: str) -> None:
    assert yaml.safe_load(rewritten(marked, rewrite, "yaml")) == {"v": rewrite, "z": 1}


@pytest.mark.parametrize("marked", ["- v: '⟦create⟧'\n  z: 1\n", "- v: ⟦'create'⟧\n  z: 1\n"])
@given(rewrite=TEXTS)
@settings(**SETTINGS)
def test_yaml_between_single_quotes(marked: str, rewrite: str) -> None:
    after = rewritten_or_refused(marked, rewrite, "yaml")
    assert after is None or yaml.safe_load(after) == [{"v": rewrite, "z": 1}]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("header", ["|", "|-", "|+", "|2", ">", ">-"])
@given(rewrite=TEXTS.map(str.strip).filter(bool))
@settings(**SETTINGS)
@example(rewrite="Act.\n\nTask: x\n- a\n- b\n\n\nGoal: y # z")
def test_a_yaml_block(header: str, newline: str, rewrite: str) -> None:
    marked = f"- v: {header}\n    ⟦create it⟧\n  z: 1\n".replace("\n", newline)
    after = rewritten_or_refused(marked, rewrite, "yaml")
    if after is not None:
        (loaded,) = yaml.safe_load(after)
        assert (loaded["v"].rstrip("\n"), loaded["z"]) == (rewrite, 1)


@pytest.mark.parametrize("header", ["|", ">"])
def test_an_ordinary_rewrite_fits_a_yaml_block(header: str) -> None:
    rewrite = 'Act as a tester.\n\nTask: "x" {y}\n\nSteps:\n1. a\n2. b'
    assert yaml.safe_load(rewritten(f"v: {header}\n  ⟦create it⟧\nz: 1\n", rewrite, "yaml")) == {"v": rewrite + "\n", "z": 1}


@pytest.mark.parametrize(
    ("marked", "prompt"),
    [
        ("v: >\n  ⟦one\n  two\n\n  three⟧\n", "one two\nthree"),
        ("v: |\n  ⟦one\n    two⟧\n", "one\n  two"),
        ("v: '⟦it''s\n  one⟧'\n", "it's one"),
        ('v: "⟦one\\\n  two\n\n  é\\x41⟧"\n', "onetwo\né" + "A"),
        ("v: ⟦create function⟧  # c\n", "create function"),
        ("x: 1 # ⟦create\n# function⟧\n", "create\nfunction"),
    ],
)
def test_what_a_yaml_selection_means(marked: str, prompt: str) -> None:
    assert framed(marked, "yaml").prompt == prompt


@pytest.mark.parametrize("marked", ["v: create ⟦function⟧\n", "⟦v: create function⟧\n", "v: [⟦a⟧, b]\n", "v: &x ⟦a⟧\n"])
def test_a_part_of_a_plain_yaml_value_is_refused(marked: str) -> None:
    assert refused(marked, "yaml") == "The selection is not the whole of a YAML value."


def test_a_string_in_a_very_long_yaml_line() -> None:
    entries = ", ".join(f'"k{number}": "v"' for number in range(5_000))
    after = rewritten('{"first": 1, ' + entries + ", \"last\": \"⟦create⟧\", z: 'it''s'}\n", "Act.\n\nTask: x", "yaml")
    assert after == '{"first": 1, ' + entries + ", \"last\": \"Act.\\n\\nTask: x\", z: 'it''s'}\n"


def test_lines_are_folded_under_the_quote_or_under_a_bound() -> None:
    assert rewritten("v: '⟦create⟧'\n", "a\nb", "yaml") == "v: 'a\n\n    b'\n"
    ahead = "{x: " + "y" * 1000 + ", v: "
    assert rewritten(ahead + "'⟦create⟧'}\n", "a\nb", "yaml") == ahead + "'a\n\n" + " " * 121 + "b'}\n"


@pytest.mark.parametrize(
    "marked",
    [
        "key: ⟦some text⟧\n  continues here\n",
        "key: some text\n  ⟦continues here⟧\n",
        "- a: ⟦some text⟧\r\n\r\n    continues here\r\n",
        "- ⟦some text⟧\n  continues here\n",
        "⟦some text⟧\ncontinues here\n",
        "key:\n  ⟦some text⟧\n  continues here\n",
        "key:\n  some text -\n  ⟦continues here⟧\n",
    ],
)
def test_a_line_of_a_longer_plain_yaml_value_is_refused(marked: str) -> None:
    assert refused(marked, "yaml") == "The selection is not the whole of a YAML value."


@pytest.mark.parametrize(
    "marked",
    [
        "key:\n  ⟦some text⟧\nz: 1\n",
        "key: # c\n  ⟦some text⟧\nz: 1\n",
        "key:\n  # c\n\n  ⟦some text⟧\n",
        "- key: ⟦some text⟧\n  z: 1\n",
        "-\n  ⟦some text⟧\n- b\n",
        "key: ⟦some text⟧\n    # c\nz: 1\n",
        "key: ⟦some text⟧ # c\nz: 1\n",
        "--- \n⟦some text⟧\n...\n",
        "⟦some text⟧",
    ],
)
def test_a_plain_yaml_value_that_is_alone_is_rewritten(marked: str) -> None:
    plain = yaml.safe_load(marked.replace("⟦", "").replace("⟧", ""))
    assert framed(marked, "yaml").prompt == "some text"
    assert str(yaml.safe_load(rewritten(marked, "Act: x\n- y", "yaml"))) == str(plain).replace(
        "some text", "Act: x\\n- y" if plain != "some text" else "Act: x\n- y"
    )

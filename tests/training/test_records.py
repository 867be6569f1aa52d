"""Pairs survive the disk, and whatever is wrong with a file is said of its line before anything is used."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from promptopt.errors import InvalidInput
from promptopt_training import records
from promptopt_training.records import Pair, read_pairs, write_pairs

NAMES = ("pairs.json", "pairs.jsonl")
PAIRS = [
    Pair("create function", "Act.\n\nTask: create function", "golden", "code/function"),
    Pair("größer\t→ \u2028 {x}", 'say "größer\t→ \u2028 {x}" \x85 now', "", ""),
]


def stored(folder: Path, name: str, rows: list[object]) -> Path:
    """A file with one row a line, as a JSON list or as JSON lines."""
    lines = [json.dumps(row) for row in rows]
    path = folder / name
    path.write_text("\n".join(lines) if name.endswith("l") else "[\n" + ",\n".join(lines) + "\n]", encoding="utf-8")
    return path


def line_of(name: str, row: int) -> int:
    """The line of the n-th row, counted from 1, in a file that `stored` wrote."""
    return row if name.endswith("l") else row + 1


def refusal(path: Path) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        read_pairs(path)
    return caught.value


@pytest.mark.parametrize("name", NAMES)
def test_pairs_come_back_as_they_were_written(name: str, tmp_path: Path) -> None:
    assert write_pairs(PAIRS, tmp_path / name) == 2
    assert read_pairs(tmp_path / name) == PAIRS


@pytest.mark.parametrize("name", NAMES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.tuples(*[st.text()] * 4).filter(lambda four: four[0].strip()), min_size=1, max_size=4))
def test_pairs_of_any_text_come_back(name: str, tmp_path: Path, texts: list[tuple[str, str, str, str]]) -> None:
    pairs = [Pair(prompt, f"{around}{prompt}{around}", style, entry) for prompt, around, style, entry in texts]
    write_pairs(pairs, tmp_path / name)
    assert read_pairs(tmp_path / name) == pairs


def test_a_json_file_is_a_list_and_a_jsonl_file_has_a_row_a_line(tmp_path: Path) -> None:
    for name in NAMES:
        write_pairs(PAIRS, tmp_path / name)
    rewrite = "Act.\n\nTask: create function"
    expected = {"prompt": "create function", "rewrite": rewrite, "style": "golden", "entry": "code/function", "subject": ""}
    assert json.loads((tmp_path / "pairs.json").read_text(encoding="utf-8"))[0] == expected
    lines = (tmp_path / "pairs.jsonl").read_text(encoding="utf-8").split("\n")
    assert [len(lines), lines[2]] == [3, ""]
    assert json.loads(lines[0]) == expected


def test_writing_makes_the_folders_and_leaves_no_partial_file(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "pairs.json"
    write_pairs(PAIRS, path)
    assert [found.name for found in path.parent.iterdir()] == ["pairs.json"]


def test_the_style_and_the_entry_may_be_missing_and_other_keys_are_ignored(tmp_path: Path) -> None:
    path = stored(tmp_path, "pairs.json", [{"prompt": "a", "rewrite": "do a", "note": 7}])
    assert read_pairs(path) == [Pair("a", "do a", "", "")]


def test_blank_lines_of_a_jsonl_file_are_skipped_but_counted(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    good, bad = '{"prompt": "a", "rewrite": "do a"}', '{"prompt": "b", "rewrite": "do a"}'
    path.write_text(f"\n{good}\n  \n\n{good}\n", encoding="utf-8")
    assert len(read_pairs(path)) == 2
    path.write_text(f"\n{good}\n  \n{bad}\n", encoding="utf-8")
    assert "line 4: the rewrite does not contain the prompt word for word" in refusal(path).message


BAD_ROWS: dict[str, tuple[object, str]] = {
    "not an object": (["a", "do a"], "not an object"),
    "a string": ("a", "not an object"),
    "no prompt": ({"rewrite": "do a"}, '"prompt" is missing, empty or not a string'),
    "no rewrite": ({"prompt": "a"}, '"rewrite" is missing, empty or not a string'),
    "an empty prompt": ({"prompt": "", "rewrite": "do a"}, '"prompt" is missing, empty or not a string'),
    "a blank prompt": ({"prompt": " \n", "rewrite": "do a"}, '"prompt" is missing, empty or not a string'),
    "a number": ({"prompt": "a", "rewrite": 7}, '"rewrite" is missing, empty or not a string'),
    "null": ({"prompt": None, "rewrite": "a"}, '"prompt" is missing, empty or not a string'),
    "another prompt": ({"prompt": "a b", "rewrite": "do a"}, "the rewrite does not contain the prompt word for word"),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("fault", BAD_ROWS)
def test_a_bad_row_is_named_with_its_line_and_nothing_is_returned(name: str, fault: str, tmp_path: Path) -> None:
    row, reason = BAD_ROWS[fault]
    good = {"prompt": "a", "rewrite": "do a"}
    error = refusal(stored(tmp_path, name, [good, good, row, good]))
    assert error.message == f"{tmp_path / name} has bad rows. line {line_of(name, 3)}: {reason}."
    assert error.exit_status == 2


@pytest.mark.parametrize("name", NAMES)
def test_every_bad_row_is_named(name: str, tmp_path: Path) -> None:
    good, bad = {"prompt": "a", "rewrite": "do a"}, {"prompt": "b", "rewrite": "do a"}
    message = refusal(stored(tmp_path, name, [bad, good, 7])).message
    assert f"line {line_of(name, 1)}: the rewrite does not contain the prompt word for word; " in message
    assert f"line {line_of(name, 3)}: not an object." in message


@pytest.mark.parametrize("name", NAMES)
def test_of_many_bad_rows_ten_are_named_and_the_others_counted(name: str, tmp_path: Path) -> None:
    message = refusal(stored(tmp_path, name, [None] * 13)).message
    assert message.count("not an object") == 10
    assert message.endswith("(and 3 more).")


def test_rows_of_an_indented_list_are_named_by_the_line_on_which_they_begin(tmp_path: Path) -> None:
    path = tmp_path / "pairs.json"
    rows = [{"prompt": "a, [b]", "rewrite": 'do "a, [b]"'}, {"prompt": "c"}, {"prompt": "d"}]
    path.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    assert path.read_text(encoding="utf-8").split("\n")[5].strip() == "{"
    message = refusal(path).message
    assert 'line 6: "rewrite" is missing' in message
    assert 'line 9: "rewrite" is missing' in message


@pytest.mark.parametrize(("name", "text", "place"), [
    ("pairs.json", '[\n{"prompt": "a",\n "rewrite" "b"}]', "line 3"),
    ("pairs.json", "", "line 1"),
    ("pairs.jsonl", '{"prompt": "a", "rewrite": "a"}\n{"prompt": ', "line 2"),
    ("pairs.jsonl", "prompt,rewrite\na,a\n", "line 1"),
])  # fmt: skip
def test_what_is_not_json_is_refused_with_its_line(name: str, text: str, place: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert refusal(tmp_path / name).message.startswith(f"{tmp_path / name} is not valid JSON: {place}: ")


def test_a_json_file_that_is_no_list_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pairs.json"
    path.write_text('{"prompt": "a", "rewrite": "a"}', encoding="utf-8")
    assert refusal(path).message == f"{path} is not a JSON list."


@pytest.mark.parametrize(("name", "text"), [("pairs.json", "[]"), ("pairs.jsonl", ""), ("pairs.jsonl", "\n \n")])
def test_a_file_without_pairs_is_refused(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert str(refusal(tmp_path / name)) == f"{tmp_path / name} holds no pairs. Make some with: promptopt-train data"


@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_utf_8_is_refused_with_the_byte(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b'[{"prompt": "gr\xfc\xdf"}]')
    assert refusal(tmp_path / name).message == f"{tmp_path / name} is not UTF-8 (byte 15)."


def test_a_missing_file_is_refused_with_the_command_that_makes_one(tmp_path: Path) -> None:
    error = refusal(tmp_path / "pairs.json")
    assert error.message == f"{tmp_path / 'pairs.json'} does not exist."
    assert error.hint == "Make the golden pairs with: promptopt-train data"


def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path).message == f"{tmp_path} cannot be read (Is a directory)."


class Counted(str):
    """A text that counts the characters it is searched through, and cannot be cut."""

    __slots__ = ("searched",)
    searched: int

    def count(self, *given: Any) -> int:
        found, start, end = given
        self.searched += end - start
        return str(self).count(found, start, end)

    def __getitem__(self, index: Any) -> str:
        raise AssertionError(f"a piece was cut out: {index}")


def test_a_list_is_read_in_one_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = Counted(json.dumps([{"prompt": "a", "rewrite": "do a"}] * 50, indent=1))
    text.searched = 0
    path = stored(tmp_path, "pairs.json", [])
    monkeypatch.setattr(records, "read_text", lambda path: text)
    assert [pair.line for pair in read_pairs(path)] == [2 + 4 * number for number in range(50)]
    assert text.searched <= len(text)


@pytest.mark.parametrize("name", NAMES)
def test_a_pair_knows_its_line_and_keeps_it_to_itself(name: str, tmp_path: Path) -> None:
    path = stored(tmp_path, name, [{"prompt": "a", "rewrite": "do a"}, {"prompt": "b", "rewrite": "do b"}])
    found = read_pairs(path)
    assert [pair.line for pair in found] == [line_of(name, 1), line_of(name, 2)]
    assert found[1] == Pair("b", "do b")
    write_pairs(found, path)
    assert '"line"' not in path.read_text(encoding="utf-8")

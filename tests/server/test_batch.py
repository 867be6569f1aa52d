"""A file of prompts in, a file of rewrites out."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeEngine, fake_optimizer, fake_rewrite, manifest, mini_codec

from promptopt.batch import read_rows, rewrite_file
from promptopt.codec import END
from promptopt.engine.loader import Model
from promptopt.errors import InvalidInput
from promptopt.optimizer import BATCH, Optimizer
from promptopt.settings import Settings

CODEC = mini_codec()


def given(tmp_path: Path, texts: Sequence[str]) -> Path:
    path = tmp_path / "in.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    return path


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def failing() -> Optimizer:
    return Optimizer(Settings(), lambda settings: Model(manifest(), CODEC, FakeEngine(CODEC, ids=[END])))


def counting() -> tuple[Optimizer, FakeEngine]:
    engine = FakeEngine(CODEC)
    return Optimizer(Settings(), lambda settings: Model(manifest(), CODEC, engine)), engine


def test_every_row_is_rewritten_in_order(tmp_path: Path) -> None:
    texts = [f"task {number}" for number in range(BATCH + 2)]
    output = tmp_path / "out.jsonl"
    assert rewrite_file(fake_optimizer(), given(tmp_path, texts), output) == 0
    assert [(row["text"], row["optimized_prompt"]) for row in rows(output)] == [(text, fake_rewrite(text)) for text in texts]


def test_a_row_holds_text_rewrite_confidence_tokens_and_seconds(tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    rewrite_file(fake_optimizer(), given(tmp_path, ["fix it"]), output)
    [row] = rows(output)
    assert list(row) == ["text", "optimized_prompt", "confidence", "tokens", "seconds"]
    assert row["confidence"] == pytest.approx(0.47502081252106)  # sigmoid(-0.1)


def test_the_output_is_utf8_as_written(tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    rewrite_file(fake_optimizer(), given(tmp_path, ["日本\u2028語"]), output)
    assert output.read_bytes().count("日本\u2028語".encode()) == 2
    assert output.read_bytes().count(b"\n") == 1


def test_half_a_character_in_a_row_survives_writing_and_resuming(tmp_path: Path) -> None:
    output, source = tmp_path / "out.jsonl", given(tmp_path, ["half \ud83d", "whole"])
    assert rewrite_file(fake_optimizer(), source, output) == 0
    before = output.read_bytes()
    assert [json.loads(line)["optimized_prompt"] for line in before.decode().split("\n")[:-1]] == [
        fake_rewrite("half \ud83d"),
        fake_rewrite("whole"),
    ]
    assert rewrite_file(failing(), source, output) == 0
    assert output.read_bytes() == before


def test_a_row_that_fails_is_written_with_its_error_and_the_status_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "out.jsonl"
    assert rewrite_file(fake_optimizer(), given(tmp_path, ["one", " ", "two"]), output) == 4
    assert [row["optimized_prompt"] for row in rows(output)] == [fake_rewrite("one"), None, fake_rewrite("two")]
    assert rows(output)[1] == {
        "text": " ",
        "optimized_prompt": None,
        "error": "The prompt consists of white space only. Write or select what you want to ask, then try again.",
    }
    assert f'promptopt: 1 of 3 prompts were not rewritten; their rows in {output} say why ("error").' in capsys.readouterr().err


def test_failed_rewrites_are_rows_too(tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    assert rewrite_file(failing(), given(tmp_path, ["one", "two"]), output) == 4
    assert [row["error"].split(" instead")[0] for row in rows(output)] == ["The network wrote 0 pointers to the prompt"] * 2


def test_nothing_goes_to_standard_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rewrite_file(fake_optimizer(), given(tmp_path, ["one"]), tmp_path / "out.jsonl")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("cut", [0, 1, 2, 5])
def test_rows_already_there_are_not_done_again(tmp_path: Path, cut: int) -> None:
    texts = [f"task {number}" for number in range(5)]
    source, output = given(tmp_path, texts), tmp_path / "out.jsonl"
    rewrite_file(fake_optimizer(), source, output)
    whole = output.read_text().splitlines(keepends=True)
    output.write_text("".join(whole[:cut]))
    optimizer, engine = counting()
    assert rewrite_file(optimizer, source, output) == 0
    assert len(engine.calls) == 5 - cut
    assert output.read_text().splitlines(keepends=True)[:cut] == whole[:cut]
    assert [row["optimized_prompt"] for row in rows(output)] == [fake_rewrite(text) for text in texts]


@pytest.mark.parametrize("half", [b'{"text": "task 1", "optim', b"{", b'{"text": "\xc3', b'{"text": "task 1", "optimized_prompt": "x"}'])
def test_a_half_written_last_row_is_done_again(tmp_path: Path, half: bytes) -> None:
    source, output = given(tmp_path, ["task 0", "task 1"]), tmp_path / "out.jsonl"
    rewrite_file(fake_optimizer(), given(tmp_path, ["task 0"]), output)
    first = output.read_bytes()
    output.write_bytes(first + half)
    source = given(tmp_path, ["task 0", "task 1"])
    assert rewrite_file(fake_optimizer(), source, output) == 0
    assert output.read_bytes().startswith(first)
    assert [row["optimized_prompt"] for row in rows(output)] == [fake_rewrite("task 0"), fake_rewrite("task 1")]


def test_a_failure_of_an_earlier_run_still_counts(tmp_path: Path) -> None:
    source, output = given(tmp_path, ["one", "two"]), tmp_path / "out.jsonl"
    rewrite_file(failing(), given(tmp_path, ["one"]), output)
    source = given(tmp_path, ["one", "two"])
    assert rewrite_file(fake_optimizer(), source, output) == 4
    assert [row["optimized_prompt"] for row in rows(output)] == [None, fake_rewrite("two")]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("notes\n", 1),
        ("[]\n", 1),
        ("\n", 1),
        ('{"text": "other", "optimized_prompt": "x"}\n', 1),
        ('{"text": "one"}\n', 1),
        ('{"optimized_prompt": "x"}\n', 1),
        ('{"text": "one", "optimized_prompt": "x"}\nnotes\n', 2),
        ("".join(f'{{"text": "{text}", "optimized_prompt": "x"}}\n' for text in ("one", "two", "three")), 3),
        ("notes\nhalf a li", 1),
    ],
)
def test_an_output_that_is_something_else_is_refused_and_untouched(tmp_path: Path, content: str, line: int) -> None:
    output = tmp_path / "out.jsonl"
    output.write_text(content)
    optimizer, engine = counting()
    with pytest.raises(InvalidInput) as caught:
        rewrite_file(optimizer, given(tmp_path, ["one", "two"]), output)
    assert caught.value.message == f"{output}, line {line} is not the rewrite of the same line of the input."
    assert (output.read_text(), engine.calls) == (content, [])


def test_the_input_is_never_taken_for_the_output(tmp_path: Path) -> None:
    source = given(tmp_path, ["one", "two"])
    before = source.read_bytes()
    with pytest.raises(InvalidInput, match="--batch and --output name the same file"):
        rewrite_file(fake_optimizer(), source, source)
    assert source.read_bytes() == before


@pytest.mark.parametrize("content", ["my notes without a line end", '{"text": "one", "optimized_prompt": "x"}\nnotes'])
def test_a_tail_that_is_no_half_written_row_is_not_cut_off(tmp_path: Path, content: str) -> None:
    output = tmp_path / "out.jsonl"
    output.write_text(content)
    with pytest.raises(InvalidInput, match="does not end in a rewrite"):
        rewrite_file(fake_optimizer(), given(tmp_path, ["one", "two"]), output)
    assert output.read_text() == content


def test_an_input_that_is_not_there_is_named_also_where_the_output_is(tmp_path: Path) -> None:
    (tmp_path / "out.jsonl").touch()
    with pytest.raises(InvalidInput) as caught:
        rewrite_file(fake_optimizer(), tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    assert str(caught.value) == f"{tmp_path / 'in.jsonl'} cannot be read (No such file or directory). Check the path."


@pytest.mark.parametrize("output", [".", "missing/out.jsonl", "in.jsonl/out.jsonl"])
def test_an_output_that_cannot_be_written_is_named(tmp_path: Path, output: str) -> None:
    source = given(tmp_path, ["one"])
    with pytest.raises(InvalidInput) as caught:
        rewrite_file(fake_optimizer(), source, tmp_path / output)
    assert caught.value.message.startswith(f"{tmp_path / output} cannot be ")


@pytest.mark.parametrize("bad", ["text", "3", "[]", '{"text": 3}', '{"text": null}', '{"prompt": "x"}', '{"text": "x"'])
def test_a_bad_line_of_the_input_is_named_and_nothing_is_written(tmp_path: Path, bad: str) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text(f'{{"text": "one"}}\n\n{bad}\n{{"text": "two"}}\n')
    with pytest.raises(InvalidInput) as caught:
        rewrite_file(fake_optimizer(), source, tmp_path / "out.jsonl")
    assert caught.value.message == f'{source}, line 3: not an object with a string "text".'
    assert not (tmp_path / "out.jsonl").exists()


def test_an_input_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"in\.jsonl cannot be read \(No such file"):
        rewrite_file(fake_optimizer(), tmp_path / "in.jsonl", tmp_path / "out.jsonl")


def test_rows_may_hold_more_and_lines_may_be_blank_or_end_in_crlf(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes('{"text": "a\\nb", "id": 1}\r\n\r\n  \n{"id": 2, "text": "é"}'.encode())
    assert read_rows(tmp_path / "in.jsonl") == ["a\nb", "é"]


def test_an_empty_input_gives_an_empty_output(tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    assert rewrite_file(fake_optimizer(), given(tmp_path, []), output) == 0
    assert output.read_bytes() == b""

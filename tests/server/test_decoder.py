"""A rewrite turns into text as its ids come."""

import itertools

import pytest
from fakes import mini_codec
from hypothesis import given, settings
from hypothesis import strategies as st

from promptopt.codec import END, Codec, Decoder
from promptopt.errors import RewriteFailed

MINI = mini_codec()
PROMPT = 'frobnicate the "big list" 😀'
AROUND = st.lists(
    st.sampled_from([PROMPT[:14], PROMPT[15:25], "Frobnicate", "😀", "👩‍💻", "日本", "é", "{}", "\u2581", "\n", " ", "x", "Task:", "\t"])
).map("".join)


def streamed(codec: Codec, prompt: str, ids: list[int]) -> list[str]:
    """The text after each id."""
    decoder = Decoder(codec, prompt)
    texts = []
    for index in ids:
        decoder.push(index)
        texts.append(decoder.text)
    return texts


def check_growth(codec: Codec, rewrite: str) -> None:
    ids = codec.encode_rewrite(PROMPT, rewrite)[:-1]
    texts = streamed(codec, PROMPT, ids)
    assert [later[: len(text)] for text, later in itertools.pairwise(texts)] == texts[:-1]
    assert texts[-1] == rewrite == codec.decode(PROMPT, [*ids, END])


@settings(max_examples=300, deadline=None)
@given(AROUND, AROUND)
def test_the_text_only_grows_and_ends_as_decode_does(ahead: str, behind: str) -> None:
    check_growth(MINI, ahead + PROMPT + behind)


@settings(max_examples=300, deadline=None)
@given(AROUND, AROUND)
def test_so_it_does_where_lines_break_by_a_piece(t5: Codec, ahead: str, behind: str) -> None:
    check_growth(t5, ahead + PROMPT + behind)


@settings(deadline=None)
@given(st.lists(st.integers(0, len(MINI.vocabulary) - 1)))
def test_the_text_of_any_output_only_grows(ids: list[int]) -> None:
    decoder, before = Decoder(MINI, PROMPT), ""
    for index in ids:
        try:
            decoder.push(index)
        except RewriteFailed:
            return
        assert decoder.text[: len(before)] == before
        before = decoder.text


def test_each_id_adds_what_it_stands_for() -> None:
    ids = [*MINI.plain("a:"), MINI.prompt, MINI.capital, MINI.pointers[0], MINI.pointers[1], MINI.glue, MINI.prompt]
    assert streamed(MINI, "fix bugs", ids) == [
        "a",
        "a:",
        "a: fix bugs",
        "a: fix bugs",
        "a: fix bugs",
        "a: fix bugs Fix bugs",
        "a: fix bugs Fix bugs",
        "a: fix bugs Fix bugsfix bugs",
    ]


def test_an_escape_shows_when_it_is_whole() -> None:
    ids = [MINI.escape, *MINI.plain("263a"), MINI.escape]
    assert streamed(MINI, "fix it", ids) == [*[""] * (len(ids) - 1), "☺"]


def test_a_character_of_several_bytes_shows_when_it_is_whole() -> None:
    assert streamed(MINI, "fix it", MINI.plain("a😀b")) == ["a", "a", "a", "a", "a😀", "a😀b"]


def test_a_character_that_stays_unfinished_is_a_replacement_once_something_follows() -> None:
    ids = [*MINI.plain("😀")[:2], MINI.prompt]
    assert streamed(MINI, "fix it", ids) == ["", "", "\ufffdfix it"]


def test_it_counts_the_pointers_to_the_prompt() -> None:
    decoder = Decoder(MINI, "fix it")
    counts = []
    for index in [MINI.prompt, *MINI.plain("a"), MINI.prompt]:
        decoder.push(index)
        counts.append(decoder.prompts)
    assert counts == [1, 1, 2]


@pytest.mark.parametrize(
    ("ids", "whole"),
    [
        ([], True),
        ([MINI.pointers[0]], False),
        ([MINI.pointers[0], MINI.pointers[0]], True),
        ([MINI.escape], False),
        ([MINI.escape, *MINI.plain("41"), MINI.escape], True),
    ],
)
def test_it_knows_whether_a_pointer_or_an_escape_is_under_way(ids: list[int], whole: bool) -> None:
    decoder = Decoder(MINI, "fix it")
    for index in ids:
        decoder.push(index)
    assert decoder.whole is whole


def test_a_malformed_pointer_fails_at_once() -> None:
    decoder = Decoder(MINI, "fix it")
    decoder.push(MINI.pointers[1])
    with pytest.raises(RewriteFailed, match="words that are not there"):
        decoder.push(MINI.pointers[0])

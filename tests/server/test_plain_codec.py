"""A network that points at nothing reads and writes what a T5 tokenizer makes of text."""

import itertools
from pathlib import Path

import pytest
import sentencepiece
from hypothesis import given
from hypothesis import strategies as st

from promptopt.codec import END, Codec, PlainCodec
from promptopt.errors import RewriteFailed


@pytest.fixture(scope="module")
def plain(t5: Codec) -> PlainCodec:
    return PlainCodec(t5.vocabulary)


@pytest.fixture(scope="module")
def theirs(t5: Codec, t5_file: Path) -> sentencepiece.SentencePieceProcessor:
    return sentencepiece.SentencePieceProcessor(model_file=str(t5_file))


@given(text=st.one_of(st.text(), st.lists(st.sampled_from(["write", "the", " ", "\n", "{x}", "é", "½", "List", "."])).map(" ".join)))
def test_what_is_read_is_what_the_tokenizer_reads(plain: PlainCodec, theirs: sentencepiece.SentencePieceProcessor, text: str) -> None:
    readable = text.encode(errors="replace").decode()
    assert plain.encode_prompt(text, 10_000) == [*theirs.encode(readable.strip()), END]


def test_what_is_read_fits_its_limit_and_is_ended(plain: PlainCodec) -> None:
    ids = plain.encode_prompt("write the function " * 50, 20)
    assert (len(ids), ids[-1]) == (20, END)


def test_what_is_written_comes_out(plain: PlainCodec) -> None:
    ids = plain.vocabulary.encode(" create a function: sort the list.")
    assert plain.decode("anything", [*ids, END, *ids]) == "create a function: sort the list."
    assert plain.decode("anything", ids) == "create a function: sort the list."


@pytest.mark.parametrize("ids", [[], [END], [0, END]])
def test_an_empty_output_is_a_failed_rewrite(plain: PlainCodec, ids: list[int]) -> None:
    with pytest.raises(RewriteFailed, match="The network wrote nothing"):
        plain.decode("anything", ids)


def test_the_text_grows_with_the_ids_and_ends_as_decode_does(plain: PlainCodec) -> None:
    ids = plain.vocabulary.encode(" create a function")
    decoder, texts = plain.decoder("anything"), [""]
    for index in ids:
        decoder.push(index)
        texts.append(decoder.text)
    assert texts[-1] == plain.decode("anything", ids) == "create a function"
    assert all(later.startswith(text) for text, later in itertools.pairwise(texts))

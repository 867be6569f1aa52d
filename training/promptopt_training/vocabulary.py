"""A vocabulary for an embedded base: SentencePiece pieces across words, and pieces that stand for the prompt and its words."""

import io
import random
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import sentencepiece

from promptopt.codec import Table
from promptopt.errors import InvalidInput
from promptopt.units import words_and_spans
from promptopt_training.golden.compose import Parts
from promptopt_training.golden.layouts import LAYOUTS
from promptopt_training.options import VocabularyOptions
from promptopt_training.records import Pair, read_pairs

POINTERS = 128
MASKS = 24
LONGEST_LINE = 1000
REWRITE, DENOISE = "<rewrite>", "<denoise>"
TABLE = Table(
    prompt="<prompt>",
    pointers=tuple(f"<w{number}>" for number in range(POINTERS)),
    points_at="words",
    glue="<glue>",
    capital="<capital>",
    escape="<escape>",
)
_HOLE = "\ue000"


def style_piece(style: str) -> str:
    """The piece that asks the base for one layout."""
    return f"<style:{style}>"


def control_pieces() -> list[str]:
    """Pieces that no text can spell."""
    return [
        TABLE.prompt, TABLE.glue, TABLE.capital, TABLE.escape, REWRITE, DENOISE,
        *map(style_piece, LAYOUTS), *(f"<mask:{number}>" for number in range(MASKS)), *TABLE.pointers,
    ]  # fmt: skip


def frame_pieces() -> list[str]:
    """What the layouts put between the parts, each a piece of its own: headings, bullets, line breaks.

    Each also without its last space, as it stands ahead of a pointer.
    """
    hollow = Parts(_HOLE, _HOLE, _HOLE, (_HOLE,) * 6, (_HOLE,) * 6, _HOLE)
    frames = {frame for layout in LAYOUTS.values() for frame in layout(hollow).split(_HOLE)}
    kept = {frame for frame in frames if "\n" in frame or len(frame.split()) > 1}
    return sorted(kept | {frame.removesuffix(" ") for frame in kept} | {"\n"})


def spelled_lines(pairs: Iterable[Pair]) -> Iterator[str]:
    """What the network has to spell of the rewrites: their lines without frames and without phrases of the prompt."""
    frames = sorted(frame_pieces(), key=len, reverse=True)
    for pair in pairs:
        rest = pair.rewrite.replace(pair.prompt, _HOLE)
        for frame in frames:
            rest = rest.replace(frame, _HOLE)
        yield from (line for line in rest.split(_HOLE) if line)


def read_words(prompts: Iterable[str]) -> Iterator[str]:
    """The words of the prompts as the codec encodes them: one at a time, each with the space before it."""
    for prompt in prompts:
        position = 0
        for unit in words_and_spans(prompt):
            yield (prompt[position : unit.end] if position else " " + prompt[: unit.end]).replace("\n", " ")
            position = unit.end


def train_vocabulary(lines: Iterable[str], size: int, path: Path, log: Callable[[str], None] = print) -> None:
    """Trains a unigram vocabulary of `size` pieces with byte fallback and writes it to `path`. Raises InvalidInput for a bad size."""
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines),
            model_writer=model,
            model_type="unigram",
            vocab_size=size,
            normalization_rule_name="identity",
            add_dummy_prefix=False,
            remove_extra_whitespaces=False,
            split_by_whitespace=False,
            split_digits=True,
            max_sentencepiece_length=32,
            byte_fallback=True,
            character_coverage=0.9995,
            input_sentence_size=400_000,
            shuffle_input_sentence=True,
            pad_id=0,
            eos_id=1,
            unk_id=2,
            bos_id=-1,
            control_symbols=control_pieces(),
            user_defined_symbols=[frame.replace(" ", "▁") for frame in frame_pieces()],
            num_threads=2,
            minloglevel=1,
        )
    except RuntimeError as error:
        reason = " ".join(str(error).split()).rsplit("] ", 1)[-1].rstrip(".")
        raise InvalidInput(f"A vocabulary of {size} pieces cannot be trained: {reason}.", "Give another --size, or more pairs.") from error
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.getvalue())
    log(f"vocabulary of {size} pieces in {path}")


def vocabulary_from_pairs(options: VocabularyOptions, log: Callable[[str], None]) -> None:
    """`promptopt-train vocabulary`: trains on what the rewrites spell and the words the prompts consist of."""
    pairs = read_pairs(options.data_path)[: options.pairs]
    lines = [line for line in spelled_lines(pairs) if len(line) < LONGEST_LINE]
    words = list(read_words(pair.prompt for pair in pairs if pair.prompt != pair.rewrite))
    random.Random(0).shuffle(words)
    train_vocabulary([*lines, *words[: len(lines) // 2]], options.size, options.output, log)

"""A vocabulary for an embedded base: SentencePiece pieces across words, and pieces that stand for the prompt and its words."""

import io
import random
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path

import sentencepiece
from sentencepiece import sentencepiece_model_pb2 as model_format

from promptopt.codec import RARE, Table
from promptopt.errors import InvalidInput
from promptopt.units import words_and_spans
from promptopt.vocabulary import Vocabulary
from promptopt_training.golden.compose import Parts
from promptopt_training.golden.layouts import LAYOUTS
from promptopt_training.options import VocabularyOptions
from promptopt_training.records import Pair, read_pairs

POINTERS = 128
MASKS = 24
LONGEST_LINE = 1000
PHRASE_WORDS, LONGEST_PIECE, LONGEST_PART = 7, 60, 12
RAREST, SEEDS = 4, 600_000
UNWANTED = -1000.0
"The score of a phrase that no line has any more."
SPACE = "▁"
REWRITE, DENOISE = "<rewrite>", "<denoise>"
TABLE = Table(
    prompt="<prompt>",
    pointers=tuple(f"<w{number}>" for number in range(POINTERS)),
    points_at="words",
    glue="<glue>",
    capital="<capital>",
    escape="<escape>",
)
LONGEST_WORD = 16
FREQUENCY, DAMPING = 30_000.0, 200.0
_PLAIN_WORD = re.compile(r"[A-Za-z](?:[A-Za-z'’]*[A-Za-z])?")
_ENDINGS = frozenset({"s", "ed", "ing", "d", "ly", "er", "'s"})
_HOLE = "\ue000"
_BREAK = re.compile(r"[\t\r\n]")
_TOKEN = re.compile(r"\s?\w+(?:['’-]\w+)*|\s?[^\w\s]+|\s")


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

    Without a last space, which belongs to the words that follow; and once more with the full stop that ends the line before.
    """
    hollow = Parts(_HOLE, _HOLE, _HOLE, (_HOLE,) * 6, (_HOLE,) * 6, _HOLE)
    frames = {frame.removesuffix(" ") for layout in LAYOUTS.values() for frame in layout(hollow).split(_HOLE)}
    kept = {frame for frame in frames if "\n" in frame or len(frame.split()) > 1}
    return sorted(kept | {"." + frame for frame in kept if frame.startswith("\n")} | {"\n"})


@cache
def declared_frames() -> tuple[str, ...]:
    """The frames as a SentencePiece model spells them."""
    return tuple(frame.replace(" ", SPACE) for frame in frame_pieces())


def spelled_lines(pairs: Iterable[Pair]) -> Iterator[str]:
    """What the network has to spell of the rewrites: their lines, without frames and without the prompt."""
    frames = sorted(frame_pieces(), key=len, reverse=True)
    for pair in pairs:
        rest = pair.rewrite.replace(pair.prompt, _HOLE).removesuffix(".")
        for frame in frames:
            rest = rest.replace(frame, _HOLE)
        yield from (line for line in rest.split(_HOLE) if line.strip())


def read_words(prompts: Iterable[str]) -> Iterator[str]:
    """The words of the prompts as the codec encodes them: one at a time, each with the space before it."""
    for prompt in prompts:
        position = 0
        for unit in words_and_spans(prompt):
            yield (prompt[position : unit.end] if position else " " + prompt[: unit.end]).replace("\n", " ")
            position = unit.end


def seed_pieces(lines: Iterable[str], words: Iterable[str]) -> dict[str, int]:
    """The pieces a vocabulary is chosen from, with how often each occurs: phrases of whole words of the lines, parts of single words.

    A phrase never ends within a word: pieces that do ("Decide wh", "ich part") are the ones a network puts together wrongly.
    """
    counts = Counter(lines)
    found: Counter[str] = Counter()
    singles = Counter(token for word in words for token in _TOKEN.findall(word))
    for line, times in counts.items():
        tokens = _TOKEN.findall(line)
        singles.update(dict.fromkeys(tokens, times))
        for start in range(len(tokens)):
            for end in range(start + 2, min(start + PHRASE_WORDS, len(tokens)) + 1):
                found["".join(tokens[start:end])] += times
    for word, times in singles.items():
        for start in range(len(word)):
            for end in range(start + 2, min(start + LONGEST_PART, len(word)) + 1):
                found[word[start:end]] += times
        found[word] += times if len(word) > LONGEST_PART else 0
    usual = (piece for piece in found.items() if piece[1] >= RAREST and 2 <= len(piece[0]) <= LONGEST_PIECE and not _BREAK.search(piece[0]))
    return dict(sorted(usual, key=lambda piece: (-piece[1] * len(piece[0]), piece[0]))[:SEEDS])


def train_vocabulary(lines: Sequence[str], words: Sequence[str], size: int) -> bytes:
    """A unigram vocabulary of `size` pieces with byte fallback, as a SentencePiece model. Raises InvalidInput for a bad size."""
    model = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder:
        seeds = Path(folder) / "seeds.tsv"
        rows = (f"{piece.replace(' ', SPACE)}\t{times}\n" for piece, times in seed_pieces(lines, words).items())
        seeds.write_text("".join(rows), encoding="utf-8")
        try:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter([*lines, *words]),
                model_writer=model,
                seed_sentencepieces_file=str(seeds),
                model_type="unigram",
                vocab_size=size,
                normalization_rule_name="identity",
                add_dummy_prefix=False,
                remove_extra_whitespaces=False,
                split_by_whitespace=False,
                split_digits=True,
                max_sentencepiece_length=LONGEST_PIECE,
                byte_fallback=True,
                character_coverage=0.9995,
                input_sentence_size=400_000,
                shuffle_input_sentence=True,
                pad_id=0,
                eos_id=1,
                unk_id=2,
                bos_id=-1,
                control_symbols=control_pieces(),
                user_defined_symbols=list(declared_frames()),
                num_threads=2,
                minloglevel=1,
            )
        except RuntimeError as error:
            reason = " ".join(str(error).split()).rsplit("] ", 1)[-1].rstrip(".")
            raise InvalidInput(
                f"A vocabulary of {size} pieces cannot be trained: {reason}.", "Give another --size, or more pairs."
            ) from error
    return model.getvalue()


def common_words(prompts: Iterable[str], frequent: Sequence[str] = ()) -> list[str]:
    """The words of the prompts and of `frequent` (the commonest first), the most useful first.

    A word counts as often as the prompts have it, and the more the further ahead it stands in `frequent`; that share is split
    between its spellings with and without capitals as the prompts have them.
    """
    counts = Counter(word for prompt in prompts for word in _PLAIN_WORD.findall(prompt) if 2 <= len(word) <= LONGEST_WORD)
    of_any_case: Counter[str] = Counter()
    for word, times in counts.items():
        of_any_case[word.lower()] += times
    shares = {word: FREQUENCY / (rank + DAMPING) for rank, word in enumerate(frequent) if _PLAIN_WORD.fullmatch(word)}

    def use(word: str) -> float:
        total = of_any_case[word.lower()]
        spelled_so = counts[word] / total if total else 1.0
        return counts[word] + spelled_so * shares.get(word.lower(), 0.0)

    known = {word for word, times in counts.items() if times >= 2} | {word for word in shares if 2 <= len(word) <= LONGEST_WORD}
    return sorted(known, key=lambda word: (-use(word), word))


def with_words(model: bytes, words: Iterable[str], count: int) -> bytes:
    """A SentencePiece model with `count` more pieces: the first of the words that it would have to put together.

    Not those it reads as a word and an ending. Without them half of what people write about is letters to the network. The pieces are
    rarer than any other, so lines are spelled as before.
    """
    vocabulary = sentencepiece.SentencePieceProcessor(model_proto=model)
    grown = model_format.ModelProto.FromString(model)  # type: ignore[attr-defined]
    added = 0
    for word in words:
        pieces = vocabulary.encode(SPACE + word, out_type=str)
        ended = len(pieces) == 2 and len(pieces[0]) > 3 and pieces[1] in _ENDINGS
        if added < count and len(pieces) > 1 and not ended:
            grown.pieces.add(piece=SPACE + word, score=RARE)
            added += 1
    grown.trainer_spec.vocab_size = len(grown.pieces)
    return bytes(grown.SerializeToString())


def renewed(model: bytes, chosen: bytes) -> bytes:
    """A SentencePiece model with the phrases of another one, `chosen`, in the places of its own phrases that `chosen` lacks.

    Everything else keeps its id, so that a base goes on from what it knows: pieces of one word, frames, pieces that no text can spell.
    Phrases that find no place are the rarest; a place that is left keeps its phrase, which no text asks for.
    """
    known = model_format.ModelProto.FromString(model)  # type: ignore[attr-defined]
    wanted = {piece.piece: piece.score for piece in model_format.ModelProto.FromString(chosen).pieces if is_phrase(piece.piece)}  # type: ignore[attr-defined]
    kept = {piece.piece for piece in known.pieces if piece.piece in wanted}
    left = iter(sorted(wanted.keys() - kept, key=lambda phrase: (-wanted[phrase], phrase)))
    for piece in known.pieces:
        if is_phrase(piece.piece):
            piece.piece = piece.piece if piece.piece in kept else next(left, piece.piece)
            piece.score = wanted.get(piece.piece, UNWANTED)
    return bytes(known.SerializeToString())


def is_phrase(piece: str) -> bool:
    """Whether a piece is several words to be written; frames, which are declared, are none."""
    return SPACE in piece[1:] and piece not in declared_frames()


def vocabulary_from_pairs(options: VocabularyOptions, log: Callable[[str], None]) -> None:
    """`promptopt-train vocabulary`: pieces for what the rewrites spell, and the words that the prompts are made of."""
    everything = read_pairs(options.data_path)
    pairs = everything[: options.pairs]
    lines = [line for line in spelled_lines(pairs) if len(line) < LONGEST_LINE]
    words = list(read_words(pair.prompt for pair in pairs if pair.prompt != pair.rewrite))
    random.Random(0).shuffle(words)
    model = train_vocabulary(lines, words[: len(lines) // 2], options.size)
    if options.init:
        model = renewed(options.init.read_bytes(), model)
    frequent = options.frequent.read_text(encoding="utf-8").split() if options.frequent else []
    prompts = (pair.prompt for pair in everything if pair.prompt != pair.rewrite)
    grown = with_words(model, common_words(prompts, frequent), options.words)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_bytes(grown)
    log(f"vocabulary of {len(Vocabulary(options.output))} pieces in {options.output}")

"""A codec with the limits of Flan-T5's vocabulary: white space is folded, and some characters have no piece."""

import io
from pathlib import Path

import sentencepiece

from promptopt.codec import Codec, Table
from promptopt.vocabulary import Vocabulary

T5_TABLE = Table(
    prompt="<extra_id_0>",
    glue="<extra_id_1>",
    capital="<extra_id_2>",
    escape="<extra_id_3>",
    line_break="<extra_id_4>",
    pointers=tuple(f"<extra_id_{number}>" for number in range(5, 100)),
    points_at="spans",
)
LINES = (
    "Act as a careful engineer who writes small functions.",
    "Context: the function is called by other code, without anyone reading it.",
    "Task: create a function that sorts the list of names (and only names).",
    "Constraints: name the language; return the result, do not print it!",
    "Steps: 1. write the signature 2. list the edge cases 3. write the body",
    "Goal: a function that can be called and trusted; 100% covered, at $5 > $4?",
)


def t5_codec(folder: Path) -> Codec:
    """Trains a tiny vocabulary with T5's own settings in `folder` and puts T5's hundred sentinels to use."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(LINES * 20),
        model_writer=model,
        model_type="unigram",
        vocab_size=160,
        hard_vocab_limit=False,
        normalization_rule_name="nmt_nfkc",
        character_coverage=1.0,
        required_chars="0123456789abcdefghijklmnopqrstuvwxyz.,:;!?()>'\"/-_é",
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        minloglevel=2,
    )
    path = folder / "spiece.model"
    path.write_bytes(model.getvalue())
    return Codec(Vocabulary(path, extra_ids=100), T5_TABLE)

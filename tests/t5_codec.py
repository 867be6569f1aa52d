"""A codec with the limits of Flan-T5's vocabulary: white space is folded, and some characters have no piece."""

import io
from collections.abc import Sequence
from pathlib import Path

import sentencepiece

from promptopt.codec import Codec
from promptopt.vocabulary import Vocabulary
from promptopt_training.bases import FLAN_TABLE, SENTINELS

LINES = (
    "Act as a careful engineer who writes small functions.",
    "Context: the function is called by other code, without anyone reading it.",
    "Task: create a function that sorts the list of names (and only names).",
    "Constraints: name the language; return the result, do not print it!",
    "Steps: 1. write the signature 2. list the edge cases 3. write the body",
    "Goal: a function that can be called and trusted; 100% covered, at $5 > $4?",
)


def t5_vocabulary(path: Path, lines: Sequence[str] = LINES * 20, size: int = 160) -> Path:
    """Trains a tiny vocabulary with T5's own settings and writes it to `path`."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=model,
        model_type="unigram",
        vocab_size=size,
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
    path.write_bytes(model.getvalue())
    return path


def t5_codec(vocabulary: Path) -> Codec:
    """A vocabulary of T5's kind, T5's hundred sentinels put to use."""
    return Codec(Vocabulary(vocabulary, extra_ids=SENTINELS), FLAN_TABLE)

"""Text to ids and back, losing nothing: what the network must not change, it points at instead of retyping.

One piece of the vocabulary stands for the whole prompt. Others, the pointers, stand for its units: for words and protected spans in a
vocabulary with many pointers (then a pair of pointers means "from this unit to that one"), for protected spans alone where there are
few (then one pointer means "this span"). Decoding puts the writer's own characters back.
"""

from promptopt.codec.codec import END, PAD, RARE, Codec
from promptopt.codec.decoder import Decoder
from promptopt.codec.phrases import capitalised, needs_space, prompt_place
from promptopt.codec.plain import PlainCodec
from promptopt.codec.table import Table

__all__ = ["END", "PAD", "RARE", "Codec", "Decoder", "PlainCodec", "Table", "capitalised", "needs_space", "prompt_place"]

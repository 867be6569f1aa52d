"""The network in plain numpy, float32: runs where the native engine is not there, and is what that one is compared with."""

import math
import threading
from collections.abc import Iterator, Sequence

import numpy as np

from promptopt.codec import END
from promptopt.engine.modelfile import Matrix, ModelFile, Shape, damaged
from promptopt.engine.protocol import Decoding, Token
from promptopt.engine.sampling import Chooser

Pair = tuple[Matrix, Matrix]


class PortableEngine:
    """Runs a compiled model with numpy. Any number of calls at a time."""

    def __init__(self, model: ModelFile) -> None:
        """Raises DamagedModel when the model does not fit its own shape."""
        check_fit(model)
        self._shape = model.shape
        self._weights = {name: model.read(name) for name in model.tensors}
        self._head = self._weights.get("head", self._weights["embedding"])
        self._quantization = model.quantization

    @property
    def name(self) -> str:
        """Engine and how its weights were kept."""
        return f"promptopt portable (numpy {np.__version__}), {self._quantization}"

    def stream(self, source: Sequence[int], decoding: Decoding, stop: threading.Event) -> Iterator[Token]:
        """See `Engine.stream`."""
        memory = self._encode(source)
        cross = [self._split(memory @ self._weights[f"decoder.{layer}.cross.kv"].T, 2) for layer in range(self._shape.decoder_layers)]
        empty = np.zeros((self._shape.heads, 0, self._shape.d_kv), np.float32)
        past: list[Pair] = [(empty, empty) for _ in cross]
        chooser, piece = Chooser(decoding, source), self._shape.start
        head = self._head[: decoding.written or None]
        for _ in range(decoding.limit):
            if stop.is_set():
                return
            token = chooser.choose(head @ self._decode(piece, past, cross))
            yield token
            if token.id == END:
                return
            piece = token.id

    def batch(self, sources: Sequence[Sequence[int]], decoding: Decoding, stop: threading.Event) -> list[list[Token]]:
        """See `Engine.batch`; one after the other."""
        return [list(self.stream(source, decoding, stop)) for source in sources]

    def _encode(self, source: Sequence[int]) -> Matrix:
        """What the encoder makes of a prompt, shape [positions, d_model]."""
        x = self._weights["embedding"][list(source)]
        for number in range(self._shape.encoder_layers):
            layer = f"encoder.{number}"
            queries, keys, values = self._split(self._normed(x, f"{layer}.self.norm") @ self._weights[f"{layer}.self.qkv"].T, 3)
            x = x + self._attended(queries, keys, values, self._bias("encoder", len(x), len(x)), f"{layer}.self.o")
            x = x + self._fed_forward(x, layer)
        return self._normed(x, "encoder.norm")

    def _decode(self, piece: int, past: list[Pair], cross: Sequence[Matrix]) -> Matrix:
        """What the head makes the logits of what follows `piece` of, shape [d_model]; its keys and values are added to `past`."""
        x = self._weights["embedding"][[piece]]
        for number in range(self._shape.decoder_layers):
            layer = f"decoder.{number}"
            queries, key, value = self._split(self._normed(x, f"{layer}.self.norm") @ self._weights[f"{layer}.self.qkv"].T, 3)
            keys, values = past[number] = np.concatenate([past[number][0], key], 1), np.concatenate([past[number][1], value], 1)
            x = x + self._attended(queries, keys, values, self._bias("decoder", 1, keys.shape[1]), f"{layer}.self.o")
            [queries] = self._split(self._normed(x, f"{layer}.cross.norm") @ self._weights[f"{layer}.cross.q"].T, 1)
            x = x + self._attended(queries, cross[number][0], cross[number][1], 0.0, f"{layer}.cross.o")
            x = x + self._fed_forward(x, layer)
        state: Matrix = self._normed(x, "decoder.norm")[0]
        return state

    def _attended(self, queries: Matrix, keys: Matrix, values: Matrix, bias: Matrix | float, output: str) -> Matrix:
        """Attention of all heads; arguments have shape [heads, positions, d_kv], the result [positions, d_model]."""
        scores = queries @ keys.transpose(0, 2, 1) + bias
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        weights /= weights.sum(-1, keepdims=True)
        together: Matrix = (weights @ values).transpose(1, 0, 2).reshape(queries.shape[1], -1)
        out: Matrix = together @ self._weights[output].T
        return out

    def _bias(self, stack: str, queries: int, keys: int) -> Matrix:
        """Shape [heads, queries, keys]; the last query stands at the last key."""
        distance = self._shape.distance
        relative = np.arange(keys)[None, :] - np.arange(keys - queries, keys)[:, None]
        bias: Matrix = self._weights[f"{stack}.bias"][:, np.clip(relative, -distance, distance) + distance]
        return bias

    def _fed_forward(self, x: Matrix, layer: str) -> Matrix:
        inner = self._normed(x, f"{layer}.norm") @ self._weights[f"{layer}.in"].T
        size = self._shape.d_ff
        active = _ACTIVATIONS[self._shape.activation](inner[:, :size])
        if self._shape.gated:
            active = active * inner[:, size:]
        fed: Matrix = active @ self._weights[f"{layer}.out"].T
        return fed

    def _normed(self, x: Matrix, name: str) -> Matrix:
        """Root-mean-square normalisation (Zhang and Sennrich, 2019)."""
        scale = np.sqrt((x * x).mean(-1, keepdims=True) + np.float32(self._shape.epsilon))
        normed: Matrix = self._weights[name] * (x / scale)
        return normed

    def _split(self, x: Matrix, parts: int) -> Matrix:
        """[positions, parts * heads * d_kv] as [parts, heads, positions, d_kv]."""
        return x.reshape(len(x), parts, self._shape.heads, self._shape.d_kv).transpose(1, 2, 0, 3)


def check_fit(model: ModelFile) -> None:
    """Raises DamagedModel naming a tensor that the network needs and the model lacks or has in another shape."""
    for name, rows, columns in sizes(model.shape):
        tensor = model.tensors.get(name)
        if tensor is None and name != "head":
            raise damaged(model.path, f"{name} is missing")
        if tensor is not None and (tensor.rows, tensor.columns) != (rows, columns):
            raise damaged(model.path, f"{name} is of another shape than the network")


def sizes(shape: Shape) -> Iterator[tuple[str, int, int]]:
    """Name, rows and columns of every tensor of a network of this shape; "head" is there only where it is not the embedding."""
    d, inner, wide = shape.d_model, shape.heads * shape.d_kv, (2 if shape.gated else 1) * shape.d_ff
    yield from (("embedding", shape.vocabulary, d), ("head", shape.vocabulary, d))
    yield from (("encoder.bias", shape.heads, 2 * shape.distance + 1), ("decoder.bias", shape.heads, shape.distance + 1))
    yield from (("encoder.norm", 1, d), ("decoder.norm", 1, d))
    for stack, layers in (("encoder", shape.encoder_layers), ("decoder", shape.decoder_layers)):
        for layer in (f"{stack}.{number}" for number in range(layers)):
            yield from ((f"{layer}.self.qkv", 3 * inner, d), (f"{layer}.self.o", d, inner), (f"{layer}.self.norm", 1, d))
            if stack == "decoder":
                yield from ((f"{layer}.cross.q", inner, d), (f"{layer}.cross.kv", 2 * inner, d))
                yield from ((f"{layer}.cross.o", d, inner), (f"{layer}.cross.norm", 1, d))
            yield from ((f"{layer}.in", wide, d), (f"{layer}.out", d, shape.d_ff), (f"{layer}.norm", 1, d))


def _relu(x: Matrix) -> Matrix:
    return np.maximum(x, 0)


def _gelu(x: Matrix) -> Matrix:
    active: Matrix = x * np.float32(0.5) * (1 + np.vectorize(math.erf, otypes=[np.float32])(x * np.float32(0.5**0.5)))
    return active


def _gelu_new(x: Matrix) -> Matrix:
    """The approximation by tanh (Hendrycks and Gimpel, 2016)."""
    active: Matrix = x * np.float32(0.5) * (1 + np.tanh(np.float32((2 / np.pi) ** 0.5) * (x + np.float32(0.044715) * x**3)))
    return active


_ACTIVATIONS = {"relu": _relu, "gelu": _gelu, "gelu_new": _gelu_new}

"""Small stand-ins for the network, shared by the tests."""

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

from promptopt.bundle import Calibration, Manifest, base_folder
from promptopt.codec import END, Codec
from promptopt.engine.loader import Model
from promptopt.engine.protocol import Decoding, Token
from promptopt.optimizer import Optimizer
from promptopt.settings import Settings
from promptopt.vocabulary import Vocabulary
from promptopt_training.vocabulary import REWRITE, TABLE

LEAD = "Act as a tester.\n\nTask:"
TAIL = "\n\nGoal: A passing test."


class FakeEngine:
    """Writes the same rewrite round every prompt, one piece each `delay` seconds; counts what it was asked."""

    name = "fake"

    def __init__(self, codec: Codec, delay: float = 0.0, ids: Sequence[int] | None = None, log_prob: float = -0.1) -> None:
        self._ids = list(ids) if ids is not None else [*codec.plain(LEAD), codec.prompt, *codec.plain(TAIL), END]
        self._delay = delay
        self._log_prob = log_prob
        self.calls: list[tuple[list[int], Decoding]] = []
        self.written = 0

    def stream(self, source: Sequence[int], decoding: Decoding, stop: threading.Event) -> Iterator[Token]:
        self.calls.append((list(source), decoding))
        for index in self._ids[: decoding.limit]:
            time.sleep(self._delay)
            if stop.is_set():
                return
            self.written += 1
            yield Token(index, self._log_prob)

    def batch(self, sources: Sequence[Sequence[int]], decoding: Decoding, stop: threading.Event) -> list[list[Token]]:
        return [list(self.stream(source, decoding, stop)) for source in sources]


def fake_rewrite(prompt: str) -> str:
    """What `FakeEngine` makes of a prompt."""
    return f"{LEAD} {prompt}{TAIL}"


def vocabulary() -> Vocabulary:
    """The vocabulary that ships with the package."""
    return Vocabulary(base_folder("promptopt-mini", ("spiece.model",)) / "spiece.model")


def mini_codec() -> Codec:
    """The codec of the embedded model."""
    known = vocabulary()
    return Codec(known, TABLE, [known.id(REWRITE)])


def manifest(**changes: object) -> Manifest:
    """A manifest for the embedded base."""
    made = Manifest(
        base="promptopt-mini",
        base_sha256="",
        style="golden",
        prefix=(REWRITE,),
        codec=TABLE,
        read_limit=512,
        write_limit=320,
        temperature=0.7,
        calibration=Calibration(1.0, 0.0),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def fake_model(delay: float = 0.0) -> Model:
    """A model that needs no weights."""
    codec = mini_codec()
    return Model(manifest(), codec, FakeEngine(codec, delay))


def fake_optimizer(delay: float = 0.0) -> Optimizer:
    """An optimizer on the fake engine."""
    return Optimizer(Settings(), lambda settings: fake_model(delay))

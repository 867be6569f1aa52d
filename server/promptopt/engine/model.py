"""A model on this machine: text, codec, engine, codec, text."""

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace

from promptopt.bundle import Calibration, Manifest
from promptopt.codec import END, Codec, PlainCodec
from promptopt.engine.protocol import Decoding, Engine, Token
from promptopt.engine.rewriter import Progress, Report, Written
from promptopt.errors import Cancelled, InvalidInput, RewriteFailed
from promptopt.form import in_form

DRAWS = 5
"Further rewrites at most that are drawn where the likeliest one is out of form or in doubt."
WARMER = 0.1
"By so much of the adapter's temperature each of them is drawn warmer than the one before."


@dataclass(frozen=True)
class Model:
    """All that a rewrite needs: what the adapter says of itself, its codec, and the network. A Rewriter."""

    manifest: Manifest
    codec: Codec | PlainCodec
    engine: Engine

    @property
    def name(self) -> str:
        """What runs the network, for people."""
        return self.engine.name

    def rewrite(self, prompt: str, stop: threading.Event, report: Report | None) -> Written:
        """The likeliest rewrite, or a drawn one where that is out of form or in doubt. See Rewriter."""
        return self._sound(prompt, self._rewrite(prompt, self._decoding(), stop, report), stop)

    def variants(self, prompt: str, count: int, stop: threading.Event) -> list[Written]:
        """The rewrite and others drawn at the adapter's temperature; drawn ones that fail or are out of form are left out. See Rewriter."""
        found = [self.rewrite(prompt, stop, None)]
        for seed in range(1, 3 * count):
            if len(found) == count:
                break
            drawn = self._drawn(prompt, self._decoding(self.manifest.temperature, seed), stop)
            if drawn and all(drawn.text != other.text for other in found):
                found.append(drawn)
        return sorted(found, key=lambda written: -written.confidence)

    def batch(self, prompts: Sequence[str], stop: threading.Event) -> list[Written | RewriteFailed | InvalidInput]:
        """See Rewriter."""
        sources = [self.codec.encode_prompt(prompt, self.manifest.read_limit) for prompt in prompts]
        written = self.engine.batch(sources, self._decoding(), stop)
        if stop.is_set():
            raise Cancelled("The rewrites were cancelled.")
        return [self._outcome(prompt, tokens, stop) for prompt, tokens in zip(prompts, written, strict=True)]

    def _sound(self, prompt: str, written: Written, stop: threading.Event) -> Written:
        """`written` where it is in form and beyond doubt, else the first draw that is both, else the surest of those in form.

        Where none is in form, `written` stands.
        """
        found = [written] if self._in_form(prompt, written) else []
        for number in range(DRAWS):
            if found and not self._doubtful(found[-1]):
                return found[-1]
            drawn = self._drawn(prompt, self._decoding(self.manifest.temperature * (1 + WARMER * number), number + 1), stop)
            found += [drawn] if drawn else []
        return max(found, key=lambda one: one.confidence, default=written)

    def _drawn(self, prompt: str, decoding: Decoding, stop: threading.Event) -> Written | None:
        """A drawn rewrite, None where it fails or is out of form."""
        try:
            written = self._rewrite(prompt, decoding, stop, None)
        except RewriteFailed:
            return None
        return written if self._in_form(prompt, written) else None

    def _doubtful(self, written: Written) -> bool:
        doubt = self.manifest.doubt
        return doubt is not None and written.confidence < confidence(doubt, self.manifest.calibration)

    def _in_form(self, prompt: str, written: Written) -> bool:
        return in_form(prompt, written.text, self.manifest.headings)

    def _rewrite(self, prompt: str, decoding: Decoding, stop: threading.Event, report: Report | None) -> Written:
        source = self.codec.encode_prompt(prompt, self.manifest.read_limit)
        decoder = self.codec.decoder(prompt)
        tokens: list[Token] = []
        for token in self.engine.stream(source, decoding, stop):
            tokens.append(token)
            if report and token.id != END:
                decoder.push(token.id)
                report(Progress(decoder.text, len(tokens)))
        if stop.is_set():
            raise Cancelled("The rewrite was cancelled.")
        return self._finished(prompt, tokens)

    def _decoding(self, temperature: float = 0.0, seed: int = 0) -> Decoding:
        return replace(decoding_of(self.manifest, self.codec), temperature=temperature, seed=seed)

    def _outcome(self, prompt: str, tokens: Sequence[Token], stop: threading.Event) -> Written | RewriteFailed | InvalidInput:
        try:
            return self._sound(prompt, self._finished(prompt, tokens), stop)
        except RewriteFailed as error:
            return error

    def _finished(self, prompt: str, tokens: Sequence[Token]) -> Written:
        """The rewrite that `tokens` stand for. Raises RewriteFailed when they stand for none."""
        if not tokens or tokens[-1].id != END:
            raise RewriteFailed(
                f"The network did not come to an end within {self.manifest.write_limit} pieces.",
                "Shorten the prompt or say it differently.",
            )
        text = self.codec.decode(prompt, [token.id for token in tokens])
        mean = sum(token.log_prob for token in tokens) / len(tokens)
        return Written(text, confidence(mean, self.manifest.calibration), len(tokens))


def decoding_of(manifest: Manifest, codec: Codec | PlainCodec) -> Decoding:
    """The likeliest pieces within the limits of an adapter, and so that its codec can read them."""
    return Decoding(manifest.write_limit, copied=codec.pointers, paired=codec.paired, once=codec.once, written=manifest.written)


def confidence(mean_log_prob: float, calibration: Calibration | None) -> float:
    """The mean probability of a piece (geometric mean), calibrated where a calibration is known."""
    if calibration is None:
        return min(1.0, math.exp(mean_log_prob))
    return (1 + math.tanh((calibration.slope * mean_log_prob + calibration.intercept) / 2)) / 2

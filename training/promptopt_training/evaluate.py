"""Runs an optimizer over prompts it never saw, measures every rewrite, and does the same with the fixed template."""

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from tqdm import tqdm

from promptopt.adapters.locate import access_for, find
from promptopt.adapters.names import ADAPTER
from promptopt.bundle import manifest_of
from promptopt.errors import InvalidInput, RewriteFailed
from promptopt.settings import Settings
from promptopt.units import protected_spans
from promptopt_training import measures
from promptopt_training.calibrate import expected_calibration_error
from promptopt_training.fit import covered, persona_fits
from promptopt_training.records import read_lines
from promptopt_training.template import Template

GOLDEN = "golden"
LENGTH_BANDS = ((5, "1-5"), (12, "6-12"), (25, "13-25"), (60, "26-60"))
LONGEST_BAND = "over 60"


class Rewrite(Protocol):
    """What an optimizer gives for a prompt."""

    @property
    def text(self) -> str:
        """The rewritten prompt."""

    @property
    def confidence(self) -> float:
        """How likely the rewrite is good, 0 to 1."""

    @property
    def tokens(self) -> int:
        """Pieces written."""

    @property
    def seconds(self) -> float:
        """Time taken."""


class Optimizer(Protocol):
    """Rewrites one prompt, or raises RewriteFailed; InvalidInput for a prompt that it does not take."""

    def optimize(self, prompt: str) -> Rewrite:
        """The rewrite of a prompt."""


@dataclass(frozen=True)
class EvaluationPrompt:
    """A prompt and the set it comes from.

    id: its name in a file of labels.  missing: what it leaves open, where somebody wrote that down.
    fits: stems of words that a fitting persona may hold, from the labels.
    """

    text: str
    source: str = ""
    id: str = ""
    missing: tuple[str, ...] = ()
    fits: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What became of one prompt: a rewrite with what is wrong with it, or None and the reason why it was rejected.

    problems: what is wrong with the form; None where the adapter writes another one than the golden, as only that can be judged.
    stable: whether the rewrite, given again, came back as it was; None where that was not tried.
    """

    prompt: EvaluationPrompt
    rewrite: Rewrite | None
    rejection: str = ""
    problems: Sequence[str] | None = ()
    faults: Mapping[str, Sequence[str]] = field(default_factory=dict)
    stable: bool | None = None

    @property
    def good(self) -> bool:
        """Whether there is a rewrite and nothing to say against it."""
        return self.rewrite is not None and not self.problems and not self.faults


@dataclass(frozen=True)
class Figures:
    """The figures of a set of outcomes; None where there is nothing to count.

    rejected, form and verbatim are shares of all prompts; form and persona are known of the golden form alone. spans of the
    rewrites whose prompt has protected spans; numbers, urls, names (invented) and repeated of all rewrites; idempotent of the
    rewrites tried again; kept of the prompts that already were structured. recall_outside_task: the prompt's words taken up in
    the network's own text. calibration_error: mean distance between confidence and share of good rewrites (expected
    calibration error). persona: share of all labelled prompts whose persona fits. covered: share of the missing details that
    are raised.
    """

    prompts: int
    rejected: float | None
    form: float | None
    verbatim: float | None
    spans: float | None
    numbers: float | None
    urls: float | None
    names: float | None
    repeated: float | None
    distinct: float | None
    idempotent: float | None
    kept: float | None
    length_ratio: float | None
    recall: float | None
    recall_outside_task: float | None
    persona: float | None = None
    covered: float | None = None
    confidence: float | None = None
    calibration_error: float | None = None
    tokens: float | None = None
    seconds_p50: float | None = None
    seconds_p95: float | None = None


@dataclass(frozen=True)
class Groups:
    """The figures of all prompts, of each source and of each length band that occurs."""

    overall: Figures
    by_source: Mapping[str, Figures]
    by_length: Mapping[str, Figures]


@dataclass(frozen=True)
class Report:
    """The outcomes of an optimizer in the order of the prompts, its figures, and the template's on the same prompts."""

    outcomes: Sequence[Outcome]
    optimizer: Groups
    template: Groups


def read_prompts(path: Path, labels: Path | None = None) -> list[EvaluationPrompt]:
    """The prompts of a JSON lines file of {"text", "source"?, "id"?, "missing"?}, with the labels {"id", "fits"} of another.

    Raises InvalidInput naming bad rows by their line.
    """
    prompts = read_lines(path, _prompt)
    if not prompts:
        raise InvalidInput(f"{path} holds no prompts.", 'It should hold JSON lines of {"text": …}.')
    fits = dict(read_lines(labels, _label)) if labels else {}
    return [replace(prompt, fits=fits.get(prompt.id, ())) for prompt in prompts]


def writes_golden(settings: Settings) -> bool:
    """Whether the adapter of the settings was made to write the golden form. Raises BundleError or HubError as the first rewrite would."""
    return manifest_of(find(settings.adapter, ADAPTER, access_for(settings)).folder).style == GOLDEN


def evaluate(prompts: Sequence[EvaluationPrompt], optimizer: Optimizer, golden: bool = True) -> Report:
    """The report on an optimizer, which writes the golden form or not; each rewrite is given to it again."""
    outcomes = rewritten(prompts, optimizer, golden)
    outcomes = [replace(outcome, stable=_comes_back(outcome, optimizer)) for outcome in tqdm(outcomes, desc="rewriting again")]
    null = [_outcome(prompt, Template()) for prompt in prompts]
    null = [replace(outcome, stable=_comes_back(outcome, Template())) for outcome in null]
    return Report(outcomes, groups(outcomes), groups(null))


def rewritten(prompts: Sequence[EvaluationPrompt], optimizer: Optimizer, golden: bool = True) -> list[Outcome]:
    """The outcome of every prompt, given to the optimizer once."""
    outcomes = [_outcome(prompt, optimizer) for prompt in tqdm(prompts, desc="rewriting")]
    return outcomes if golden else [_in_another_form(outcome) for outcome in outcomes]


def groups(outcomes: Sequence[Outcome]) -> Groups:
    """The figures of all outcomes, by source in alphabetical order, by length from short to long."""
    sources = sorted({outcome.prompt.source for outcome in outcomes})
    bands = [name for _, name in LENGTH_BANDS] + [LONGEST_BAND]
    by_length = {band: [outcome for outcome in outcomes if length_band(outcome.prompt.text) == band] for band in bands}
    return Groups(
        overall=figures_of(outcomes),
        by_source={name: figures_of([item for item in outcomes if item.prompt.source == name]) for name in sources},
        by_length={band: figures_of(members) for band, members in by_length.items() if members},
    )


def figures_of(outcomes: Sequence[Outcome]) -> Figures:
    """The figures of a set of outcomes."""
    done = [(outcome, outcome.rewrite) for outcome in outcomes if outcome.rewrite is not None]
    texts = [(outcome.prompt.text, rewrite.text) for outcome, rewrite in done]
    written = [(prompt, measures.outside_task(prompt, text)) for prompt, text in texts]
    kept = [text == prompt for prompt, text in _texts(outcomes) if measures.structured(prompt)]
    seconds = sorted(rewrite.seconds for _, rewrite in done)
    confidences = [rewrite.confidence for _, rewrite in done]

    def share_with(kind: str) -> float | None:
        return share(kind in outcome.faults for outcome, _ in done)

    return Figures(
        prompts=len(outcomes),
        rejected=share(outcome.rewrite is None for outcome in outcomes),
        form=share(outcome.rewrite is not None and not outcome.problems for outcome in outcomes if outcome.problems is not None),
        verbatim=share(text is not None and measures.verbatim(prompt, text) for prompt, text in _texts(outcomes)),
        spans=share("lost span" not in outcome.faults for outcome, _ in done if protected_spans(outcome.prompt.text)),
        numbers=share_with("invented number"),
        urls=share_with("invented URL"),
        names=share_with("invented name"),
        repeated=share_with("repeated line"),
        distinct=measures.distinct_share([text for _, text in texts]),
        idempotent=share(outcome.stable for outcome in outcomes if outcome.stable is not None),
        kept=share(kept),
        length_ratio=_of(statistics.median, [measures.length_ratio(*pair) for pair in texts]),
        recall=_of(statistics.fmean, [measures.content_recall(*pair) for pair in texts]),
        recall_outside_task=_of(statistics.fmean, [measures.content_recall(*pair) for pair in written]),
        persona=share(_persona_fits(outcome) for outcome in outcomes if outcome.prompt.fits and outcome.problems is not None),
        covered=share(raised for outcome in outcomes for raised in _covered(outcome)),
        confidence=_of(statistics.fmean, confidences),
        calibration_error=_of(lambda rated: expected_calibration_error(rated, [outcome.good for outcome, _ in done]), confidences),
        tokens=_of(statistics.fmean, [float(rewrite.tokens) for _, rewrite in done]),
        seconds_p50=percentile(seconds, 0.5),
        seconds_p95=percentile(seconds, 0.95),
    )


def length_band(text: str) -> str:
    """The length band of a prompt, by its words."""
    words = len(text.split())
    return next((name for most, name in LENGTH_BANDS if words <= most), LONGEST_BAND)


def share(holds: Iterable[bool]) -> float | None:
    """The share of what holds; None of nothing."""
    found = list(holds)
    return sum(found) / len(found) if found else None


def percentile(values: Sequence[float], part: float) -> float | None:
    """The smallest of the sorted values that `part` of them do not exceed; None of none."""
    return values[max(0, math.ceil(part * len(values)) - 1)] if values else None


def _prompt(row: Any) -> EvaluationPrompt:
    if not isinstance(row, dict):
        raise ValueError("not an object")
    text, source, name = row.get("text"), row.get("source", ""), row.get("id", "")
    if not isinstance(text, str) or not text.strip():
        raise ValueError('"text" is missing, empty or not a string')
    for key, value in (("source", source), ("id", name)):
        if not isinstance(value, str):
            raise ValueError(f'"{key}" is not a string')
    return EvaluationPrompt(text, source, name, _strings(row, "missing"))


def _label(row: Any) -> tuple[str, tuple[str, ...]]:
    if not isinstance(row, dict) or not isinstance(row.get("id"), str):
        raise ValueError('"id" is missing or not a string')
    return row["id"], _strings(row, "fits")


def _strings(row: Mapping[str, Any], key: str) -> tuple[str, ...]:
    values = row.get(key, [])
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError(f'"{key}" is not a list of strings')
    return tuple(values)


def _persona_fits(outcome: Outcome) -> bool:
    rewrite = outcome.rewrite
    return rewrite is not None and persona_fits(outcome.prompt.text, rewrite.text, outcome.prompt.fits)


def _covered(outcome: Outcome) -> list[bool]:
    """A rejected rewrite raises none of the missing details."""
    text = outcome.rewrite.text if outcome.rewrite else outcome.prompt.text
    return covered(outcome.prompt.text, text, outcome.prompt.missing)


def _outcome(prompt: EvaluationPrompt, optimizer: Optimizer) -> Outcome:
    try:
        rewrite = optimizer.optimize(prompt.text)
    except (RewriteFailed, InvalidInput) as error:
        return Outcome(prompt, None, rejection=error.message)
    given, text = prompt.text, rewrite.text
    return Outcome(prompt, rewrite, problems=measures.problems(given, text), faults=measures.faults(given, text))


def _in_another_form(outcome: Outcome) -> Outcome:
    """An outcome whose form cannot be judged, but that has to hold the prompt word for word; the golden form has a place for it."""
    prompt, rewrite = outcome.prompt.text, outcome.rewrite
    lost = {} if rewrite is None or measures.verbatim(prompt, rewrite.text) else {"not word for word": [prompt]}
    return replace(outcome, problems=None, faults={**outcome.faults, **lost})


def _comes_back(outcome: Outcome, optimizer: Optimizer) -> bool | None:
    if outcome.rewrite is None:
        return None
    try:
        return optimizer.optimize(outcome.rewrite.text).text == outcome.rewrite.text
    except (RewriteFailed, InvalidInput):
        return False


def _texts(outcomes: Iterable[Outcome]) -> list[tuple[str, str | None]]:
    return [(outcome.prompt.text, outcome.rewrite.text if outcome.rewrite else None) for outcome in outcomes]


def _of(statistic: Callable[[Sequence[float]], float], values: Sequence[float]) -> float | None:
    return statistic(values) if values else None

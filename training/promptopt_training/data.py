"""Composes training pairs: the golden ones an adapter learns from, and the many a base is pre-trained on."""

import random
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import chain, islice
from multiprocessing import get_context
from pathlib import Path

from tqdm import tqdm

from promptopt.bundle import VOCABULARY, base_folder
from promptopt.codec import Codec
from promptopt.errors import InvalidInput
from promptopt.vocabulary import Vocabulary
from promptopt_training.corpus import encode_pairs
from promptopt_training.golden.compose import compose
from promptopt_training.golden.general import Mistake, stand_in
from promptopt_training.golden.knowledge import Entry, KnowledgeError, entries
from promptopt_training.golden.layouts import LAYOUTS
from promptopt_training.golden.phrasings import drawn, phrasings
from promptopt_training.inputs import (
    Input,
    Read,
    apart_from,
    capped,
    cut_short,
    example_inputs,
    kept,
    mistyped,
    read_inputs,
    with_remarks,
)
from promptopt_training.labels import Embedder, Label, nearest_entries, read_labels, sentence_embedder
from promptopt_training.measures import form_problems
from promptopt_training.options import DataOptions
from promptopt_training.records import Pair, write_pairs
from promptopt_training.vocabulary import REWRITE, TABLE

UNCHANGED_SHARE = 0.05
MISTYPED_SHARE, REMARK_SHARE, SHORT_SHARE = 0.22, 0.18, 0.08
LONGEST_REMARKED = 40
PART = 1000
"Pairs that one process composes at a time."
CODE = ("code", "quality", "web", "data_ops")
DAILY = ("life", "study_work", "writing")
DOMAINS = {
    "gpteacher_codegen": CODE,
    "mbpp_train": ("code",),
    "clinc150": DAILY,
    "gpteacher_roleplay": DAILY,
    "onet_task": (*DAILY, "engineering"),
    "onet_dwa": (*DAILY, "engineering"),
}
THRESHOLD = 0.33
THRESHOLDS = {"awesome_act": 0.42, "onet_task": 0.42, "onet_dwa": 0.42, "clinc150": 0.40}
WEIGHTS = {"example": 4, "phrasing": 8, "mbpp_train": 4, "in3_train": 4, "self_instruct_seed": 6, "gpteacher_roleplay": 2}
STYLES = {"golden": 6, "markdown": 2, "xml": 2, "concise": 2}


def composed(prompt: str, entry: Entry, style: str, subject: str = "", mistakable: Mistake = Mistake.NONE) -> Pair:
    """The pair of `prompt` and its structured form in one layout; a `mistakable` one gets what several kinds of task have in common."""
    entry = stand_in(entry.name, mistakable) if mistakable else entry
    parts = compose(prompt, entry, subject)
    return Pair(prompt, LAYOUTS[style](parts), style, entry.name, parts.topic)


def unchanged(pair: Pair) -> Pair:
    """The lesson that a structured prompt comes back as it is."""
    return Pair(pair.rewrite, pair.rewrite, pair.style, pair.entry)


def golden_pairs(size: int, seed: int, style: str = "golden") -> list[Pair]:
    """`size` different pairs of one style from the knowledge base alone; the same for the same seed.

    About one in twenty is an already structured prompt that stays as it is. Raises ValueError when there are not that many.
    """
    rng = random.Random(seed)
    knowledge = entries()
    examples = list(example_inputs(knowledge))
    rng.shuffle(examples)
    found: dict[str, Pair] = {}
    for _ in range(20):
        for example in examples:
            if len(found) == size:
                return list(found.values())
            prompt, subject = varied(example, rng)
            pair = composed(prompt, knowledge[example.entry], style, subject, example.mistakable)
            if rng.random() < UNCHANGED_SHARE:
                pair = unchanged(pair)
            found.setdefault(pair.prompt, pair)
    raise ValueError(f"only {len(found)} different pairs can be composed, {size} were asked for")


def labelled(inputs: Sequence[Input], seed: int, embed: Embedder, read: Mapping[str, Label]) -> list[Read]:
    """Every input that an entry of the knowledge base fits, the large one-sided sets capped.

    `read` has the labels of inputs that somebody has read, by their ids.
    """
    knowledge = entries()
    labels = ((item, read[item.id]) for item in inputs if item.id in read)
    found = [Read(item.text, item.source, label.entry, label.subject, label.mistakable) for item, label in labels if label.entry]
    chosen = capped([item for item in inputs if item.id not in read], seed)
    for source in sorted({item.source for item in chosen}):
        domains, threshold = DOMAINS.get(source), THRESHOLDS.get(source, THRESHOLD)
        choices = {name: entry for name, entry in knowledge.items() if domains is None or name.split("/")[0] in domains}
        texts = [item.text for item in chosen if item.source == source]
        nearest = nearest_entries(texts, choices, embed)
        found += [Read(text, source, name) for text, (name, score) in zip(texts, nearest, strict=True) if score >= threshold]
    return found


def pretraining_pairs(size: int, seed: int, inputs: Sequence[Read], jobs: int = 1) -> Iterator[Pair]:
    """`size` pairs over labelled inputs and the knowledge base's examples and phrasings, in every layout; the same for the same seed.

    With more `jobs` as many processes compose them, and the pairs are those of one.
    """
    knowledge = entries()
    pool = [*inputs, *example_inputs(knowledge)]
    pool += [Read(pattern, "phrasing", name) for name, patterns in phrasings().items() if name in knowledge for pattern in patterns]
    items = _shuffled(pool, size, random.Random(seed))
    parts = enumerate(iter(lambda: list(islice(items, PART)), []))
    if jobs == 1:
        yield from chain.from_iterable(map(partial(_composed_part, seed), parts))
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as processes:
        yield from chain.from_iterable(processes.map(partial(_composed_part, seed), parts))


def _composed_part(seed: int, numbered: tuple[int, Sequence[Read]]) -> list[Pair]:
    """A pair of each item; what is drawn follows from the seed and the number of the part, whichever process composes it."""
    number, items = numbered
    rng = random.Random(f"{seed} {number}")
    knowledge = entries()
    styles = [style for style in LAYOUTS for _ in range(STYLES.get(style, 1))]
    made = []
    for item in items:
        prompt, subject = phrased(item.text, rng) if item.source == "phrasing" else varied(item, rng)
        pair = composed(prompt, knowledge[item.entry], rng.choice(styles), subject, item.mistakable)
        made.append(unchanged(pair) if rng.random() < UNCHANGED_SHARE else pair)
    return made


def varied(item: Read, rng: random.Random) -> tuple[str, str]:
    """The prompt as it is or as others might put it, and its subject as it then stands there; "" where that was lost.

    Only examples are cut short.
    """
    text, choice = item.text, rng.random()
    if choice < MISTYPED_SHARE:
        text = mistyped(text, rng)
    elif choice < MISTYPED_SHARE + REMARK_SHARE and len(text.split()) <= LONGEST_REMARKED:
        text = with_remarks(text, rng)
    elif choice > 1 - SHORT_SHARE and item.source == "example":
        text = cut_short(text, rng)
    return text, kept(item.subject, text)


def phrased(pattern: str, rng: random.Random) -> tuple[str, str]:
    """A prompt from a phrasing, as it is or as others might put it, and its subject in the same spelling; "" where that was lost."""
    text, subject = drawn(pattern, rng)
    choice = rng.random()
    if choice < MISTYPED_SHARE:
        text = mistyped(text, rng)
    elif choice < MISTYPED_SHARE + REMARK_SHARE / 2:
        text = with_remarks(text, rng)
    return text, kept(subject, text)


def _shuffled(pool: Sequence[Read], size: int, rng: random.Random) -> Iterator[Read]:
    """`size` items in rounds: each round holds every item as often as the weight of its source says, shuffled."""
    round_ = [item for item in pool for _ in range(WEIGHTS.get(item.source, 1))]
    left = size
    while left > 0:
        rng.shuffle(round_)
        yield from round_[:left]
        left -= len(round_)


def write_data(options: DataOptions, log: Callable[[str], None]) -> None:
    """`promptopt-train data`: composes the pairs, checks each through the codec of the base, and writes them.

    Raises InvalidInput naming what cannot be composed or does not survive the codec.
    """
    if options.style not in LAYOUTS:
        raise InvalidInput(f"There is no form {options.style!r}.", f"Known are {', '.join(LAYOUTS)}.")
    if not options.inputs and (options.held_out or options.labels):
        raise InvalidInput("--held_out and --labels say something of --inputs, and there are none.", "Give --inputs as well.")
    if options.size < 1:
        raise InvalidInput(f"{options.size} pairs cannot be made.", "Ask for one or more.")
    try:
        pairs = _pretraining(options.inputs, options, log) if options.inputs else _golden(options)
    except KnowledgeError as error:
        raise InvalidInput(f"The knowledge base breaks a rule: {error}.", "Mend that entry; golden/README.md says how.") from error
    log(f"{write_pairs(pairs, options.output)} pairs in {options.output}: {dict(by_style(pairs))}")


def _pretraining(inputs: Path, options: DataOptions, log: Callable[[str], None]) -> list[Pair]:
    given = read_inputs(inputs)
    read = read_labels(options.labels) if options.labels else {}
    held_out = [item.text for path in options.held_out for item in read_inputs(Path(path))]
    free = apart_from(given, held_out)
    log(f"{len(given) - len(free)} of {len(given)} inputs are left out because they share words with what is held out")
    known = labelled(free, options.seed, sentence_embedder(), read)
    log(f"{len(known)} of the inputs fit an entry of the knowledge base")
    made = list(tqdm(pretraining_pairs(options.size, options.seed, known, options.jobs), total=options.size, unit="pair", file=sys.stderr))
    kept = {item.text for item in apart_from([Input(pair.prompt, "") for pair in made], held_out)}
    return [pair for pair in made if pair.prompt in kept]


def _golden(options: DataOptions) -> list[Pair]:
    try:
        pairs = golden_pairs(options.size, options.seed, options.style)
    except KnowledgeError:
        raise
    except ValueError as error:
        raise InvalidInput(f"The pairs cannot be made: {error}.", "Ask for fewer.") from error
    try:
        check_pairs(pairs, options.base)
    except ValueError as error:
        raise InvalidInput(f"The pairs cannot be used: {error}.", "Mend the entry it comes from; golden/README.md says how.") from error
    return pairs


def check_pairs(pairs: Sequence[Pair], base: str) -> None:
    """Raises ValueError naming the first pair that does not come back from the codec as it went in, or breaks a golden rule."""
    vocabulary = Vocabulary(base_folder(base, (VOCABULARY,)) / VOCABULARY)
    encode_pairs(pairs, Codec(vocabulary, TABLE, [vocabulary.id(REWRITE)]))
    for number, pair in enumerate(pairs, start=1):
        problems = form_problems(pair.prompt, pair.rewrite) if pair.style == "golden" and pair.prompt != pair.rewrite else []
        if problems:
            raise ValueError(f"pair {number} breaks a golden rule ({'; '.join(problems)}): {pair.prompt[:60]!r}")


def by_style(pairs: Sequence[Pair]) -> Mapping[str, int]:
    """How many pairs there are of each style."""
    return {style: sum(pair.style == style for pair in pairs) for style in sorted({pair.style for pair in pairs})}

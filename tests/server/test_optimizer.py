"""From a prompt to its rewrite, on an engine that is told what to write."""

import itertools
import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
from fakes import FakeEngine, fake_optimizer, fake_rewrite, manifest, mini_codec
from hypothesis import given
from hypothesis import strategies as st

from promptopt.bundle import Calibration
from promptopt.codec import END
from promptopt.engine.loader import Model
from promptopt.engine.model import confidence
from promptopt.engine.protocol import Decoding, Token
from promptopt.errors import Cancelled, InvalidInput, RewriteFailed
from promptopt.optimizer import BATCH, LONGEST_PROMPT, MOST_VARIANTS, Optimizer, Progress, Rewrite
from promptopt.settings import Settings

CODEC = mini_codec()
WHITE = " \t\r\n\u00a0\u2003"


@dataclass
class Scripted:
    """Writes what the seed, or the number of the prompt in a batch, calls for."""

    script: Mapping[int, tuple[Sequence[int], float]]
    name: str = "scripted"
    asked: list[Decoding] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)

    def stream(self, source: Sequence[int], decoding: Decoding, stop: threading.Event) -> Iterator[Token]:
        self.asked.append(decoding)
        ids, log_prob = self.script[decoding.seed]
        yield from (Token(index, log_prob) for index in ids)

    def batch(self, sources: Sequence[Sequence[int]], decoding: Decoding, stop: threading.Event) -> list[list[Token]]:
        self.batches.append(len(sources))
        return [[Token(index, self.script[number][1]) for index in self.script[number][0]] for number in range(len(sources))]


def on(engine: FakeEngine | Scripted, **changes: object) -> Optimizer:
    return Optimizer(Settings(), lambda settings: Model(manifest(**changes), CODEC, engine))


def saying(text: str) -> list[int]:
    """Ids of `text` with the prompt behind it."""
    return [*CODEC.plain(text), CODEC.prompt, END]


def test_a_rewrite_holds_what_the_network_wrote() -> None:
    rewrite = fake_optimizer().optimize("create function")
    assert rewrite.text == fake_rewrite("create function") == "Act as a tester.\n\nTask: create function\n\nGoal: A passing test."


@pytest.mark.parametrize(
    "prompt", ["  padded \n", "{a} `b`\t\\", "日本語 😀", "a\r\nb", "\ud83d half", "\u2581", "\0", "x" * LONGEST_PROMPT]
)
def test_the_prompt_comes_back_byte_for_byte(prompt: str) -> None:
    assert fake_optimizer().optimize(prompt).text == fake_rewrite(prompt)


@given(st.text().filter(str.strip))
def test_any_prompt_comes_back(prompt: str) -> None:
    assert on(FakeEngine(CODEC)).optimize(prompt).text == fake_rewrite(prompt)


def test_the_tokens_are_those_written_with_the_end() -> None:
    engine = FakeEngine(CODEC, ids=[CODEC.prompt, *CODEC.plain("x"), END])
    assert on(engine).optimize("create function").tokens == 3 == engine.written


def test_the_confidence_is_the_calibrated_mean() -> None:
    ids = saying("ab ")
    tokens = dict(zip(ids, (-0.1, -0.7, -0.4, -0.2, -0.6), strict=False))
    engine = Scripted({0: (ids, -0.5)})
    calibrated = on(engine, calibration=Calibration(4.0, 1.0)).optimize("x").confidence
    assert len(tokens) > 2
    assert calibrated == pytest.approx(0.2689414213699951)  # sigmoid(4 * -0.5 + 1) = sigmoid(-1)


def test_the_confidence_weighs_every_piece_alike() -> None:
    engine = FakeEngine(CODEC, ids=[CODEC.prompt, END])
    tokens = [Token(CODEC.prompt, -0.2), Token(END, -0.4)]
    engine.stream = lambda source, decoding, stop: iter(tokens)  # type: ignore[method-assign]
    assert on(engine, calibration=None).optimize("x").confidence == pytest.approx(math.exp(-0.3))


@pytest.mark.parametrize(
    ("mean", "calibration", "expected"),
    [
        (0.0, None, 1.0),
        (1e-6, None, 1.0),
        (math.log(0.5), None, 0.5),
        (-2000.0, None, 0.0),
        (0.0, Calibration(1.0, 0.0), 0.5),
        (-0.5, Calibration(2.0, 1.0), 0.5),
        (-0.1, Calibration(10.0, 3.0), 0.8807970779778823),
        (-900.0, Calibration(5.0, 0.0), 0.0),
        (-900.0, Calibration(-5.0, 0.0), 1.0),
    ],
)
def test_confidence_by_hand(mean: float, calibration: Calibration | None, expected: float) -> None:
    assert confidence(mean, calibration) == pytest.approx(expected)


@given(st.floats(-1000, 0), st.floats(-50, 50), st.floats(-50, 50))
def test_confidence_is_a_probability(mean: float, slope: float, intercept: float) -> None:
    assert 0 <= confidence(mean, Calibration(slope, intercept)) <= 1
    assert 0 <= confidence(mean, None) <= 1


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("", "The prompt is empty."),
        (" ", "The prompt consists of white space only."),
        (WHITE, "The prompt consists of white space only."),
        ("x" * (LONGEST_PROMPT + 1), "The prompt has 100,001 characters; 100,000 are allowed."),
    ],
)
def test_a_prompt_that_cannot_be_worked_on_is_refused_before_anything_is_loaded(prompt: str, message: str) -> None:
    loaded: list[Settings] = []
    optimizer = Optimizer(Settings(), lambda settings: loaded.append(settings))  # type: ignore[func-returns-value, arg-type, return-value]
    with pytest.raises(InvalidInput) as caught:
        optimizer.optimize(prompt)
    assert (caught.value.message, loaded) == (message, [])


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_an_output_that_does_not_end_is_a_failed_rewrite(limit: int) -> None:
    with pytest.raises(RewriteFailed) as caught:
        on(FakeEngine(CODEC), write_limit=limit).optimize("create function")
    assert caught.value.message == f"The network did not come to an end within {limit} pieces."


def test_an_output_of_nothing_is_a_failed_rewrite() -> None:
    with pytest.raises(RewriteFailed, match="did not come to an end"):
        on(FakeEngine(CODEC, ids=[])).optimize("create function")


@pytest.mark.parametrize("report", [None, lambda progress: None])
@pytest.mark.parametrize(
    "ids", [[END], [*CODEC.plain("hello"), END], [CODEC.prompt, CODEC.prompt, END], [CODEC.pointers[5], CODEC.pointers[5], END]]
)
def test_an_output_that_loses_the_prompt_is_a_failed_rewrite(ids: list[int], report: object) -> None:
    with pytest.raises(RewriteFailed, match="The network wrote"):
        on(FakeEngine(CODEC, ids=ids)).optimize("create function", report=report)  # type: ignore[arg-type]


def test_after_a_failure_the_next_prompt_is_rewritten() -> None:
    engine = Scripted({0: ([END], -0.1)})
    optimizer = on(engine)
    with pytest.raises(RewriteFailed):
        optimizer.optimize("create function")
    engine.script = {0: (saying("Task:"), -0.1)}
    assert optimizer.optimize("create function").text == "Task: create function"


def test_a_stop_before_the_start_is_a_cancellation() -> None:
    stop, engine = threading.Event(), FakeEngine(CODEC)
    stop.set()
    with pytest.raises(Cancelled):
        on(engine).optimize("create function", stop)
    assert engine.written == 0


@pytest.mark.parametrize("after", [1, 3])
def test_a_stop_under_way_is_a_cancellation_within_one_piece(after: int) -> None:
    stop, engine = threading.Event(), FakeEngine(CODEC)

    def report(progress: Progress) -> None:
        if progress.tokens == after:
            stop.set()

    with pytest.raises(Cancelled):
        on(engine).optimize("create function", stop, report)
    assert engine.written == after


def test_after_a_cancellation_the_next_prompt_is_rewritten() -> None:
    optimizer, stop = fake_optimizer(), threading.Event()
    stop.set()
    with pytest.raises(Cancelled):
        optimizer.optimize("create function", stop)
    assert optimizer.optimize("create function").text == fake_rewrite("create function")


def test_each_piece_is_reported_as_it_comes() -> None:
    reports: list[Progress] = []
    rewrite = on(Scripted({0: (saying("Task:"), -0.1)})).optimize("fix it", report=reports.append)
    assert reports == [
        *(Progress("Task:"[: len(CODEC.spelled(CODEC.plain("Task:")[:count]))], count) for count in range(1, rewrite.tokens - 1)),
        Progress("Task: fix it", rewrite.tokens - 1),
    ]


def test_the_reported_text_grows_to_the_rewrite() -> None:
    reports: list[Progress] = []
    rewrite = fake_optimizer().optimize("fix 😀", report=reports.append)
    assert [later.text[: len(earlier.text)] for earlier, later in itertools.pairwise(reports)] == [report.text for report in reports[:-1]]
    assert reports[-1] == Progress(rewrite.text, rewrite.tokens - 1)


def test_a_report_that_fails_leaves_the_optimizer_usable() -> None:
    optimizer = fake_optimizer()

    def report(progress: Progress) -> None:
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        optimizer.optimize("fix it", report=report)
    assert optimizer.optimize("fix it").text == fake_rewrite("fix it")


def test_the_likeliest_rewrite_is_asked_for_within_the_limits_of_the_adapter() -> None:
    engine = FakeEngine(CODEC)
    on(engine, read_limit=6, write_limit=300).optimize("fix all of the many bugs here")
    [(source, decoding)] = engine.calls
    assert (source, decoding) == (
        CODEC.encode_prompt("fix all of the many bugs here", 6),
        Decoding(300, 0.0, seed=0, copied=CODEC.pointers, paired=True, once=(CODEC.prompt,)),
    )


def test_the_seconds_are_those_of_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter([10.0, 12.5])
    monkeypatch.setattr("promptopt.optimizer.time.perf_counter", lambda: next(ticks))
    assert fake_optimizer().optimize("fix it").seconds == 2.5


def test_variants_are_distinct_and_the_surest_comes_first() -> None:
    script = {
        0: (saying("A"), -0.5),
        1: (saying("A"), -0.4),
        2: (saying("B"), -0.1),
        3: ([END], -0.1),
        4: (saying("B"), -0.2),
        5: (saying("C"), -0.9),
        6: (saying("D"), -0.1),
    }
    engine = Scripted(script)
    variants = on(engine, calibration=None, temperature=0.6).variants("!fix it", 3)
    assert [(variant.text, round(variant.confidence, 6)) for variant in variants] == [
        ("B !fix it", round(math.exp(-0.1), 6)),
        ("A !fix it", round(math.exp(-0.5), 6)),
        ("C !fix it", round(math.exp(-0.9), 6)),
    ]
    assert [(decoding.temperature, decoding.seed) for decoding in engine.asked] == [(0.0, 0), *((0.6, seed) for seed in range(1, 6))]


def test_fewer_variants_come_where_the_network_has_no_others() -> None:
    engine = Scripted(dict.fromkeys(range(20), (saying("A"), -0.5)))
    assert [variant.text for variant in on(engine).variants("fix it", 4)] == ["A fix it"]
    assert len(engine.asked) == 12


def test_one_variant_is_the_likeliest_rewrite() -> None:
    engine = Scripted({0: (saying("A"), -0.5)})
    assert [variant.text for variant in on(engine).variants("fix it", 1)] == ["A fix it"]
    assert len(engine.asked) == 1


def test_variants_fail_where_the_likeliest_rewrite_does() -> None:
    with pytest.raises(RewriteFailed):
        on(Scripted({0: ([END], -0.5), 1: (saying("A"), -0.5)})).variants("fix it", 2)


@pytest.mark.parametrize("count", [0, -1, MOST_VARIANTS + 1])
def test_a_number_of_variants_that_no_surface_gives_is_refused(count: int) -> None:
    with pytest.raises(InvalidInput, match=f"^{count} variants cannot be had. Ask for 1 to 20.$"):
        on(Scripted({})).variants("fix it", count)


def test_variants_are_cancelled_under_way() -> None:
    stop = threading.Event()
    engine = Scripted({0: (saying("A"), -0.5), 1: (saying("B"), -0.5), 2: (saying("C"), -0.5)})
    plain = engine.stream

    def stream(source: Sequence[int], decoding: Decoding, given: threading.Event) -> Iterator[Token]:
        if decoding.seed == 1:
            given.set()
        return plain(source, decoding, given)

    engine.stream = stream  # type: ignore[method-assign]
    with pytest.raises(Cancelled):
        on(engine).variants("fix it", 3, stop)
    assert [decoding.seed for decoding in engine.asked] == [0, 1]


def outcomes(optimizer: Optimizer, prompts: Sequence[str]) -> list[str]:
    """Each rewrite's text, or the code of its failure."""
    return [result.text if isinstance(result, Rewrite) else result.code for result in optimizer.batch(prompts)]


def test_a_batch_comes_back_in_order() -> None:
    prompts = [f"task {number}" for number in range(2 * BATCH + 3)]
    assert outcomes(fake_optimizer(), prompts) == [fake_rewrite(prompt) for prompt in prompts]


def test_bad_rows_in_a_batch_fail_alone_and_in_place() -> None:
    engine = Scripted({0: (saying("A"), -0.5), 1: ([END], -0.5), 2: (saying("C"), -0.5)})
    optimizer = on(engine)
    assert outcomes(optimizer, ["one", "", "two", "  ", "three", "x" * (LONGEST_PROMPT + 1)]) == [
        "A one",
        "invalid_input",
        "rewrite_failed",
        "invalid_input",
        "C three",
        "invalid_input",
    ]
    assert engine.batches == [3]


def test_a_batch_of_nothing_good_asks_the_network_nothing() -> None:
    engine = Scripted({})
    assert outcomes(on(engine), ["", " "]) == ["invalid_input", "invalid_input"]
    assert engine.batches == []


def test_a_batch_of_nothing_good_loads_no_network() -> None:
    def unwanted(_: Settings) -> Model:
        raise AssertionError("loaded")

    assert outcomes(Optimizer(Settings(), unwanted), ["", " "]) == ["invalid_input", "invalid_input"]


def test_an_empty_batch_is_empty() -> None:
    assert outcomes(fake_optimizer(), []) == []


def test_a_batch_is_computed_some_at_a_time_as_it_is_read() -> None:
    engine = Scripted(dict.fromkeys(range(BATCH), (saying("A"), -0.5)))
    results = on(engine).batch([f"task {number}" for number in range(BATCH + 1)])
    next(results)
    assert engine.batches == [BATCH]
    assert len(list(results)) == BATCH
    assert engine.batches == [BATCH, 1]


def test_a_stopped_batch_is_a_cancellation_and_what_came_before_stays() -> None:
    stop = threading.Event()
    results = fake_optimizer().batch([f"task {number}" for number in range(BATCH + 1)], stop)
    got = [next(results) for _ in range(BATCH)]
    stop.set()
    with pytest.raises(Cancelled):
        next(results)
    assert [result.text for result in got if isinstance(result, Rewrite)] == [fake_rewrite(f"task {number}") for number in range(BATCH)]


def test_one_call_at_a_time_uses_the_network() -> None:
    inside, most, second = [0], [0], threading.Event()
    engine = Scripted({0: (saying("A"), -0.5)})
    plain = engine.stream

    def stream(source: Sequence[int], decoding: Decoding, stop: threading.Event) -> Iterator[Token]:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        if inside[0] > 1:
            second.set()
        second.wait(0.1)
        yield from plain(source, decoding, stop)
        inside[0] -= 1

    engine.stream = stream  # type: ignore[method-assign]
    optimizer = on(engine)
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(optimizer.optimize, ["a", "b", "c"]))
    assert most == [1]

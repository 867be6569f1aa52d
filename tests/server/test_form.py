"""Whether a rewrite has the form of its adapter, and what a model does where its own has not."""

import threading
from collections.abc import Iterator, Sequence

import pytest
from fakes import manifest, mini_codec
from hypothesis import given
from hypothesis import strategies as st

from promptopt.bundle import Calibration
from promptopt.codec import END
from promptopt.engine.model import DRAWS, Model
from promptopt.engine.protocol import Decoding, Token
from promptopt.form import begins, in_form

HEADINGS = ("Act as", "Task:", "Steps:", "1. ", "2. ")


def form(prompt: str, first: str = "Read the whole request.", second: str = "Write the whole answer.", steps: str = "Steps:") -> str:
    return f"Act as a tester.\n\nTask: {prompt}\n\n{steps}\n1. {first}\n2. {second}"


@pytest.mark.parametrize(
    ("rewrite", "right"),
    [
        (form("fix it"), True),
        (form("fix it", second="Read it."), True),
        (form("fix it", second="read the  whole request."), False),
        (form("fix it", first="Go on.", second="Go on."), True),
        (form("fix it", steps="Stepson:"), False),
        (form("fix it").replace("Act as", "Play"), False),
        (form("fix it").replace("1. Read", "fix. Read"), False),
        (form("fix it").replace("1. Read", "1.Read"), False),
        (form("fix it").replace("Task: fix it\n\n", "") + "\nTask: fix it", False),
        ("fix it", True),
        ("", False),
    ],
)
def test_headings_come_in_their_order_and_no_line_twice(rewrite: str, right: bool) -> None:
    assert in_form("fix it", rewrite, HEADINGS) is right
    assert in_form("fix it", rewrite, ()) is True


@pytest.mark.parametrize(
    "prompt", ["Act as", "Steps:", "1.", "e", "say this twice\nsay this twice", "Act as a tester.\n\nTask: x\n\nSteps:\n1. a b c\n2. a b c"]
)
def test_what_the_prompt_itself_says_is_no_fault(prompt: str) -> None:
    assert in_form(prompt, form(prompt), HEADINGS)


@given(prompt=st.text(min_size=1, max_size=40))
def test_any_prompt_may_stand_in_a_form(prompt: str) -> None:
    assert in_form(prompt, form(prompt), HEADINGS)


@pytest.mark.parametrize(
    ("line", "heading", "right"), [("Task: x", "Task", True), ("Tasks: x", "Task", False), ("<a>b", "<a>", True), ("Task", "Task", True)]
)
def test_a_heading_ends_where_a_word_ends(line: str, heading: str, right: bool) -> None:
    assert begins(line, heading) is right


class Drawn:
    """Writes for each seed what it was given for it, each piece with that probability; in a batch what belongs to seed 0."""

    name = "drawn"

    def __init__(self, texts: Sequence[str], log_probs: Sequence[float] = ()) -> None:
        self._texts = texts
        self._log_probs = log_probs or [-0.1] * len(texts)
        self.seeds: list[int] = []
        self.temperatures: list[float] = []

    def stream(self, source: Sequence[int], decoding: Decoding, stop: threading.Event) -> Iterator[Token]:
        self.seeds.append(decoding.seed)
        self.temperatures.append(decoding.temperature)
        codec = mini_codec()
        before, _, after = self._texts[decoding.seed].partition("{}")
        for index in (*codec.plain(before), codec.prompt, *codec.plain(after), END):
            yield Token(index, self._log_probs[decoding.seed])

    def batch(self, sources: Sequence[Sequence[int]], decoding: Decoding, stop: threading.Event) -> list[list[Token]]:
        return [list(self.stream(source, decoding, stop)) for source in sources]


GOOD, ALSO_GOOD = "Act as a tester. Task: {}", "Act as a writer. Task: {}"
ONE_LINE = ("Act as",)


@pytest.mark.parametrize(
    ("texts", "seeds", "text"),
    [
        ([GOOD], [0], "Act as a tester. Task: fix it"),
        (["Task: {}", "Play. Task: {}", ALSO_GOOD], [0, 1, 2], "Act as a writer. Task: fix it"),
        (["Task: {}", *["Play. Task: {}"] * DRAWS], list(range(DRAWS + 1)), "Task: fix it"),
    ],
)
def test_where_the_likeliest_is_out_of_form_the_first_draw_in_form_is_taken(texts: list[str], seeds: list[int], text: str) -> None:
    for batch in (False, True):
        engine = Drawn(texts)
        model = Model(manifest(headings=ONE_LINE), mini_codec(), engine)
        stop = threading.Event()
        [written] = model.batch(["fix it"], stop) if batch else [model.rewrite("fix it", stop, None)]
        assert getattr(written, "text", None) == text
        assert engine.seeds == seeds
        assert engine.temperatures == pytest.approx([0.0, 0.7, 0.77, 0.84, 0.91, 0.98][: len(seeds)])


UNSURE = Calibration(1.0, 0.0)


@pytest.mark.parametrize(
    ("sure", "doubt", "seeds", "chosen"),
    [
        ([-0.1], None, [0], 0),
        ([-0.5, -0.1], -0.5, [0], 0),
        ([-0.6, -0.7, -0.1], -0.5, [0, 1, 2], 2),
        ([-0.8, -0.9, -0.6, -0.7, -0.9, -0.9], -0.5, list(range(DRAWS + 1)), 2),
    ],
)
def test_a_rewrite_in_doubt_gives_way_to_the_first_sure_draw_or_the_surest(
    sure: list[float], doubt: float | None, seeds: list[int], chosen: int
) -> None:
    engine = Drawn([f"Act as number {number}. Task: {{}}" for number in range(len(sure))], sure)
    model = Model(manifest(headings=ONE_LINE, calibration=UNSURE, doubt=doubt), mini_codec(), engine)
    assert model.rewrite("fix it", threading.Event(), None).text == f"Act as number {chosen}. Task: fix it"
    assert engine.seeds == seeds


def test_variants_out_of_form_are_left_out() -> None:
    engine = Drawn([GOOD, "Play. Task: {}", ALSO_GOOD])
    model = Model(manifest(headings=ONE_LINE), mini_codec(), engine)
    found = model.variants("fix it", 2, threading.Event())
    assert {written.text for written in found} == {"Act as a tester. Task: fix it", "Act as a writer. Task: fix it"}
    assert engine.seeds == [0, 1, 2]
    assert engine.temperatures == [0.0, 0.7, 0.7]

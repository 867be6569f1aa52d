"""An evaluation with optimizers whose every rewrite is known, so that each figure can be worked out by hand."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from promptopt.errors import BundleError, InvalidInput, RewriteFailed
from promptopt.settings import Settings
from promptopt_training import evaluate as module
from promptopt_training.evaluate import EvaluationPrompt, Groups, Outcome, evaluate, figures_of, groups, read_prompts, writes_golden
from promptopt_training.template import wrapped


@dataclass(frozen=True)
class FakeRewrite:
    text: str
    confidence: float = 0.5
    tokens: int = 10
    seconds: float = 0.1


@dataclass
class FakeOptimizer:
    """Gives what it was told to; what is already structured comes back; anything else fails."""

    rewrites: Mapping[str, FakeRewrite]
    asked: list[str] = field(default_factory=list)

    def optimize(self, prompt: str) -> FakeRewrite:
        self.asked.append(prompt)
        if prompt in self.rewrites:
            return self.rewrites[prompt]
        if prompt.startswith("Act as"):
            return FakeRewrite(prompt)
        raise RewriteFailed("The output does not point at the prompt.", "Try again.")


def golden(prompt: str, topic: str = "it") -> str:
    return (
        f"Act as a specialist for {topic}.\n\nContext: Somebody waits for {topic}.\n\nTask: {prompt}\n\n"
        f"Constraints:\n- Keep to {topic}.\n- Name what is open.\n- Leave out the rest of {topic}.\n\n"
        f"Steps:\n1. Look at {topic}.\n2. Do what is asked.\n3. Check the result.\n\nGoal: A good result for {topic}."
    )


def prompts(*texts: str, source: str = "a") -> list[EvaluationPrompt]:
    return [EvaluationPrompt(text, source) for text in texts]


def run(rewrites: Mapping[str, str | FakeRewrite], asked: list[EvaluationPrompt] | None = None) -> module.Report:
    made = {prompt: FakeRewrite(given) if isinstance(given, str) else given for prompt, given in rewrites.items()}
    return evaluate(asked or prompts(*rewrites), FakeOptimizer(made))


def test_a_perfect_optimizer() -> None:
    overall = run({"bake bread": golden("bake bread", "bread"), "boil 3 eggs": golden("boil 3 eggs", "eggs")}).optimizer.overall
    assert (overall.prompts, overall.rejected) == (2, 0.0)
    assert (overall.form, overall.verbatim, overall.spans, overall.idempotent) == (1.0, 1.0, 1.0, 1.0)
    assert (overall.numbers, overall.urls, overall.names, overall.repeated) == (0.0, 0.0, 0.0, 0.0)
    assert overall.kept is None
    assert overall.recall == 1.0
    assert overall.recall_outside_task == 0.5
    assert overall.distinct == pytest.approx(9 / 12)


def test_a_rejected_prompt_fails_form_and_verbatim_and_nothing_else() -> None:
    report = run({"one": golden("one")}, prompts("one", "two", "three", "7 dwarfs"))
    overall = report.optimizer.overall
    assert (overall.rejected, overall.form, overall.verbatim) == (0.75, 0.25, 0.25)
    assert (overall.numbers, overall.repeated, overall.idempotent) == (0.0, 0.0, 1.0)
    assert overall.spans is None
    assert report.outcomes[1].rewrite is None
    assert report.outcomes[1].rejection == "The output does not point at the prompt."
    assert report.outcomes[1].stable is None


def test_only_a_failed_rewrite_counts_as_rejected() -> None:
    class Broken:
        def optimize(self, prompt: str) -> FakeRewrite:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        evaluate(prompts("one"), Broken())


@pytest.mark.parametrize(
    ("figure", "prompt", "rewrite", "value"),
    [
        ("form", "go", golden("go").replace("Goal:", "Aim:"), 0.0),
        ("verbatim", "go now", golden("go then"), 0.0),
        ("spans", "add 5 pears", golden("add pears"), 0.0),
        ("spans", "add pears", golden("add pears"), None),
        ("numbers", "go", golden("go", "the first 10"), 1.0),
        ("urls", "go", golden("go", "https://a.io"), 1.0),
        ("names", "go", golden("go", "Berlin"), 1.0),
        ("repeated", "go", golden("go").replace("Check the result", "Do what is asked"), 1.0),
        ("distinct", "go", golden("go").replace("Check the result", "Do what is asked"), 5 / 6),
        ("idempotent", "go", "go now", 0.0),
        ("kept", golden("go"), golden(golden("go")), 0.0),
        ("form", golden("go"), golden(golden("go")), 0.0),
        ("kept", golden("go"), golden("go"), 1.0),
        ("form", golden("go"), golden("go"), 1.0),
        ("form", "go", "go", 0.0),
        ("recall", "paint houses", "paint", 0.5),
        ("recall_outside_task", "paint houses", golden("paint houses"), 0.0),
        ("length_ratio", "go", "go on and on", 4.0),
    ],
)
def test_each_figure_shows_its_failure(figure: str, prompt: str, rewrite: str, value: float | None) -> None:
    assert getattr(run({prompt: rewrite}).optimizer.overall, figure) == pytest.approx(value)


def test_another_form_than_the_golden_is_judged_by_its_content_alone() -> None:
    made = {"bake bread": "# Bread\n\nbake bread", "boil 3 eggs": "boil eggs", "one": "one, by Berlin"}
    asked = [EvaluationPrompt(text, fits=("baker",)) for text in (*made, "two")]
    report = evaluate(asked, FakeOptimizer({prompt: FakeRewrite(text) for prompt, text in made.items()}), golden=False)
    overall = report.optimizer.overall
    assert (overall.form, overall.persona, overall.rejected, overall.verbatim) == (None, None, 0.25, 0.5)
    assert [outcome.good for outcome in report.outcomes] == [True, False, False, False]
    assert report.template.overall.form == 1.0


def test_the_manifest_says_whether_the_form_is_the_golden_one(tmp_path: Path) -> None:
    assert writes_golden(Settings(adapter="golden"))
    assert not writes_golden(Settings(adapter="markdown"))
    with pytest.raises(BundleError, match="There is no adapter 'nowhere'"):
        writes_golden(Settings(adapter="nowhere"))


def test_idempotence_by_the_second_rewrite() -> None:
    first, second = golden("one"), golden("two")
    report = run({"one": first, "two": second, first: first, second: golden(second)}, prompts("one", "two"))
    assert [outcome.stable for outcome in report.outcomes] == [True, False]
    assert report.optimizer.overall.idempotent == 0.5


def test_every_rewrite_and_nothing_else_is_given_again() -> None:
    optimizer = FakeOptimizer({word: FakeRewrite(golden(word)) for word in ("one", "two")})
    evaluate(prompts("one", "two", "three"), optimizer)
    assert optimizer.asked == ["one", "two", "three", golden("one"), golden("two")]


def test_a_prompt_that_is_not_taken_is_rejected_and_the_others_are_measured() -> None:
    class Picky:
        def optimize(self, prompt: str) -> FakeRewrite:
            if len(prompt) > 5:
                raise InvalidInput("The prompt is too long.", "Shorten it.")
            return FakeRewrite(f"go {prompt}")

    report = evaluate(prompts("a", "too long", "abc"), Picky())
    assert [outcome.rejection for outcome in report.outcomes] == ["", "The prompt is too long.", ""]
    assert [outcome.stable for outcome in report.outcomes] == [False, None, False]


def test_cost_figures_are_over_accepted_rewrites() -> None:
    costs = [(0.2, 40, 1.0), (0.4, 60, 3.0), (0.9, 80, 2.0)]
    rewrites = {f"go {word}": FakeRewrite(golden(f"go {word}"), *cost) for word, cost in zip("abc", costs, strict=True)}
    overall = run(rewrites, prompts(*rewrites, "rejected")).optimizer.overall
    assert overall.confidence == pytest.approx(0.5)
    assert (overall.tokens, overall.seconds_p50, overall.seconds_p95) == (60, 2.0, 3.0)


def test_length_ratio_is_a_median() -> None:
    overall = run({"a b": "a b", "c d": "c d e", "f g": "f g " + "h " * 98}).optimizer.overall
    assert overall.length_ratio == 1.5


def test_nothing_accepted_gives_no_figures_instead_of_zeros() -> None:
    overall = run({}, prompts("one", "two")).optimizer.overall
    assert (overall.rejected, overall.form, overall.verbatim) == (1.0, 0.0, 0.0)
    for name in ("spans", "numbers", "distinct", "idempotent", "length_ratio", "confidence", "seconds_p50", "seconds_p95"):
        assert getattr(overall, name) is None


def test_groups_by_source_and_length() -> None:
    long = "word " * 61
    asked = [*prompts("one", long, source="z"), *prompts("a b c d e f", "two", source="b")]
    report = run({text: golden(text) for text in ("one", long, "two")}, asked)
    assert list(report.optimizer.by_source) == ["b", "z"]
    assert list(report.optimizer.by_length) == ["1-5", "6-12", "over 60"]
    assert report.optimizer.by_source["b"].rejected == 0.5
    assert report.optimizer.by_source["z"].form == 1.0
    assert {name: found.prompts for name, found in report.optimizer.by_length.items()} == {"1-5": 2, "6-12": 1, "over 60": 1}
    assert report.optimizer.by_length["6-12"].rejected == 1.0


@pytest.mark.parametrize(
    ("words", "band"),
    [(1, "1-5"), (5, "1-5"), (6, "6-12"), (12, "6-12"), (13, "13-25"), (25, "13-25"), (26, "26-60"), (60, "26-60"), (61, "over 60")],
)
def test_length_bands(words: int, band: str) -> None:
    assert module.length_band("word " * words) == band


def test_the_template_has_the_form_and_not_the_topic() -> None:
    template = run({"paint houses": golden("paint houses"), "boil eggs": golden("boil eggs")}).template.overall
    assert (template.rejected, template.form, template.verbatim, template.idempotent) == (0.0, 1.0, 1.0, 0.0)
    assert template.distinct == 0.5
    assert template.recall_outside_task == 0.0
    assert template.length_ratio == len(wrapped("paint houses").split()) / 2


def test_progress_goes_to_stderr_only(capsys: pytest.CaptureFixture[str]) -> None:
    evaluate(prompts("one"), FakeOptimizer({"one": FakeRewrite(golden("one"))}))
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "rewriting" in shown.err
    assert "rewriting again" in shown.err


def test_no_outcomes_at_all() -> None:
    assert figures_of([]).rejected is None
    assert groups([]) == Groups(figures_of([]), {}, {})


def test_percentile() -> None:
    values = [float(number) for number in range(1, 101)]
    assert (module.percentile(values, 0.5), module.percentile(values, 0.95)) == (50.0, 95.0)
    assert module.percentile([4.0], 0.95) == 4.0
    assert module.percentile([], 0.5) is None


def test_an_outcome_without_a_rewrite_has_no_faults() -> None:
    outcome = Outcome(EvaluationPrompt("one"), None, "why")
    assert (outcome.problems, outcome.faults, outcome.stable) == ((), {}, None)


def test_read_prompts(tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    rows = [{"text": "one\u2028line", "source": "x", "licence": "MIT"}, {"text": " kept \n"}]
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n\n", encoding="utf-8")
    assert read_prompts(path) == [EvaluationPrompt("one\u2028line", "x"), EvaluationPrompt(" kept \n", "")]


def test_prompts_take_their_labels_by_id_and_carry_what_they_leave_open(tmp_path: Path) -> None:
    asked, labels = tmp_path / "prompts.jsonl", tmp_path / "labels.jsonl"
    asked.write_text(
        '{"text": "make soup", "id": "a1", "missing": ["diet"]}\n{"text": "sing", "id": "b2"}\n{"text": "run"}\n', encoding="utf-8"
    )
    labels.write_text('{"id": "a1", "fits": ["cook", "chef"]}\n{"id": "zz", "fits": ["spy"]}\n', encoding="utf-8")
    assert read_prompts(asked, labels) == [
        EvaluationPrompt("make soup", id="a1", missing=("diet",), fits=("cook", "chef")),
        EvaluationPrompt("sing", id="b2"),
        EvaluationPrompt("run"),
    ]


@pytest.mark.parametrize(
    ("prompt", "label", "message"),
    [
        ('{"text": "a", "id": 3}', "", 'line 1: "id" is not a string'),
        ('{"text": "a", "missing": "diet"}', "", 'line 1: "missing" is not a list of strings'),
        ('{"text": "a"}', '{"fits": []}', 'line 1: "id" is missing or not a string'),
        ('{"text": "a"}', '{"id": "a", "fits": [1]}', 'line 1: "fits" is not a list of strings'),
        ('{"text": "a"}', "[]", 'line 1: "id" is missing or not a string'),
    ],
)
def test_a_malformed_label_or_detail_is_named(prompt: str, label: str, message: str, tmp_path: Path) -> None:
    asked, labels = tmp_path / "prompts.jsonl", tmp_path / "labels.jsonl"
    asked.write_text(prompt, encoding="utf-8")
    labels.write_text(label, encoding="utf-8")
    with pytest.raises(InvalidInput, match=message):
        read_prompts(asked, labels)


def test_personas_count_over_labelled_prompts_and_details_over_all_of_them() -> None:
    asked = [
        EvaluationPrompt("one", fits=("special",)),
        EvaluationPrompt("two", fits=("cook",)),
        EvaluationPrompt("lost", fits=("special",), missing=("open end",)),
        EvaluationPrompt("three", missing=("what is open", "colour of it")),
    ]
    overall = run({text: golden(text) for text in ("one", "two", "three")}, asked).optimizer.overall
    assert (overall.persona, overall.covered) == (pytest.approx(1 / 3), pytest.approx(1 / 3))
    assert (run({"one": golden("one")}).optimizer.overall.persona, run({"one": golden("one")}).optimizer.overall.covered) == (None, None)


def test_bad_rows_are_named_by_line(tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text('{"text": "fine"}\n\n{"text": ""}\n{"text"\n[1]\n{"text": "x", "source": 3}\n{"txt": "x"}\n', encoding="utf-8")
    with pytest.raises(InvalidInput) as caught:
        read_prompts(path)
    for part in ('line 3: "text" is missing', "line 4: not valid JSON", "line 5: not an object", 'line 6: "source"', "line 7: "):
        assert part in caught.value.message
    assert "line 1" not in caught.value.message
    assert caught.value.hint


def test_many_bad_rows_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text("{}\n" * 13, encoding="utf-8")
    with pytest.raises(InvalidInput, match=r"line 10: .*\(and 3 more\)"):
        read_prompts(path)


@pytest.mark.parametrize(
    ("content", "message"), [(None, "cannot be read .No such file or directory"), (b"\n", "holds no prompts"), (b"\xff", "is not UTF-8")]
)
def test_a_file_that_cannot_be_used(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "prompts.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidInput, match=message):
        read_prompts(path)


def test_outcomes_stand_in_the_order_of_the_prompts() -> None:
    asked = [*prompts("two", "fails", source="b"), *prompts("one", source="a")]
    report = run({"one": golden("one"), "two": golden("two")}, asked)
    assert [outcome.prompt for outcome in report.outcomes] == asked


def test_the_same_prompt_twice_counts_twice() -> None:
    overall = run({"one": golden("one")}, prompts("one", "one")).optimizer.overall
    assert (overall.prompts, overall.form, overall.distinct) == (2, 1.0, 0.5)


def test_the_template_is_measured_on_rejected_prompts_too() -> None:
    report = run({}, [*prompts("one", source="a"), *prompts("two " * 30, source="b")])
    assert report.template.overall.prompts == 2
    assert list(report.template.by_source) == list(report.optimizer.by_source) == ["a", "b"]
    assert list(report.template.by_length) == list(report.optimizer.by_length) == ["1-5", "26-60"]


def test_the_template_wraps_a_structured_prompt_again_and_pays_for_it() -> None:
    structured = golden("go")
    report = run({structured: structured})
    assert (report.optimizer.overall.kept, report.optimizer.overall.form) == (1.0, 1.0)
    assert (report.template.overall.kept, report.template.overall.form) == (0.0, 0.0)


def test_a_rejected_structured_prompt_counts_as_not_kept() -> None:
    asked = prompts(golden("go"), golden("run"))

    class Half:
        def optimize(self, prompt: str) -> FakeRewrite:
            if "run" in prompt:
                raise RewriteFailed("no")
            return FakeRewrite(prompt)

    overall = evaluate(asked, Half()).optimizer.overall
    assert (overall.kept, overall.rejected, overall.form) == (0.5, 0.5, 0.5)


def test_faults_and_problems_stand_with_their_outcome() -> None:
    bad = golden("add 5 pears", "Berlin").replace("Task: add 5 pears", "Task: add pears")
    found = run({"add 5 pears": bad}).outcomes[0]
    assert found.problems == ["the task is not the prompt word for word"]
    assert found.faults == {"lost span": ["5"], "invented name": ["Berlin"]}

"""The folder that an evaluation leaves: what stands on the page, in the rows and in the figures."""

import json
import re
from dataclasses import dataclass, fields
from pathlib import Path

import pytest

from promptopt.errors import RewriteFailed
from promptopt_training import report as module
from promptopt_training.evaluate import EvaluationPrompt, Figures, Outcome, Report, evaluate, rewritten
from promptopt_training.plots import plot_calibration, plot_comparison, plot_histogram
from promptopt_training.report import calibration, complaints, figures, page, worst, write_report
from promptopt_training.template import wrapped

PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class FakeRewrite:
    text: str
    confidence: float = 0.5
    tokens: int = 10
    seconds: float = 0.25


class FakeOptimizer:
    """Wraps the template; a prompt with "bad" loses its form and gains a number and a name; one with "fail" is rejected."""

    def optimize(self, prompt: str) -> FakeRewrite:
        if "fail" in prompt:
            raise RewriteFailed("No pointer.")
        if prompt.startswith("Act as"):
            return FakeRewrite(prompt)
        if "bad" in prompt:
            return FakeRewrite(wrapped(prompt).replace("Goal:", "Aim:").replace("Plan the answer", "Ask 7 Bobs"), 0.9)
        return FakeRewrite(wrapped(prompt))


@pytest.fixture
def report() -> Report:
    texts = [("write a poem", "x"), ("a bad | idea", "x"), ("fail here", "y"), ("two\nlines ``` of bad", "y"), ("one", "")]
    return evaluate([EvaluationPrompt(*row) for row in texts], FakeOptimizer())


def outcome(problems: list[str], confidence: float = 0.5, stable: bool | None = None) -> Outcome:
    return Outcome(EvaluationPrompt("p"), FakeRewrite("r", confidence), problems=problems, stable=stable)


def test_figures_is_one_json_object(report: Report) -> None:
    found = json.loads(json.dumps(figures(report), allow_nan=False))
    assert set(found) == {"optimizer", "template"}
    assert set(found["optimizer"]) == {"overall", "by_source", "by_length"}
    overall = found["optimizer"]["overall"]
    assert (overall["prompts"], overall["rejected"], overall["form"], overall["verbatim"]) == (5, 0.2, 0.4, 0.8)
    assert (overall["numbers"], overall["names"]) == (0.5, 0.5)
    assert overall["confidence"] == 0.7
    assert found["optimizer"]["by_source"]["x"]["form"] == 0.5
    assert found["optimizer"]["by_length"]["1-5"]["prompts"] == 5


def test_the_template_has_text_figures_and_no_cost(report: Report) -> None:
    ours, null = figures(report)["optimizer"]["overall"], figures(report)["template"]["overall"]
    assert null["form"] == 1.0
    assert set(ours) - set(null) == {"confidence", "calibration_error", "tokens", "seconds_p50", "seconds_p95"}


def test_complaints_name_form_content_and_instability(report: Report) -> None:
    assert complaints(report.outcomes[0]) == []
    assert complaints(report.outcomes[1]) == ["no Goal section", "invented number: 7", "invented name: Bobs"]
    assert complaints(report.outcomes[2]) == []
    assert complaints(outcome([], stable=False)) == ["given again, it does not come back unchanged"]
    assert complaints(outcome([], stable=True)) == []


def test_a_repeated_line_is_complained_of_once() -> None:
    text = wrapped("one").replace("Plan the answer before writing it.", "Write the answer in full.")
    found = evaluate([EvaluationPrompt("one")], _Fixed(text)).outcomes[0]
    assert [item for item in complaints(found) if "repeated" in item] == ["a line is repeated: write the answer in full."]


def test_of_another_form_than_the_golden_what_is_lost_or_repeated_is_complained_of() -> None:
    (found,) = rewritten([EvaluationPrompt("one")], _Fixed("go:\n- Write the answer.\n- Write the answer."), golden=False)
    assert complaints(found) == ["repeated line: write the answer.", "not word for word: one"]


def test_worst_first_and_of_equals_the_confident_one() -> None:
    fine, one, sure, two = outcome([]), outcome(["a"], 0.3), outcome(["a"], 0.9), outcome(["a", "b"], 0.1)
    rejected = Outcome(EvaluationPrompt("p"), None, "why")
    assert worst([fine, one, rejected, sure, two]) == [two, sure, one]
    assert worst([fine, one, sure, two], 1) == [two]
    assert worst([one] * 9) == [one] * 5


def test_the_folder(report: Report, tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "report"
    write_report(report, folder)
    pictures = {"comparison.png", "groups.png", "seconds.png", "confidence.png"}
    assert {path.name for path in folder.iterdir()} == {"report.md", "rewrites.jsonl", "figures.json", *pictures}
    assert json.loads((folder / "figures.json").read_text(encoding="utf-8")) == figures(report)
    text = (folder / "report.md").read_text(encoding="utf-8")
    assert set(re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text)) == pictures
    assert all((folder / name).read_bytes().startswith(PNG) for name in pictures)


def test_rows_hold_prompt_rewrite_and_problems(report: Report, tmp_path: Path) -> None:
    write_report(report, tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "rewrites.jsonl").read_text(encoding="utf-8").split("\n")[:-1]]
    assert [row["prompt"] for row in rows] == [item.prompt.text for item in report.outcomes]
    assert rows[0]["rewrite"] == wrapped("write a poem")
    assert (rows[0]["problems"], rows[0]["source"], rows[0]["stable"]) == ([], "x", True)
    assert rows[1]["problems"] == complaints(report.outcomes[1])
    assert (rows[2]["rewrite"], rows[2]["rejection"], rows[2]["seconds"]) == (None, "No pointer.", None)


def test_a_second_report_replaces_the_first(report: Report, tmp_path: Path) -> None:
    write_report(report, tmp_path)
    first = (tmp_path / "report.md").read_bytes()
    write_report(report, tmp_path)
    assert (tmp_path / "report.md").read_bytes() == first


def test_the_page_sets_the_optimizer_against_the_template(report: Report) -> None:
    text = page(report, {})
    assert "| figure | optimizer | template |" in text
    assert "| valid form (of all prompts) | 40.0% | 100.0% |" in text
    assert "| rejected | 20.0% | 0.0% |" in text
    assert "| seconds, p50 | 0.25 | – |" in text
    assert "| structured prompt left as it is | – | – |" in text
    assert "| no source | 1 |" in text
    assert "| 1-5 | 5 |" in text


def test_the_page_shows_the_worst_with_what_is_wrong(report: Report) -> None:
    shown = page(report, {}).split("## Worst outputs")[1]
    assert shown.count("Rewrite:") == 2
    assert "    a bad | idea\n" in shown
    assert "- no Goal section\n- invented number: 7\n- invented name: Bobs" in shown
    assert "    two\n    lines ``` of bad" in shown


def test_a_page_without_complaints() -> None:
    found = evaluate([EvaluationPrompt("one", "x")], _Fixed(wrapped("one")))
    assert "There is nothing to complain of." in page(found, {})


def test_every_row_of_a_table_has_as_many_cells(report: Report) -> None:
    odd = evaluate([EvaluationPrompt("one", "a|b")], FakeOptimizer())
    for text in (page(report, {}), page(odd, {})):
        for table in re.findall(r"(?:^\|.*\n?)+", text, re.MULTILINE):
            assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.strip().split("\n")}) == 1


def test_long_texts_are_cut_on_the_page() -> None:
    found = evaluate([EvaluationPrompt("word " * 999)], _Fixed("long " * 999))
    assert len(page(found, {})) < 2 * module.SHOWN_CHARACTERS + 4000
    assert "…" in page(found, {})


def test_a_report_where_all_was_rejected(tmp_path: Path) -> None:
    found = evaluate([EvaluationPrompt("fail")], FakeOptimizer())
    write_report(found, tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} == {".md", ".png", ".jsonl", ".json"}
    assert not (tmp_path / "seconds.png").exists()
    assert "| rejected | 100.0% | 0.0% |" in (tmp_path / "report.md").read_text(encoding="utf-8")


def test_calibration_compares_confidence_with_what_is_good() -> None:
    good, bad = [outcome([], 0.9)] * 4, [outcome(["a"], 0.2)] * 4
    low, high = calibration(good + bad, 2)
    assert low == pytest.approx((0.2, 0.0, 4))
    assert high == pytest.approx((0.9, 1.0, 4))
    assert [count for _, _, count in calibration(good)] == [1, 1, 1, 1]
    assert calibration([]) == []


def test_plots_of_edge_cases(tmp_path: Path) -> None:
    plot_comparison(["none", "all"], {"a": [None, 1.0], "b": [0.0, None]}, tmp_path / "a.png")
    plot_histogram([1.0], "seconds", {"p50": None}, tmp_path / "b.png")
    plot_calibration([], tmp_path / "c.png")
    assert all((tmp_path / name).read_bytes().startswith(PNG) for name in ("a.png", "b.png", "c.png"))


def test_every_figure_has_a_row(report: Report) -> None:
    names = [field.name for field in fields(Figures)]
    assert list(module.NAMES) == names
    assert set(module.GROUP_COLUMNS) | set(module.PLOTTED) <= set(names)
    assert list(figures(report)["optimizer"]["overall"]) == names
    assert all(f"| {title} |" in page(report, {}) for title in module.NAMES.values())


def test_figures_are_rounded() -> None:
    asked = [EvaluationPrompt(text) for text in ("one", "two", "fail")]
    overall = figures(evaluate(asked, FakeOptimizer()))["optimizer"]["overall"]
    assert (overall["rejected"], overall["form"]) == (0.3333, 0.6667)


def test_rows_keep_every_character(tmp_path: Path) -> None:
    text = 'tab\tnewline\nquote" dash – 日本 \u2028 🙂'
    write_report(evaluate([EvaluationPrompt(text, "ü")], FakeOptimizer()), tmp_path)
    lines = (tmp_path / "rewrites.jsonl").read_text(encoding="utf-8").split("\n")
    assert len(lines) == 2
    assert json.loads(lines[0])["prompt"] == text
    assert json.loads(lines[0])["rewrite"] == wrapped(text)
    assert "ü" in lines[0]


def test_at_most_eight_complaints_are_shown() -> None:
    found = evaluate([EvaluationPrompt("one")], _Fixed("1 2 3 4 5 6 7 8 9"))
    assert len(complaints(found.outcomes[0])) > 8
    assert len(re.findall(r"^- ", page(found, {}).split("## Worst outputs")[1], re.MULTILINE)) == 8


@dataclass(frozen=True)
class _Fixed:
    text: str

    def optimize(self, prompt: str) -> FakeRewrite:
        return FakeRewrite(self.text)

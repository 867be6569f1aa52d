"""What an evaluation leaves in a folder: a page, pictures, every rewrite with its problems, and the figures."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import Any

from promptopt_training.evaluate import Figures, Groups, Outcome, Report, percentile
from promptopt_training.plots import plot_calibration, plot_comparison, plot_histogram

WORST = 5
SHOWN_CHARACTERS = 1400
COST = ("confidence", "calibration_error", "tokens", "seconds_p50", "seconds_p95")
NUMBERS = ("length_ratio", *COST)
NAMES: Mapping[str, str] = {
    "prompts": "prompts",
    "rejected": "rejected",
    "form": "valid form (of all prompts)",
    "verbatim": "task word for word (of all prompts)",
    "spans": "every protected span kept",
    "numbers": "invents a number",
    "urls": "invents a web address",
    "names": "invents a name",
    "repeated": "repeats a line",
    "distinct": "distinct constraints and steps",
    "idempotent": "comes back unchanged when given again",
    "kept": "structured prompt left as it is",
    "length_ratio": "length ratio in words, median",
    "recall": "content words of the prompt in the rewrite",
    "recall_outside_task": "content words of the prompt outside the task",
    "persona": "persona fits the topic (of labelled prompts)",
    "covered": "missing details raised",
    "confidence": "confidence, mean",
    "calibration_error": "expected calibration error of the confidence",
    "tokens": "pieces written, mean",
    "seconds_p50": "seconds, p50",
    "seconds_p95": "seconds, p95",
}
GROUP_COLUMNS = ("prompts", "rejected", "form", "spans", "numbers", "names", "repeated", "seconds_p95")
PLOTTED = ("rejected", "form", "verbatim", "numbers", "names", "repeated", "distinct", "recall_outside_task")


def figures(report: Report) -> dict[str, Any]:
    """All figures as one JSON object: the optimizer's and the template's, each overall, by source and by length."""
    return {"optimizer": _groups(report.optimizer, ()), "template": _groups(report.template, COST)}


def complaints(outcome: Outcome) -> list[str]:
    """All that is wrong with a rewrite, in words; nothing for a rejected one, as the prompt stays as it is."""
    named = () if outcome.problems is None else ("repeated line",)  # the golden form names these
    kinds = {kind: cases for kind, cases in outcome.faults.items() if kind not in named}
    again = ["given again, it does not come back unchanged"] if outcome.stable is False else []
    return [*(outcome.problems or ()), *(f"{kind}: {case}" for kind, cases in kinds.items() for case in cases), *again]


def worst(outcomes: Sequence[Outcome], count: int = WORST) -> list[Outcome]:
    """The outcomes with the most complaints; of equals the more confident first, as they mislead more."""
    found = [(len(complaints(outcome)), outcome.rewrite.confidence, outcome) for outcome in outcomes if outcome.rewrite]
    bad = sorted((item for item in found if item[0]), key=lambda item: item[:2], reverse=True)
    return [outcome for _, _, outcome in bad[:count]]


def write_report(report: Report, folder: Path) -> None:
    """Leaves report.md, its pictures, rewrites.jsonl and figures.json in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = (json.dumps(_row(outcome), ensure_ascii=False) + "\n" for outcome in report.outcomes)
    (folder / "rewrites.jsonl").write_text("".join(rows), encoding="utf-8")
    (folder / "figures.json").write_text(json.dumps(figures(report), indent=1) + "\n", encoding="utf-8")
    pictures = _pictures(report, folder)
    (folder / "report.md").write_text(page(report, pictures), encoding="utf-8")


def page(report: Report, pictures: Mapping[str, str]) -> str:
    """The report as Markdown; `pictures` are file names by what they show."""
    parts = [
        "# Evaluation",
        f"{report.optimizer.overall.prompts} prompts. The template is one fixed text round the prompt: what a network "
        "has to beat. Shares are of the rewrites where nothing else is said; a rejected prompt stays as it is. "
        '"Distinct" falls as a set grows, so compare it within a row only.',
        _headline(report),
        "## By source",
        _group_table("source", report.optimizer.by_source),
        "## By length of the prompt in words",
        _group_table("words", report.optimizer.by_length),
        *(f"![{what}]({name})" for what, name in pictures.items()),
        "## Worst outputs",
        *([_shown(outcome) for outcome in worst(report.outcomes)] or ["There is nothing to complain of."]),
    ]
    return "\n\n".join(parts) + "\n"


def calibration(outcomes: Sequence[Outcome], bins: int = 10) -> list[tuple[float, float, int]]:
    """For bins of equally many rewrites by confidence: mean confidence, share without problem or fault, how many."""
    done = [(outcome.rewrite.confidence, outcome) for outcome in outcomes if outcome.rewrite]
    rated = sorted((confidence, outcome.good) for confidence, outcome in done)
    cuts = [len(rated) * turn // bins for turn in range(bins + 1)]
    groups = [rated[start:end] for start, end in pairwise(cuts) if end > start]
    return [(fmean(x for x, _ in group), fmean(y for _, y in group), len(group)) for group in groups]


def _groups(groups: Groups, without: Sequence[str]) -> dict[str, Any]:
    def plain(found: Figures) -> dict[str, int | float | None]:
        return {key: _rounded(value) for key, value in asdict(found).items() if key not in without}

    return {
        "overall": plain(groups.overall),
        "by_source": {name: plain(found) for name, found in groups.by_source.items()},
        "by_length": {name: plain(found) for name, found in groups.by_length.items()},
    }


def _rounded(value: int | float | None) -> int | float | None:
    return round(value, 4) if isinstance(value, float) else value


def _row(outcome: Outcome) -> dict[str, Any]:
    rewrite = outcome.rewrite
    return {
        "prompt": outcome.prompt.text,
        "source": outcome.prompt.source,
        "rewrite": rewrite.text if rewrite else None,
        "rejection": outcome.rejection,
        "problems": complaints(outcome),
        "stable": outcome.stable,
        "confidence": rewrite.confidence if rewrite else None,
        "tokens": rewrite.tokens if rewrite else None,
        "seconds": rewrite.seconds if rewrite else None,
    }


def _pictures(report: Report, folder: Path) -> dict[str, str]:
    ours, null = asdict(report.optimizer.overall), asdict(report.template.overall)
    series = {"optimizer": [ours[key] for key in PLOTTED], "template": [null[key] for key in PLOTTED]}
    plot_comparison([NAMES[key] for key in PLOTTED], series, folder / "comparison.png")
    groups = {**report.optimizer.by_length, **report.optimizer.by_source}
    shares = {key: [getattr(found, key) for found in groups.values()] for key in ("form", "rejected")}
    plot_comparison([name or "no source" for name in groups], shares, folder / "groups.png")
    pictures = {"Optimizer and template": "comparison.png", "By length and source": "groups.png"}
    seconds = sorted(outcome.rewrite.seconds for outcome in report.outcomes if outcome.rewrite)
    if seconds:
        marks = {"p50": percentile(seconds, 0.5), "p95": percentile(seconds, 0.95)}
        plot_histogram(seconds, "seconds a rewrite", marks, folder / "seconds.png")
        plot_calibration(calibration(report.outcomes), folder / "confidence.png")
        pictures |= {"Time a rewrite takes": "seconds.png", "Is the confidence honest?": "confidence.png"}
    return pictures


def _headline(report: Report) -> str:
    ours, null = asdict(report.optimizer.overall), asdict(report.template.overall)
    rows = [[NAMES[key], _cell(key, ours[key]), "–" if key in COST else _cell(key, null[key])] for key in NAMES]
    return _table(["figure", "optimizer", "template"], rows)


def _group_table(title: str, groups: Mapping[str, Figures]) -> str:
    cells = {name: [_cell(key, getattr(found, key)) for key in GROUP_COLUMNS] for name, found in groups.items()}
    head = [title, *(key.replace("_", " ") for key in GROUP_COLUMNS)]
    return _table(head, [[name or "no source", *line] for name, line in cells.items()])


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---", *("---:" for _ in head[1:])], *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _cell(key: str, value: int | float | None) -> str:
    if value is None:
        return "–"
    if key == "prompts":
        return str(value)
    return f"{value:.3g}" if key in NUMBERS else f"{value:.1%}"


def _shown(outcome: Outcome) -> str:
    text = outcome.rewrite.text if outcome.rewrite else ""
    wrong = "\n".join(f"- {' '.join(complaint.split())}" for complaint in complaints(outcome)[:8])
    return f"Prompt:\n\n{_quoted(outcome.prompt.text)}\n\nRewrite:\n\n{_quoted(text)}\n\n{wrong}"


def _quoted(text: str) -> str:
    """The text, cut where it is long, indented as a code block, in which Markdown reads nothing as a mark."""
    cut = text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + " …"
    return "\n".join(f"    {line}" for line in cut.split("\n"))

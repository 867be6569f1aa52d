"""Pictures that training and evaluation leave."""

import json
from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # before pyplot, which else looks for a screen
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter


def plot_loss(metrics: Path, picture: Path) -> None:
    """Training and validation loss against steps, from the JSON lines of a run."""
    rows = [json.loads(line) for line in metrics.read_text(encoding="utf-8").splitlines()]
    figure, axes = plt.subplots(figsize=(7, 4))
    for key, name in (("loss", "training"), ("eval_loss", "validation")):
        points = [(row["step"], row[key]) for row in rows if key in row]
        if points:
            axes.plot(*zip(*points, strict=True), label=name, marker="." if key == "eval_loss" else None)
    axes.set(xlabel="step", ylabel="loss (nats per piece)", yscale="log")
    axes.grid(alpha=0.3)
    axes.legend()
    _save(figure, picture)


def plot_comparison(names: Sequence[str], series: Mapping[str, Sequence[float | None]], picture: Path) -> None:
    """Shares side by side: a row of bars for each name, a bar for each series; what is None is left out."""
    figure, axes = plt.subplots(figsize=(7, 0.5 + 0.45 * len(names)))
    height = 0.8 / len(series)
    for turn, (label, values) in enumerate(series.items()):
        places = [row + (turn - (len(series) - 1) / 2) * height for row in range(len(names))]
        axes.barh(places, [value or 0.0 for value in values], height, label=label)
        for place, value in zip(places, values, strict=True):
            axes.text(value or 0.0, place, " –" if value is None else f" {value:.0%}", va="center", fontsize=7)
    axes.set(xlim=(0, 1.1), yticks=range(len(names)), yticklabels=names)
    axes.invert_yaxis()
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.grid(alpha=0.3, axis="x")
    axes.legend(loc="lower right", fontsize=8)
    _save(figure, picture)


def plot_histogram(values: Sequence[float], label: str, marks: Mapping[str, float | None], picture: Path) -> None:
    """How values are spread, with a named line at each mark that has a value."""
    figure, axes = plt.subplots(figsize=(7, 3))
    axes.hist(values, bins=min(40, max(5, len(values) // 4)), alpha=0.8)
    for style, (name, value) in zip(cycle(("--", ":", "-.")), marks.items(), strict=False):
        if value is not None:
            axes.axvline(value, linestyle=style, color="black", label=f"{name} {value:.3g}")
    axes.set(xlabel=label, ylabel="prompts")
    axes.grid(alpha=0.3)
    if any(value is not None for value in marks.values()):
        axes.legend()
    _save(figure, picture)


def plot_calibration(points: Sequence[tuple[float, float, int]], picture: Path) -> None:
    """Share of good rewrites against confidence, a point (confidence, share, count) a bin; on the line it is honest."""
    figure, axes = plt.subplots(figsize=(4.5, 4))
    axes.plot([0, 1], [0, 1], color="black", linewidth=0.8, linestyle="--")
    axes.plot([x for x, _, _ in points], [y for _, y, _ in points], marker="o")
    for x, y, count in points:
        axes.annotate(str(count), (x, y), textcoords="offset points", xytext=(4, -10), fontsize=7)
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02), xlabel="confidence", ylabel="share without problem or fault")
    axes.grid(alpha=0.3)
    _save(figure, picture)


def _save(figure: Figure, picture: Path) -> None:
    figure.tight_layout()
    figure.savefig(picture, dpi=110)
    plt.close(figure)

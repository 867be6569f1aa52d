"""Blind comparison by readers: our rewrite against the fixed template, and against the original prompt, in both orders.

  python training/runs/pairwise.py make dev.jsonl folder     # writes sheets to be read, and the key that says which text is whose
  python training/runs/pairwise.py score folder              # reads the sheets' answers; last line: one JSON object

Each sheet is for one reader and shows a pair once; the other order of the pair is on another sheet. A reader writes answers-N.txt: one
line a pair, its number and A, B or = for a tie.
"""

import json
import random
import sys
from collections import Counter
from pathlib import Path

from promptopt.errors import RewriteFailed
from promptopt.optimizer import Optimizer
from promptopt_training.template import wrapped

COUNT, SHEETS, SEED = 100, 4, 0
RIVALS = ("template", "original")


def make(prompts: Path, folder: Path) -> None:
    """Writes `SHEETS` sheets and key.json. A prompt whose rewrite is rejected stands as it is, as the user would keep it."""
    rng = random.Random(SEED)
    texts = [json.loads(line)["text"] for line in prompts.read_text(encoding="utf-8").splitlines()]
    optimizer = Optimizer()
    pairs = []
    for text in rng.sample(texts, COUNT):
        try:
            ours = optimizer.optimize(text).text
        except RewriteFailed:
            ours = text
        pairs += [(text, rival, ours, wrapped(text) if rival == "template" else text) for rival in RIVALS]
    rng.shuffle(pairs)
    sheets: list[list[str]] = [[] for _ in range(SHEETS)]
    key: list[list[tuple[str, str]]] = [[] for _ in range(SHEETS)]
    for number, (text, rival, ours, other) in enumerate(pairs):
        first = rng.random() < 0.5
        for turn, sheet in enumerate(((number % 2), (number % 2) + 2)):
            ours_is_a = first == (turn == 0)
            a, b = (ours, other) if ours_is_a else (other, ours)
            place = len(sheets[sheet])
            sheets[sheet].append(f"### Pair {place}\nThe writer typed: {text}\n\n--- A\n{a}\n\n--- B\n{b}\n")
            key[sheet].append((rival, "A" if ours_is_a else "B"))
    folder.mkdir(parents=True, exist_ok=True)
    for number, sheet_lines in enumerate(sheets):
        (folder / f"sheet-{number}.txt").write_text("\n".join(sheet_lines), encoding="utf-8")
    (folder / "key.json").write_text(json.dumps(key), encoding="utf-8")


def score(folder: Path) -> None:
    """Prints wins, losses and ties against each rival."""
    key = json.loads((folder / "key.json").read_text(encoding="utf-8"))
    counts = {rival: Counter[str]() for rival in RIVALS}
    for number, sheet in enumerate(key):
        answers = dict(line.split() for line in (folder / f"answers-{number}.txt").read_text(encoding="utf-8").splitlines() if line.strip())
        for place, (rival, ours) in enumerate(sheet):
            answer = answers[str(place)]
            counts[rival]["tie" if answer == "=" else "win" if answer == ours else "loss"] += 1
    for rival, count in counts.items():
        print(f"against the {rival}: {count['win']} wins, {count['loss']} losses, {count['tie']} ties")
    print(json.dumps({rival: round(count["win"] / max(1, count["win"] + count["loss"]), 3) for rival, count in counts.items()}))


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        score(Path(sys.argv[2]))

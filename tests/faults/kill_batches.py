"""kill_batches.py HOME TRIES: rewrites a file of prompts, killed at drawn moments; the rows that are there are right, the rest follow."""

import json
import sys
from pathlib import Path

from dying import killed, moments, touches
from fakes import fake_model, fake_rewrite

from promptopt.batch import rewrite_file
from promptopt.optimizer import Optimizer
from promptopt.settings import Settings

home, tries = Path(sys.argv[1]), int(sys.argv[2])
texts = [f"task {number} über ☺" for number in range(40)]
source = home / "in.jsonl"
source.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
expected = [(text, fake_rewrite(text)) for text in texts]
model = fake_model()


def rewrite(output: Path) -> None:
    """Rewrites all that is not in the output yet; only ever in a process of its own, because its progress bar has a thread."""
    assert rewrite_file(Optimizer(Settings(), lambda settings: model), source, output) == 0


def rows(output: Path) -> list[tuple[str, str]]:
    """Text and rewrite of each whole row."""
    whole = output.read_bytes().decode("utf-8", errors="replace").split("\n")[:-1] if output.exists() else []
    return [(row["text"], row["optimized_prompt"]) for row in map(json.loads, whole)]


tried = died = kept = 0
for moment in moments(touches(lambda: rewrite(home / "counted.jsonl"), home), tries):
    output, tried = home / f"{moment}.jsonl", tried + 1
    died += killed(lambda output=output: rewrite(output), home, moment)
    before = rows(output)
    assert before == expected[: len(before)], moment
    kept += len(before)
    touches(lambda output=output: rewrite(output), home)
    assert rows(output) == expected, moment
print(json.dumps({"tries": tried, "died": died, "kept": kept}))

"""Takes 200 vague tasks out of Tell Me More's IN3, with the important details they leave open, to measure on.

    python training/runs/in3.py IN3_TRAIN OUTPUT

IN3_TRAIN is data/IN3/train.jsonl of OpenBMB/Tell_Me_More @ 654fcec4da (Apache-2.0). The choice follows from the texts alone.
"""

import hashlib
import json
import sys
from pathlib import Path

HELD_OUT = 200
MOST_IMPORTANT = "3"


def main(source: Path, output: Path) -> None:
    """Writes {"id", "text", "source", "missing"} a line."""
    rows = (json.loads(line) for line in source.read_text(encoding="utf-8").splitlines() if line.strip())
    open_tasks = {}
    for row in rows:
        missing = [detail["description"] for detail in row["missing_details"] if str(detail["importance"]) == MOST_IMPORTANT]
        if row["vague"] and missing:
            open_tasks[row["task"].strip()] = missing
    chosen = sorted(open_tasks, key=digest)[:HELD_OUT]
    lines = ({"id": digest(text)[:12], "text": text, "source": "in3", "missing": open_tasks[text]} for text in chosen)
    output.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")


def digest(text: str) -> str:
    """A number for a text that says nothing of it."""
    return hashlib.sha256(text.encode()).hexdigest()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

"""Turns golden pairs into pairs of a house style, as an example of a data file of one's own.

promptopt-train data --size 300 --output golden.json
python docs/examples/house_style.py golden.json my_pairs.json
"""

import json
import sys
from pathlib import Path


def house_style(prompt: str, rewrite: str) -> str:
    """A request in the way one team writes them: what is wanted first, then who answers, three rules, and when it is done."""
    head, _, rest = rewrite.partition(f"\n\nTask: {prompt}\n\nConstraints:\n")
    persona = head.removeprefix("Act as ").split(".\n\n")[0]
    constraints, _, rest = rest.partition("\n\nSteps:\n")
    goal = rest.rpartition("\n\nGoal: ")[2]
    rules = "\n".join(f"* {line.removeprefix('- ')}" for line in constraints.split("\n")[:3])
    return f"WANTED: {prompt}\nANSWERED BY: {persona}\n\nHOUSE RULES\n{rules}\n\nDONE WHEN: {goal}"


def main(source: Path, output: Path) -> None:
    """Leaves out the pairs whose prompt already is structured."""
    pairs = [pair for pair in json.loads(source.read_text(encoding="utf-8")) if pair["prompt"] != pair["rewrite"]]
    mine = [{"prompt": pair["prompt"], "rewrite": house_style(pair["prompt"], pair["rewrite"])} for pair in pairs]
    output.write_text(json.dumps(mine, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

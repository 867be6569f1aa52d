"""Training pairs on disk: JSON or JSON lines of {"prompt", "rewrite"}, each bad row named by its line."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from promptopt.errors import InvalidInput
from promptopt.files import parse_json, read_text

NAMED = 10
_GAP = re.compile(r"[ \t\r\n,]*")
Item = TypeVar("Item")


@dataclass(frozen=True)
class Pair:
    """A prompt and the rewrite wanted for it.

    style, entry, subject: of a composed pair the form, the kind of task, and the words of the prompt that may be named as its subject.
    line: where a pair that was read stands in its file.
    """

    prompt: str
    rewrite: str
    style: str = ""
    entry: str = ""
    subject: str = ""
    line: int = field(default=0, compare=False, repr=False)


def write_pairs(pairs: Iterable[Pair], path: Path) -> int:
    """Writes pairs as a JSON list, or as JSON lines when the name ends in .jsonl; returns how many."""
    rows = [{name: value for name, value in asdict(pair).items() if name != "line"} for pair in pairs]
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".jsonl":
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    else:
        text = json.dumps(rows, ensure_ascii=False, indent=1) + "\n"
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
    return len(rows)


def read_pairs(path: Path) -> list[Pair]:
    """All pairs of a file. Raises InvalidInput naming every bad row (up to ten), its line and why; nothing is returned of a bad file."""
    pairs: list[Pair] = []
    problems: list[str] = []
    for line, row in _rows(path):
        try:
            pairs.append(_pair(row, line))
        except ValueError as error:
            problems.append(f"line {line}: {error}")
    if problems:
        raise bad_rows(path, problems, "Nothing was trained; mend these rows and start again.")
    if not pairs:
        raise InvalidInput(f"{path} holds no pairs.", "Make some with: promptopt-train data")
    return pairs


def read_lines(path: Path, parse: Callable[[Any], Item]) -> list[Item]:
    """What `parse` makes of each row of a JSON lines file. Raises InvalidInput naming the rows for which it raises ValueError."""
    found: list[Item] = []
    problems: list[str] = []
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            found.append(parse(parse_json(line)))
        except json.JSONDecodeError as error:
            problems.append(f"line {number}: not valid JSON: {error.msg}")
        except ValueError as error:
            problems.append(f"line {number}: {error}")
    if problems:
        raise bad_rows(path, problems, "Mend these rows and start again.")
    return found


def bad_rows(path: Path, problems: Sequence[str], hint: str) -> InvalidInput:
    """The refusal of a file: the first problems in full, the others counted."""
    more = f" (and {len(problems) - NAMED} more)" if len(problems) > NAMED else ""
    return InvalidInput(f"{path} has bad rows. {'; '.join(problems[:NAMED])}{more}.", hint)


def _rows(path: Path) -> Iterator[tuple[int, Any]]:
    if not path.exists():
        raise InvalidInput(f"{path} does not exist.", "Make the golden pairs with: promptopt-train data")
    text = read_text(path)
    if path.suffix == ".jsonl":
        for number, row in enumerate(text.split("\n"), start=1):
            if row.strip():
                yield number, _parse(row, f"line {number}", path)
        return
    data = _parse(text, "the file", path)
    if not isinstance(data, list):
        raise InvalidInput(f"{path} is not a JSON list.", 'It should be a list of {"prompt": …, "rewrite": …}.')
    decoder = json.JSONDecoder()
    position = text.index("[") + 1
    line = 1 + text.count("\n", 0, position)
    for row in data:
        gap = _GAP.match(text, position)
        start = gap.end() if gap else position
        line += text.count("\n", position, start)
        yield line, row
        position = decoder.raw_decode(text, start)[1]
        line += text.count("\n", start, position)


def _parse(text: str, where: str, path: Path) -> Any:
    try:
        return parse_json(text)
    except ValueError as error:
        place, why = where, str(error)
        if isinstance(error, json.JSONDecodeError):
            place, why = (f"line {error.lineno}" if where == "the file" else where), error.msg
        raise InvalidInput(f"{path} is not valid JSON: {place}: {why}.", "Nothing was trained; mend the file and start again.") from error


def _pair(row: Any, line: int) -> Pair:
    if not isinstance(row, dict):
        raise ValueError("not an object")
    for key in ("prompt", "rewrite"):
        if not isinstance(row.get(key), str) or not row[key].strip():
            raise ValueError(f'"{key}" is missing, empty or not a string')
    if row["prompt"] not in row["rewrite"]:
        raise ValueError("the rewrite does not contain the prompt word for word")
    style, entry, subject = (str(row.get(key, "")) for key in ("style", "entry", "subject"))
    return Pair(row["prompt"], row["rewrite"], style, entry, subject, line)

"""Training pairs on disk: JSON or JSON lines of {"prompt", "rewrite"}, each bad row named by its line."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from promptopt.errors import InvalidInput


@dataclass(frozen=True)
class Pair:
    """A prompt and the rewrite wanted for it; `style` and `entry` say where a composed pair comes from."""

    prompt: str
    rewrite: str
    style: str = ""
    entry: str = ""


def write_pairs(pairs: Iterable[Pair], path: Path) -> int:
    """Writes pairs as a JSON list, or as JSON lines when the name ends in .jsonl; returns how many."""
    rows = [asdict(pair) for pair in pairs]
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
    for place, row in _rows(path):
        try:
            pairs.append(_pair(row))
        except ValueError as error:
            problems.append(f"{place}: {error}")
    if problems:
        more = f" (and {len(problems) - 10} more)" if len(problems) > 10 else ""
        raise InvalidInput(
            f"{path} has bad rows. " + "; ".join(problems[:10]) + more + ".", "Nothing was trained; mend these rows and start again."
        )
    if not pairs:
        raise InvalidInput(f"{path} holds no pairs.", "Make some with: promptopt-train data")
    return pairs


def _rows(path: Path) -> Iterator[tuple[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise InvalidInput(f"{path} does not exist.", "Make the golden pairs with: promptopt-train data") from error
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read ({error.strerror}).", "Check the path.") from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path} is not UTF-8 (byte {error.start}).", "Save it as UTF-8.") from error
    if path.suffix == ".jsonl":
        for number, line in enumerate(text.split("\n"), start=1):
            if line.strip():
                yield f"line {number}", _parse(line, f"line {number}", path)
        return
    data = _parse(text, "the file", path)
    if not isinstance(data, list):
        raise InvalidInput(f"{path} is not a JSON list.", 'It should be a list of {"prompt": …, "rewrite": …}.')
    decoder = json.JSONDecoder()
    position = text.index("[") + 1
    for row in data:
        position += len(text[position:]) - len(text[position:].lstrip(" \t\r\n,"))
        yield f"line {text.count(chr(10), 0, position) + 1}", row
        position = decoder.raw_decode(text, position)[1]


def _parse(text: str, where: str, path: Path) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}" if where == "the file" else where
        raise InvalidInput(
            f"{path} is not valid JSON: {place}: {error.msg}.", "Nothing was trained; mend the file and start again."
        ) from error


def _pair(row: Any) -> Pair:
    if not isinstance(row, dict):
        raise ValueError("not an object")
    for key in ("prompt", "rewrite"):
        if not isinstance(row.get(key), str) or not row[key].strip():
            raise ValueError(f'"{key}" is missing, empty or not a string')
    if row["prompt"] not in row["rewrite"]:
        raise ValueError("the rewrite does not contain the prompt word for word")
    return Pair(row["prompt"], row["rewrite"], str(row.get("style", "")), str(row.get("entry", "")))

"""`promptopt optimize --batch`: a file of prompts in, a file of rewrites out, in order, resumable."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from tqdm import tqdm

from promptopt.errors import InvalidInput, PromptoptError, RewriteFailed
from promptopt.files import parse_json, read_text
from promptopt.optimizer import BATCH, Optimizer

_ROW_START = b'{"text": '


def rewrite_file(optimizer: Optimizer, source: Path, output: Path) -> int:
    """Rewrites every row of `source` that `output` does not hold yet; returns the exit status.

    A row that cannot be rewritten is written with "optimized_prompt": null and its error, and the status is that of RewriteFailed.
    Raises InvalidInput when a file is unusable; `output` is then as it was.
    """
    texts = read_rows(source)
    if output.exists() and output.samefile(source):
        raise InvalidInput("--batch and --output name the same file.", "Give another --output.")
    done, failed = _resume(output, texts)
    with _appending(output) as file, tqdm(total=len(texts), initial=done, unit="prompt", file=sys.stderr) as bar:
        for start in range(done, len(texts), BATCH):
            chunk = texts[start : start + BATCH]
            for text, row in zip(chunk, _rows(optimizer, chunk), strict=True):
                file.write(json.dumps({"text": text, **row}, ensure_ascii=False) + "\n")
                failed += row["optimized_prompt"] is None
                bar.update()
            file.flush()
    if failed:
        print(f'promptopt: {failed} of {len(texts)} prompts were not rewritten; their rows in {output} say why ("error").', file=sys.stderr)
    return RewriteFailed.exit_status if failed else 0


def read_rows(path: Path) -> list[str]:
    """The "text" of every row of a JSON lines file. Raises InvalidInput naming the first bad line."""
    texts = []
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        row = _object(line)
        if row is None or not isinstance(row.get("text"), str):
            raise InvalidInput(f'{path}, line {number}: not an object with a string "text".', "Mend that line; nothing was written.")
        texts.append(row["text"])
    return texts


def _rows(optimizer: Optimizer, texts: list[str]) -> Iterator[dict[str, Any]]:
    for result in optimizer.batch(texts):
        if isinstance(result, PromptoptError):
            yield {"optimized_prompt": None, "error": str(result)}
        else:
            yield result.as_json()


def _resume(output: Path, texts: list[str]) -> tuple[int, int]:
    """How many rows `output` already holds, and how many of these failed; a half-written last row is cut off.

    Raises InvalidInput when it holds anything else.
    """
    if not output.is_file():
        return 0, 0
    try:
        content = output.read_bytes()
    except OSError as error:
        raise InvalidInput(f"{output} cannot be read ({error.strerror}).", "Give another --output.") from error
    whole = content[: content.rfind(b"\n") + 1]
    tail = content[len(whole) :]
    rows = [_object(line) for line in whole.decode("utf-8", errors="replace").split("\n")[:-1]]
    for number, row in enumerate(rows):
        if row is None or number >= len(texts) or row.get("text") != texts[number] or "optimized_prompt" not in row:
            raise InvalidInput(
                f"{output}, line {number + 1} is not the rewrite of the same line of the input.",
                "Give another --output, or delete this one.",
            )
    if not (tail.startswith(_ROW_START) or _ROW_START.startswith(tail)):
        raise InvalidInput(f"{output} does not end in a rewrite.", "Give another --output, or delete this one.")
    if tail:
        with output.open("r+b") as file:
            file.truncate(len(whole))
    return len(rows), sum(row is not None and row["optimized_prompt"] is None for row in rows)


def _appending(output: Path) -> TextIO:
    """`output`, open for more rows; what UTF-8 cannot hold of a row, a lone surrogate, becomes the JSON escape of it."""
    try:
        return output.open("a", encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise InvalidInput(f"{output} cannot be written ({error.strerror}).", "Give another --output.") from error


def _object(line: str) -> dict[str, Any] | None:
    try:
        row = parse_json(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None

"""Processor time that the language server's event loop spends on a large source file, in milliseconds for each megabyte.

python benchmarks/frames.py [--megabytes 1]

For Python, YAML and JSON made of this repository's files: the first question about a version of the document (which actions are there), the
next one, the frame of a selection at the end, and the edit. The best of three.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

from lsprotocol import types

from promptopt.frames import frame_of
from promptopt.lsp.actions import code_actions
from promptopt.lsp.delivery import Delivery
from promptopt.lsp.positions import range_at
from promptopt.lsp.selection import Source

ROOT = Path(__file__).parent.parent
DELIVERY = Delivery(resolves=True, versioned=True, progress=True, disabled=True)
PROMPT, REWRITE = "create function", "Act as a tester.\n\nTask: create function"


def texts(size: int) -> dict[str, tuple[str, str]]:
    """For each language a text of about `size` characters, and what stands behind it with the prompt."""
    python = "".join(path.read_text(encoding="utf-8") for path in sorted(ROOT.glob("*/**/*.py")))
    yaml = "".join(path.read_text(encoding="utf-8") for path in sorted(ROOT.glob("training/**/*.yaml")))
    values = json.dumps([f"value {number}" for number in range(10_000)], indent=1)[1:-2] + ",\n"
    return {
        "python": (repeated(python, size), f"# {PROMPT}\n"),
        "yaml": (repeated(yaml, size), f"# {PROMPT}\n"),
        "json": ("[" + repeated(values, size), f'"{PROMPT}"]\n'),
    }


def repeated(text: str, size: int) -> str:
    return text * (size // len(text) + 1)


def milliseconds(document: str, language: str) -> list[float]:
    """Of each step of one rewrite in a document that was not seen before."""
    start = document.rindex(PROMPT)
    end = start + len(PROMPT)
    selected = range_at(document, start, end, "utf-16")
    params = types.CodeActionParams(types.TextDocumentIdentifier("file:///a"), selected, types.CodeActionContext(diagnostics=[]))

    def actions() -> object:
        return code_actions(params, Source(document, language), 1, "utf-16", DELIVERY)

    def edit() -> object:
        return frame.fit(REWRITE), range_at(document, start, end, "utf-16")

    times = [spent(actions), spent(actions), spent(lambda: frame_of(document, language, "", start, end))]
    frame = frame_of(document, language, "", start, end)
    return [1000 * seconds for seconds in (*times, spent(edit))]


def spent(step: Callable[[], object]) -> float:
    """Seconds of processor time."""
    before = time.process_time()
    step()
    return time.process_time() - before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, default=1.0, help="characters in millions (default: %(default)s)")
    size = int(parser.parse_args().megabytes * 1e6)
    for language, (text, ending) in texts(size).items():
        documents = [text + "\n" * number + ending for number in range(1, 4)]
        best = min((milliseconds(document, language) for document in documents), key=sum)
        steps = zip(("first", "next", "frame", "edit"), best, strict=True)
        print(json.dumps({"language": language, **{name: round(value * 1e6 / len(text), 1) for name, value in steps}}))


if __name__ == "__main__":
    main()

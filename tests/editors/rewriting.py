"""What the tests of editors share: files with a prompt to select, and what they are after a rewrite."""

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from fakes import fake_rewrite

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
FAKE = [sys.executable, str(ROOT / "tests" / "lsp" / "fake_server.py"), "--stdio"]
PROMPT = "créate 😀 function"
REWRITE = fake_rewrite(PROMPT)


@dataclass(frozen=True)
class Case:
    """A file's text ahead of the selection, the selection, the text behind it, and what the selection becomes."""

    name: str
    ahead: str
    selected: str
    behind: str
    expected: str


CASES = [
    Case("a.py", "x = 1\n    # ", PROMPT, "\ny = 2\n", REWRITE.replace("\n\n", "\n    #\n    # ")),
    Case("b.json", '{"é😀": "', PROMPT, '", "z": [1]}\n', json.dumps(REWRITE, ensure_ascii=False)[1:-1]),
    Case("c.py", 'f("""é""", f"', "{x} " + PROMPT, '")  # d\n', fake_rewrite("{x} " + PROMPT).replace("\n", "\\n")),
]


def environment(file: Path, case: Case) -> dict[str, str]:
    """What an editor's script needs: the server, the file, and where the selection begins and ends, in characters from 0."""
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(str(ROOT / name) for name in ("server", "training", "tests")),
        "PROMPTOPT_SERVER": json.dumps(FAKE),
        "PROMPTOPT_CONFIGURATION": str(ROOT / "docs" / "editors"),
        "PROMPTOPT_FILE": str(file),
        "PROMPTOPT_START": str(len(case.ahead)),
        "PROMPTOPT_END": str(len(case.ahead) + len(case.selected)),
        "PROMPTOPT_START_BYTE": str(len(case.ahead.encode())),
        "PROMPTOPT_END_BYTE": str(len((case.ahead + case.selected).encode())),
        "XDG_STATE_HOME": str(file.parent / "state"),
        "HOME": str(file.parent),
        "LC_ALL": "C.UTF-8",
    }

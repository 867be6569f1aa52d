"""Builds the wheel twice, from two copies of the tracked files in two folders at two times, and compares every byte.

python benchmarks/wheel.py [--output FOLDER]     (needs git, setuptools and a C++ compiler)

Prints the wheel's name and SHA-256 as a JSON line. The exit status is 1 when the two differ; the names of what differs come first.
SOURCE_DATE_EPOCH is the time of the last commit unless it is set.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent


def git(*arguments: str) -> str:
    """What git says."""
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True).stdout


def built(home: Path, epoch: str) -> Path:
    """The wheel of a copy of the tracked files in `home`."""
    for name in git("ls-files", "-z").split("\0")[:-1]:
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, home / name)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", "made", "."]
    subprocess.run(command, cwd=home, env={**os.environ, "SOURCE_DATE_EPOCH": epoch, "PYTHONHASHSEED": str(len(home.name))}, check=True)
    [wheel] = (home / "made").glob("*.whl")
    return wheel


def differing(one: Path, other: Path) -> list[str]:
    """Names of what differs within two wheels."""
    with zipfile.ZipFile(one) as first, zipfile.ZipFile(other) as second:
        names = sorted({*first.namelist(), *second.namelist()})
        both = set(first.namelist()) & set(second.namelist())
        return [name for name in names if name not in both or first.read(name) != second.read(name)]


def main() -> int:
    """Builds and compares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, help="where the wheel is put when the two are the same")
    options = parser.parse_args()
    epoch = os.environ.get("SOURCE_DATE_EPOCH") or git("log", "-1", "--format=%ct").strip()
    with tempfile.TemporaryDirectory(prefix="a") as one, tempfile.TemporaryDirectory(prefix="another place ") as other:
        first, second = built(Path(one), epoch), built(Path(other), epoch)
        digests = [hashlib.sha256(wheel.read_bytes()).hexdigest() for wheel in (first, second)]
        same = digests[0] == digests[1]
        native = [name for name in zipfile.ZipFile(first).namelist() if "_native" in name and not name.endswith(".pyi")]
        if not same:
            print("\n".join(differing(first, second) or ["the same files, packed differently"]))
        elif options.output:
            options.output.mkdir(parents=True, exist_ok=True)
            shutil.copy(first, options.output)
        print(json.dumps({"wheel": first.name, "same": same, "sha256": digests[0], "extension": native, "SOURCE_DATE_EPOCH": epoch}))
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())

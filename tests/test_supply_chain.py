"""What is installed with promptopt has a licence that we allow, and what CI runs is pinned."""

import re
from email.message import Message
from pathlib import Path

import pytest
import yaml
from licences import BINARIES, identifiers_of, licence_of, licences

ROOT = Path(__file__).parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PINNED = re.compile(r"uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")


def test_everything_that_is_installed_with_it_has_a_licence_that_is_allowed() -> None:
    found = list(licences())
    assert {"numpy", "pygls", "sentencepiece", "torch", "fastapi", "mcp"} <= {licence.name for licence in found}
    assert {licence.name: licence.said for licence in found if licence.unknown and not BINARIES.match(licence.name)} == {}


@pytest.mark.parametrize(
    ("fields", "unknown"),
    [
        ([("License-Expression", "MIT OR GPL-3.0-only")], ["GPL-3.0-only"]),
        ([("License", "GPLv3")], ["GPLv3"]),
        ([("Classifier", "License :: OSI Approved :: GNU Affero General Public License v3")], ["GNU Affero General Public License v3"]),
        ([], [""]),
        ([("License", "MIT"), ("Classifier", "Topic :: Text Editors")], []),
        ([("License", "Copyright 2015, somebody\nand others"), ("Classifier", "License :: OSI Approved :: BSD License")], []),
        ([("License-Expression", "Apache-2.0 AND (MIT OR BSD-3-Clause)")], []),
    ],
)
def test_a_licence_that_is_not_allowed_is_found(fields: list[tuple[str, str]], unknown: list[str]) -> None:
    metadata = Message()
    for name, value in [("Version", "1.0"), *fields]:
        metadata[name] = value
    assert licence_of("planted", metadata).unknown == unknown  # type: ignore[arg-type]


def test_an_expression_is_taken_apart() -> None:
    assert identifiers_of("Apache-2.0 WITH LLVM-exception AND (MIT OR 0BSD)") == {"Apache-2.0 WITH LLVM-exception", "MIT", "0BSD"}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_what_ci_uses_is_pinned_by_commit(path: Path) -> None:
    used = [line.strip().removeprefix("- ") for line in path.read_text(encoding="utf-8").splitlines() if "uses:" in line]
    assert used != []
    assert [line for line in used if not PINNED.fullmatch(line)] == []


@pytest.mark.parametrize(("job", "run"), [("cluster", "make cluster PYTHON=python"), ("browser", "python -m pytest -m browser")])
def test_ci_runs_the_suites_that_are_skipped_where_something_is_missing(job: str, run: str) -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
    commands = [step["run"] for step in workflow["jobs"][job]["steps"] if "run" in step]
    assert [f'python -m pip install -e ".[dev,{job}]"', run] == [commands[0], commands[-1]]


def test_ci_has_every_platform_and_every_python_and_may_only_read() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
    matrix = workflow["jobs"]["test"]["strategy"]["matrix"]
    assert [name.partition("-")[0] for name in matrix["os"]] == ["ubuntu", "macos", "windows"]
    assert matrix["python"] == ["3.11", "3.12", "3.13", "3.14"]
    assert workflow["permissions"] == {"contents": "read"}
    assert 'requires-python = ">=3.11"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")

"""Each protection that `make mutations` takes away still stands in the code once, and each test that must fail then is there."""

import importlib.util
import re
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
RELIABILITY = (ROOT / "docs/reliability.md").read_text(encoding="utf-8")


def mutations() -> Any:
    spec = importlib.util.spec_from_file_location("mutations", ROOT / "benchmarks/mutations.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their own module up
    spec.loader.exec_module(module)
    return module.MUTATIONS


MUTATIONS = mutations()


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_the_protection_and_the_test_are_there(mutation: Any) -> None:
    assert (ROOT / mutation.file).read_text(encoding="utf-8").count(mutation.protection) == 1
    assert mutation.without != mutation.protection
    file, _, name = mutation.test.partition("::")
    assert re.search(rf"^(async )?def {name}\(", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)


def test_the_page_says_how_many_there_are() -> None:
    assert f"takes {len(MUTATIONS)} protections away" in RELIABILITY

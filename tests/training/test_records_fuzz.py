"""Whatever stands in a training file, its pairs are read or its bad rows are named; nothing else comes out."""

import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from promptopt.batch import read_rows
from promptopt.errors import InvalidInput
from promptopt_training.inputs import read_inputs
from promptopt_training.records import read_pairs

BOUNDED = settings(max_examples=50, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3), max_leaves=5
)
ROWS = st.fixed_dictionaries(
    {},
    optional={name: JSON | st.just("a b") for name in ("prompt", "rewrite", "style", "entry", "text", "source", "label", "id", "subject")},
)
READERS = [read_pairs, read_rows, read_inputs]
DEEP = [b"[" * 50_000, b"9" * 5_000, b'[{"prompt": ' + b"[" * 50_000]


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", ["x.json", "x.jsonl"])
@BOUNDED
@given(rows=st.lists(ROWS | JSON, max_size=4))
def test_rows_are_read_or_named(tmp_path: Path, reader, name: str, rows: list[object]) -> None:  # type: ignore[no-untyped-def]
    text = json.dumps(rows) if name == "x.json" else "\n".join(json.dumps(row) for row in rows)
    (tmp_path / name).write_text(text, encoding="utf-8")
    try:
        found = reader(tmp_path / name)
    except InvalidInput:
        return
    assert len(found) <= len(rows)


@pytest.mark.parametrize("reader", READERS)
@BOUNDED
@given(content=st.binary(max_size=60))
def test_bytes_are_read_or_refused(tmp_path: Path, reader, content: bytes) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "x.jsonl").write_bytes(content)
    with suppress(InvalidInput):
        reader(tmp_path / "x.jsonl")


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", ["x.json", "x.jsonl"])
@pytest.mark.parametrize("content", DEEP, ids=lambda content: content[:12].decode())
def test_json_that_python_cannot_hold_is_refused(tmp_path: Path, reader, name: str, content: bytes) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidInput) as caught:
        reader(tmp_path / name)
    assert str(tmp_path / name) in caught.value.message
    assert len(caught.value.message) < 500

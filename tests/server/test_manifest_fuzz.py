"""Whatever stands in `promptopt.json`, it is read as what it should be or refused by a sentence that names the file."""

import json
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from fakes import manifest, vocabulary
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from promptopt.bundle import MANIFEST, Calibration, Manifest
from promptopt.codec import Codec, Table
from promptopt.engine.model import confidence
from promptopt.errors import BundleError

BOUNDED = settings(max_examples=150, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from([10**400, -1, "1", "<rewrite>"])
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3), max_leaves=5
)


def right() -> dict[str, Any]:
    """The content of a right manifest."""
    with tempfile.TemporaryDirectory() as folder:
        manifest().write(Path(folder))
        content: dict[str, Any] = json.loads((Path(folder) / MANIFEST).read_text(encoding="utf-8"))
    return content


RIGHT = right()


@st.composite
def damaged(draw: st.DrawFn, value: Any) -> Any:
    """`value` with one part of it, at any depth, replaced or taken away."""
    if not isinstance(value, dict | list) or not value or draw(st.integers(0, 3)) == 0:
        return draw(JSON)
    places: list[Any] = list(value) if isinstance(value, dict) else list(range(min(3, len(value))))
    place = draw(st.sampled_from(places))
    changed = dict(value) if isinstance(value, dict) else list(value)
    if isinstance(changed, dict) and draw(st.booleans()):
        del changed[place]
    else:
        changed[place] = draw(damaged(value[place]))
    return changed


def check_types(read: Manifest) -> None:
    """Fails unless each value is of the type, and within the bounds, that the rest of the program takes for granted."""
    for text in (read.base, read.base_sha256, read.style, read.data_sha256, *read.prefix, *read.headings):
        assert type(text) is str
    for number in (read.read_limit, read.write_limit):
        assert type(number) is int
        assert 0 < number < 100_000
    assert type(read.extra_ids) is int
    assert 0 <= read.extra_ids < 100_000
    assert 0 <= read.temperature < 100
    assert 0 <= confidence(-0.5, read.calibration) <= 1
    assert read.doubt is None or 0 <= confidence(read.doubt, read.calibration) <= 1
    assert all(type(name) is str and isinstance(figure, int | float) for name, figure in read.metrics.items())
    if read.codec is not None:
        known = [read.codec.prompt, *read.codec.pointers, read.codec.glue, read.codec.capital, read.codec.escape]
        assert {type(piece) for piece in known} == {str}
        assert read.codec.line_break is None or type(read.codec.line_break) is str


@BOUNDED
@given(content=damaged(RIGHT))
def test_a_manifest_is_read_or_refused(tmp_path: Path, content: Any) -> None:
    (tmp_path / MANIFEST).write_text(json.dumps(content), encoding="utf-8")
    try:
        read = Manifest.read(tmp_path)
    except BundleError:
        return
    check_types(read)
    if read.codec is not None:
        with suppress(BundleError):
            Codec(vocabulary(), read.codec, [])


@BOUNDED
@given(content=st.binary(max_size=80) | st.tuples(st.integers(0, 400), st.binary(max_size=3)))
def test_bytes_are_read_or_refused(tmp_path: Path, content: bytes | tuple[int, bytes]) -> None:
    whole = json.dumps(RIGHT).encode()
    place, put = content if isinstance(content, tuple) else (0, b"")
    (tmp_path / MANIFEST).write_bytes(content if isinstance(content, bytes) else whole[:place] + put + whole[place + len(put) :])
    with suppress(BundleError):
        check_types(Manifest.read(tmp_path))


@pytest.mark.parametrize(
    "content",
    [b"[" * 200_000, b'{"a":' * 100_000, b'{"format": ' + b"9" * 5_000 + b"}", b'{"format": 1e999}', b"NaN", b"\x00", b"\xef\xbb\xbf{}"],
    ids=lambda content: content[:12].decode("latin-1"),
)
def test_odd_json_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / MANIFEST).write_bytes(content)
    with pytest.raises(BundleError, match=r"promptopt\.json|manifest format"):
        Manifest.read(tmp_path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("style", 7), ("data_sha256", None), ("metrics", []), ("metrics", {"exact": "high"}), ("prefix", "abc"), ("prefix", [1])),
        *(("read_limit", True), ("read_limit", 0), ("write_limit", -1), ("write_limit", 10**9), ("extra_ids", -1), ("extra_ids", 10**9)),
        *(("temperature", "warm"), ("temperature", -1), ("temperature", 1e999), ("temperature", float("nan"))),
        *(("calibration", {"slope": "x", "intercept": 0}), ("calibration", {"slope": 1, "intercept": float("nan")})),
        *(("calibration", "steep"), ("calibration", 3)),
    ],
)
def test_a_value_that_cannot_be_is_named(tmp_path: Path, name: str, value: object) -> None:
    (tmp_path / MANIFEST).write_text(json.dumps({**RIGHT, name: value}), encoding="utf-8")
    with pytest.raises(BundleError, match=name):
        Manifest.read(tmp_path)


@pytest.mark.parametrize(("name", "value"), [("prompt", 7), ("pointers", [1, 2]), ("pointers", "abc"), ("glue", None), ("line_break", 3)])
def test_a_table_of_another_type_is_refused(name: str, value: object) -> None:
    with pytest.raises(BundleError, match="codec table of the adapter is malformed"):
        Table.from_json({**RIGHT["codec"], name: value})


def test_what_is_right_is_read(tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_text(json.dumps(RIGHT), encoding="utf-8")
    assert Manifest.read(tmp_path) == manifest()
    assert Manifest.read(tmp_path).calibration == Calibration(1.0, 0.0)

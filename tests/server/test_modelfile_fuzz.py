"""A model file with a flipped bit or cut short is refused; one that was made to lie is refused, or run without harm: nothing else."""

import json
import struct
import threading
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tiny_models import model_file

from promptopt.bundle import Bundle
from promptopt.engine.compiled import CompiledEngine
from promptopt.engine.modelfile import ModelFile
from promptopt.engine.portable import PortableEngine
from promptopt.engine.protocol import Decoding, Engine
from promptopt.errors import DamagedModel, RewriteFailed

PREFIX = struct.Struct("<8sIIQQQ")
RUNNING = threading.Event()
BOUNDED = settings(max_examples=40, derandomize=True, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
VALUES = st.none() | st.booleans() | st.integers(-(2**65), 2**65) | st.floats() | st.text(max_size=3) | st.lists(st.integers(), max_size=4)


@pytest.fixture(scope="module", params=["float32", "int8"])
def whole(request: pytest.FixtureRequest, tied: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A right model file."""
    return model_file(tied, tmp_path_factory.mktemp("whole"), request.param).path


def header_of(data: bytes) -> dict[str, Any]:
    offset, length = PREFIX.unpack_from(data)[3:5]
    header: dict[str, Any] = json.loads(data[offset : offset + length])
    return header


def sealed(data: bytes) -> bytes:
    """The file with the checksum that its weights have."""
    offset = PREFIX.unpack_from(data)[3]
    return with_header(data, json.dumps({**header_of(data), "checksum": zlib.crc32(data[PREFIX.size : offset])}).encode())


def with_header(data: bytes, header: bytes) -> bytes:
    """The file with another header, and all that the prefix says of it right."""
    magic, version, _, offset, _, _ = PREFIX.unpack_from(data)
    prefix = PREFIX.pack(magic, version, zlib.crc32(header), offset, len(header), offset + len(header))
    return prefix + data[PREFIX.size : offset] + header


def runs(path: Path, tied: Bundle, *engines: Callable[[ModelFile], Engine]) -> None:
    """Opens and runs a model. Raises BundleError; whatever it writes is in the vocabulary, and a rewrite or a failed one."""
    codec = tied.codec()
    for make in engines:
        model = ModelFile(path)
        engine = make(model)
        tokens = list(engine.stream(codec.encode_prompt("create function", 16), Decoding(3), RUNNING))
        assert len(tokens) <= 3
        assert all(0 <= token.id < model.shape.vocabulary for token in tokens)
        with suppress(RewriteFailed):
            assert "create function" in codec.decode("create function", [token.id for token in tokens])


@BOUNDED
@given(data=st.data())
def test_a_flipped_bit_ahead_of_or_in_the_header_is_refused(tmp_path: Path, whole: Path, data: st.DataObject) -> None:
    content = bytearray(whole.read_bytes())
    offset, length = PREFIX.unpack_from(content)[3:5]
    place = data.draw(st.integers(0, PREFIX.size - 1) | st.integers(offset, offset + length - 1))
    content[place] ^= 1 << data.draw(st.integers(0, 7))
    (tmp_path / "model.bin").write_bytes(content)
    with pytest.raises(DamagedModel, match="cannot be loaded"):
        ModelFile(tmp_path / "model.bin")


@BOUNDED
@given(data=st.data())
def test_a_flipped_bit_among_the_weights_is_refused(tmp_path: Path, whole: Path, data: st.DataObject) -> None:
    content = bytearray(whole.read_bytes())
    content[data.draw(st.integers(PREFIX.size, PREFIX.unpack_from(content)[3] - 1))] ^= 1 << data.draw(st.integers(0, 7))
    (tmp_path / "model.bin").write_bytes(content)
    with pytest.raises(DamagedModel, match="its weights are damaged"):
        ModelFile(tmp_path / "model.bin")


@BOUNDED
@given(data=st.data())
def test_a_file_cut_short_or_grown_is_refused(tmp_path: Path, whole: Path, data: st.DataObject) -> None:
    content = whole.read_bytes()
    change = data.draw(st.binary(min_size=1, max_size=3) | st.integers(0, len(content) - 1))
    (tmp_path / "model.bin").write_bytes(content[:change] if isinstance(change, int) else content + change)
    with pytest.raises(DamagedModel, match="cannot be loaded"):
        ModelFile(tmp_path / "model.bin")


@settings(BOUNDED, max_examples=10)
@given(data=st.data())
def test_other_weights_with_their_checksum_do_no_harm(tmp_path: Path, whole: Path, tied: Bundle, data: st.DataObject) -> None:
    """They change what is written; the prompt is still pointed at, or the rewrite refused."""
    content = bytearray(whole.read_bytes())
    for place in data.draw(st.lists(st.integers(64, PREFIX.unpack_from(content)[3] - 1), min_size=1, max_size=50)):
        content[place] ^= 1 << data.draw(st.integers(0, 7))
    (tmp_path / "model.bin").write_bytes(sealed(content))
    runs(tmp_path / "model.bin", tied, CompiledEngine, PortableEngine)


def test_weights_that_are_no_numbers_do_no_harm(tmp_path: Path, whole: Path, tied: Bundle) -> None:
    content = bytearray(whole.read_bytes())
    end = PREFIX.unpack_from(content)[3]
    content[64:end] = b"\xff" * (end - 64)
    (tmp_path / "model.bin").write_bytes(sealed(content))
    runs(tmp_path / "model.bin", tied, CompiledEngine, PortableEngine)


@BOUNDED
@given(data=st.data())
def test_a_header_that_lies_is_refused_or_does_no_harm(tmp_path: Path, whole: Path, tied: Bundle, data: st.DataObject) -> None:
    content = whole.read_bytes()
    header = header_of(content)
    if data.draw(st.booleans()):
        header["shape"][data.draw(st.sampled_from(sorted(header["shape"])))] = data.draw(VALUES)
    else:
        name = data.draw(st.sampled_from(sorted(header["tensors"])))
        entry = header["tensors"][name]
        if data.draw(st.booleans()):
            entry[data.draw(st.integers(0, 3))] = data.draw(VALUES | st.sampled_from(["int8", "float16", "float32", "table", 0, -64, 64]))
        else:
            header["tensors"][name] = data.draw(VALUES)
    (tmp_path / "model.bin").write_bytes(with_header(content, json.dumps(header).encode()))
    for engine in (CompiledEngine, PortableEngine):
        with suppress(DamagedModel):
            runs(tmp_path / "model.bin", tied, engine)


@pytest.mark.parametrize("header", [b"", b"{", b"[]", b"7", b"\xff", b"[" * 100_000, b'{"shape": 3, "tensors": {}}', b"9" * 5_000])
def test_a_header_that_is_none_is_refused(tmp_path: Path, whole: Path, header: bytes) -> None:
    (tmp_path / "model.bin").write_bytes(with_header(whole.read_bytes(), header))
    with pytest.raises(DamagedModel, match="cannot be loaded"):
        ModelFile(tmp_path / "model.bin")

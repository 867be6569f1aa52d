"""A compiled model comes back as it was written, or is refused."""

import errno
import io
import mmap
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.engine.modelfile import ModelFile, ModelWriter, Shape, fits_float16, quantized
from promptopt.errors import BundleError, DamagedModel

SHAPE = Shape(
    d_model=8,
    d_kv=4,
    heads=2,
    d_ff=16,
    encoder_layers=1,
    decoder_layers=1,
    vocabulary=70,
    distance=128,
    activation="relu",
    gated=False,
    epsilon=1e-6,
    start=0,
)


def matrix(rows: int, columns: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, columns)).astype(np.float32)


def saved(path: Path, quantization: str, values: np.ndarray) -> Path:
    with path.open("wb") as file:
        writer = ModelWriter(file, quantization)  # type: ignore[arg-type]
        writer.matrix("embedding", values)
        writer.table("norm", values[:, 0])
        writer.finish(SHAPE)
    return path


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (64, 4), (65, 7), (130, 32)])
def test_float32_comes_back_as_it_was(tmp_path: Path, rows: int, columns: int) -> None:
    values = matrix(rows, columns)
    model = ModelFile(saved(tmp_path / "model.bin", "float32", values))
    assert model.shape == SHAPE
    assert model.quantization == "float32"
    assert model.read("embedding").tolist() == values.tolist()
    assert model.read("norm").tolist() == [values[:, 0].tolist()]


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (64, 4), (65, 7), (130, 32)])
def test_what_float16_holds_exactly_takes_half_the_bytes(tmp_path: Path, rows: int, columns: int) -> None:
    values = matrix(rows, columns).astype(np.float16).astype(np.float32)
    model = ModelFile(saved(tmp_path / "model.bin", "float32", values))
    assert (model.quantization, model.tensors["embedding"].size) == ("float16", 2 * -(-rows // 64) * 64 * columns)
    assert model.read("embedding").dtype == np.float32
    assert model.read("embedding").tolist() == values.tolist()


@pytest.mark.parametrize(
    ("values", "fits"),
    [
        ([0.0, -0.0, 1.5, 65504.0, 2.0**-24], True),
        ([1.0, 1.0 + 2.0**-11], False),
        ([65536.0], False),
        ([2.0**-25], False),
        ([np.inf], False),
        ([np.nan], False),
    ],
)
def test_float16_is_taken_only_where_it_loses_nothing(values: list[float], fits: bool) -> None:
    assert fits_float16(np.array([values], np.float32)) is fits


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (64, 4), (65, 7), (130, 32)])
def test_int8_comes_back_within_half_a_step(tmp_path: Path, rows: int, columns: int) -> None:
    values = matrix(rows, columns)
    model = ModelFile(saved(tmp_path / "model.bin", "int8", values))
    assert model.quantization == "int8"
    step = np.abs(values).max(1, keepdims=True) / 127
    assert (np.abs(model.read("embedding") - values) <= 0.501 * step).all()


def test_tensors_start_on_cache_lines(tmp_path: Path) -> None:
    model = ModelFile(saved(tmp_path / "model.bin", "int8", matrix(65, 7)))
    assert [(tensor.kind, tensor.offset % 64) for tensor in model.tensors.values()] == [("int8", 0), ("table", 0)]


@given(st.lists(st.lists(st.floats(-1e3, 1e3, width=32), min_size=3, max_size=3), min_size=1, max_size=5))
def test_a_row_is_numbers_of_one_byte_times_its_scale(rows: list[list[float]]) -> None:
    values = np.array(rows, np.float32)
    numbers, scales = quantized(values)
    assert numbers.dtype == np.int8
    assert np.abs(numbers.astype(int)).max() <= 127
    assert (np.abs(numbers * scales[:, None] - values) <= 0.501 * scales[:, None] + 1e-30).all()


def test_numbers_too_small_for_their_digits_stay_within_a_byte() -> None:
    tiny = np.float32(1e-45)
    numbers, _ = quantized(np.array([[0, 128 * tiny, -190 * tiny]], np.float32))
    assert numbers.tolist() == [[0, 127, -127]]


def test_a_row_of_zeros_stays_zero() -> None:
    numbers, scales = quantized(np.zeros((2, 3), np.float32))
    assert (numbers.tolist(), scales.tolist()) == ([[0, 0, 0]] * 2, [0, 0])


def bits(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 255]) + data[at + 1 :]


DAMAGE = {
    "empty": (lambda data: b"", "cannot mmap an empty file"),
    "short": (lambda data: data[:39], "it is no compiled model"),
    "foreign": (lambda data: b"CTranslate2" + data[11:], "it is no compiled model"),
    "newer": (lambda data: data[:8] + b"\x09" + data[9:], "it is of version 9"),
    "cut": (lambda data: data[:-1], "it should have"),
    "longer": (lambda data: data + b"x", "it should have"),
    "header": (lambda data: bits(data, len(data) - 5), "its header is damaged"),
    "unfinished": (lambda data: bytes(64) + data[64:], "it is no compiled model"),
    "older": (lambda data: data[:8] + b"\x01" + data[9:], "it is of version 1, this program reads version 3"),
    "weights": (lambda data: bits(data, 64), "its weights are damaged"),
    "padding": (lambda data: bits(data, 63), "its weights are damaged"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_refused(tmp_path: Path, damage: str) -> None:
    path = saved(tmp_path / "model.bin", "int8", matrix(65, 7))
    change, why = DAMAGE[damage]
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(DamagedModel) as caught:
        ModelFile(path)
    assert caught.value.message.startswith(f"The compiled model {path} cannot be loaded: ")
    assert why in caught.value.message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"nothing\.bin cannot be loaded"):
        ModelFile(tmp_path / "nothing.bin")


def test_a_file_that_there_is_no_memory_for_is_not_taken_for_a_damaged_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory(*given: object, **options: object) -> object:
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    path = saved(tmp_path / "model.bin", "int8", matrix(65, 7))
    monkeypatch.setattr(mmap, "mmap", no_memory)
    with pytest.raises(BundleError) as caught:
        ModelFile(path)
    assert not isinstance(caught.value, DamagedModel)
    assert caught.value.message == f"The compiled model {path} cannot be loaded: Cannot allocate memory."


def test_a_tensor_beyond_the_file_is_refused(tmp_path: Path) -> None:
    class Liar(io.BytesIO):
        """Tells the writer that it is further on than it is."""

        def tell(self) -> int:
            return super().tell() + 6400 * (super().tell() == 64)

    with Liar() as file:
        writer = ModelWriter(file, "int8")
        writer.matrix("embedding", matrix(64, 4))
        writer.finish(SHAPE)
        (tmp_path / "model.bin").write_bytes(file.getvalue())
    with pytest.raises(BundleError, match="embedding lies outside it"):
        ModelFile(tmp_path / "model.bin")

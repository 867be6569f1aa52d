"""The products of the native engine against numpy's, for every kind of kernel that this processor runs."""

import io
from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptopt.engine._native import kernel_names, multiply
from promptopt.engine.modelfile import ModelWriter, Tensor, fits_float16, quantized

KERNELS = kernel_names()
SIZES = st.tuples(st.integers(1, 140), st.integers(1, 90), st.integers(1, 8))


def product(weights: np.ndarray, vectors: np.ndarray, quantization: str, kernels: str) -> np.ndarray:
    """[vectors, rows], by the kernels with this name."""
    file = io.BytesIO()
    ModelWriter(file, quantization).matrix("w", weights)  # type: ignore[arg-type]
    rows, columns = weights.shape
    aligned = np.zeros(len(file.getvalue()) + 64, np.uint8)
    start = -aligned.ctypes.data % 64
    memory = aligned[start : start + len(file.getvalue())]
    memory[:] = np.frombuffer(file.getvalue(), np.uint8)
    exact = "float16" if fits_float16(weights) else "float32"
    tensor = Tensor("int8" if quantization == "int8" else exact, rows, columns, 64)
    found = multiply(memory, {"w": astuple(tensor)}, "w", rows, columns, np.ascontiguousarray(vectors, np.float32), kernels)
    return np.frombuffer(found, np.float32).reshape(len(vectors), -1)


def check_int8(weights: np.ndarray, vectors: np.ndarray, kernels: str) -> None:
    """The error is at most half a step of each activation, times its weight."""
    rows, columns = weights.shape
    numbers, scales = quantized(weights)
    exact = vectors.astype(float) @ (numbers.astype(float) * scales[:, None]).T
    reach = min(32767, (2**31 - 1) // (127 * 4 * -(-columns // 4)))
    step = np.abs(vectors).max(1, keepdims=True) / reach
    allowed = 0.51 * step * (np.abs(numbers.astype(float)).sum(1) * scales) + 1e-6 * np.abs(exact)
    found = product(weights, vectors, "int8", kernels)
    assert (np.abs(found[:, :rows] - exact) <= allowed + 1e-30).all()
    assert not found[:, rows:].any()


@pytest.mark.parametrize("kernels", KERNELS)
@settings(max_examples=60)
@given(SIZES, st.integers(0, 2**32), st.sampled_from([1e-6, 1.0, 1e6]))
def test_int8_products_are_within_half_a_step(kernels: str, sizes: tuple[int, int, int], seed: int, scale: float) -> None:
    rows, columns, count = sizes
    draw = np.random.default_rng(seed)
    weights = draw.normal(size=(rows, columns)).astype(np.float32)
    check_int8(weights, (scale * draw.standard_t(2, size=(count, columns))).astype(np.float32), kernels)


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("columns", [256, 517, 768, 2048, 5120])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_largest_numbers_do_not_overflow(kernels: str, columns: int, sign: int) -> None:
    check_int8(np.full((66, columns), 0.3, np.float32), np.full((4, columns), sign * 7.0, np.float32), kernels)


@pytest.mark.parametrize("kernels", KERNELS)
def test_nothing_times_anything_is_nothing(kernels: str) -> None:
    assert not product(np.ones((3, 5), np.float32), np.zeros((2, 5), np.float32), "int8", kernels).any()
    assert not product(np.zeros((3, 5), np.float32), np.ones((2, 5), np.float32), "int8", kernels).any()


@pytest.mark.parametrize("kernels", KERNELS)
@settings(max_examples=40)
@given(SIZES, st.integers(0, 2**32))
def test_float32_products_are_those_of_numpy(kernels: str, sizes: tuple[int, int, int], seed: int) -> None:
    rows, columns, count = sizes
    draw = np.random.default_rng(seed)
    weights, vectors = draw.normal(size=(rows, columns)).astype(np.float32), draw.normal(size=(count, columns)).astype(np.float32)
    np.testing.assert_allclose(product(weights, vectors, "float32", kernels)[:, :rows], vectors @ weights.T, atol=3e-5)


@pytest.mark.parametrize("kernels", KERNELS)
@settings(max_examples=40)
@given(SIZES, st.integers(0, 2**32), st.sampled_from([1e-7, 1e-4, 1.0, 1e4]))
def test_float16_products_are_those_of_numpy(kernels: str, sizes: tuple[int, int, int], seed: int, scale: float) -> None:
    rows, columns, count = sizes
    draw = np.random.default_rng(seed)
    weights = (scale * draw.uniform(-1, 1, size=(rows, columns))).astype(np.float16).astype(np.float32)
    vectors = draw.normal(size=(count, columns)).astype(np.float32)
    assert fits_float16(weights)
    np.testing.assert_allclose(product(weights, vectors, "float32", kernels)[:, :rows], vectors @ weights.T, atol=3e-5 * scale, rtol=1e-5)


@pytest.mark.parametrize("kernels", KERNELS)
def test_every_float16_is_widened_as_numpy_does(kernels: str) -> None:
    weights = np.arange(2**16, dtype=np.uint16).view(np.float16).astype(np.float32)
    weights = np.where(np.isfinite(weights), weights, 0)[:, None]
    found = product(weights, np.ones((1, 1), np.float32), "float32", kernels)[0]
    assert found.tolist() == weights[:, 0].tolist()


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("quantization", ["float32", "int8"])
def test_a_vector_has_the_same_products_alone_and_among_others(kernels: str, quantization: str) -> None:
    draw = np.random.default_rng(0)
    weights, vectors = (draw.normal(size=(rows, 37)).astype(np.float16).astype(np.float32) for rows in (130, 7))
    together = product(weights, vectors, quantization, kernels)
    assert together.tolist() == [product(weights, vector[None], quantization, kernels)[0].tolist() for vector in vectors]


def test_there_are_kernels_for_every_processor() -> None:
    assert KERNELS[-1] == "portable"


def test_kernels_that_the_processor_does_not_run_are_refused() -> None:
    with pytest.raises(ValueError, match="does not run"):
        product(np.ones((1, 1), np.float32), np.ones((1, 1), np.float32), "int8", "abacus")

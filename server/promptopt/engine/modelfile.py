"""The compiled form of a network: one flat file that every engine maps into memory, read-only, so that processes share it.

    0   magic, version, offset, length and CRC-32 of the header, size of the file; written last, so half a file is never taken for one
    64  tensors, each starting on a multiple of 64 bytes
    …   the header, JSON: the network's shape, for each tensor [kind, rows, columns, offset], and the CRC-32 of what lies ahead of it

Matrices are cut into panels of 64 rows, because a kernel computes 64 outputs side by side: "float32" and "float16" hold
[panel][column][row], "int8" holds [panel][column / 4][row][column % 4], followed by a float32 scale and an int32 sum for each row. Rows are
padded to whole panels and, in "int8", columns to a multiple of four, with zeros. A "table" is float32, row by row, as it is.
"""

import json
import mmap
import struct
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from promptopt.errors import BundleError, DamagedModel
from promptopt.files import parse_json

VERSION = 3
PANEL = 64
_MAGIC = b"promptT5"
_PREFIX = struct.Struct("<8sIIQQQ")
_ALIGNMENT = 64
_STEEPEST = 127
_LARGEST = 1 << 24
ACTIVATIONS = ("relu", "gelu", "gelu_new")
Kind = Literal["int8", "float16", "float32", "table"]
Matrix = NDArray[np.float32]
_FLOATS = {"float16": "<f2", "float32": "<f4"}


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The shape of a T5. `distance`: relative positions further apart than this share a bias. `start`: what the decoder reads first."""

    d_model: int
    d_kv: int
    heads: int
    d_ff: int
    encoder_layers: int
    decoder_layers: int
    vocabulary: int
    distance: int
    activation: str
    gated: bool
    epsilon: float
    start: int

    def check(self) -> None:
        """Raises TypeError naming a field that no network can have."""
        for name, value in asdict(self).items():
            whole = name not in ("activation", "gated", "epsilon", "start")
            if whole and (type(value) is not int or not 0 < value <= _LARGEST):
                raise TypeError(f"its shape has the {name} {value!r:.40}")
        if self.activation not in ACTIVATIONS or type(self.gated) is not bool or type(self.start) is not int:
            raise TypeError("its shape is malformed")
        if type(self.epsilon) is not float or not 0 < self.epsilon < 1 or not 0 <= self.start < self.vocabulary:
            raise TypeError("its shape is impossible")


@dataclass(frozen=True)
class Tensor:
    """Where a tensor is in the file."""

    kind: Kind
    rows: int
    columns: int
    offset: int

    def check(self, length: int) -> None:
        """Raises TypeError unless this is a tensor that lies within a file of `length` bytes."""
        sizes = (self.rows, self.columns, self.offset)
        if self.kind not in get_args(Kind) or not all(type(size) is int for size in sizes):
            raise TypeError("has a malformed entry")
        if not 0 < self.rows <= _LARGEST or not 0 < self.columns <= _LARGEST:
            raise TypeError("has an impossible shape")
        if self.offset % _ALIGNMENT or not 0 < self.offset <= length - self.size:
            raise TypeError("lies outside it")

    @property
    def panels(self) -> int:
        """Panels of 64 rows, the last one padded."""
        return -(-self.rows // PANEL)

    @property
    def size(self) -> int:
        """Bytes, padding and what belongs to each row included."""
        if self.kind == "table":
            return 4 * self.rows * self.columns
        if self.kind != "int8":
            return np.dtype(_FLOATS[self.kind]).itemsize * self.panels * PANEL * self.columns
        return self.panels * PANEL * (4 * -(-self.columns // 4) + 8)


class ModelWriter:
    """Writes a model file tensor by tensor, so that only one of them is in memory at a time."""

    def __init__(self, file: BinaryIO, quantization: Literal["int8", "float32"]) -> None:
        self._file = file
        self._kind: Kind = quantization
        self._tensors: dict[str, Tensor] = {}
        self._file.write(bytes(_ALIGNMENT))
        self._checksum = zlib.crc32(bytes(_ALIGNMENT - _PREFIX.size))

    def matrix(self, name: str, values: Matrix) -> None:
        """Adds a matrix of shape [outputs, inputs], quantized unless the file is a float32 one: there float16 where it loses nothing."""
        if self._kind == "float32":
            kind: Kind = "float16" if fits_float16(values) else "float32"
            self._add(name, kind, values, [_float_panels(values, kind)])
        else:
            rows, scales = quantized(values)
            padding = (0, -len(rows) % PANEL)
            self._add(name, self._kind, values, [_byte_panels(rows), np.pad(scales, padding), np.pad(rows.sum(1, dtype=np.int32), padding)])

    def table(self, name: str, values: Matrix) -> None:
        """Adds a small array of shape [rows, columns] or [columns] as it is."""
        self._add(name, "table", np.atleast_2d(values), [values.astype("<f4")])

    def finish(self, shape: Shape) -> None:
        """Writes the header, then the prefix that makes the file a model."""
        tensors = {name: [tensor.kind, tensor.rows, tensor.columns, tensor.offset] for name, tensor in self._tensors.items()}
        header = json.dumps({"checksum": self._checksum, "shape": asdict(shape), "tensors": tensors}).encode()
        offset = self._file.tell()
        self._file.write(header)
        self._file.seek(0)
        self._file.write(_PREFIX.pack(_MAGIC, VERSION, zlib.crc32(header), offset, len(header), offset + len(header)))

    def _add(self, name: str, kind: Kind, values: Matrix, parts: list[NDArray[Any]]) -> None:
        rows, columns = values.shape
        self._tensors[name] = Tensor(kind, rows, columns, self._file.tell())
        for part in parts:
            self._write(np.ascontiguousarray(part).data)
        self._write(bytes(-self._file.tell() % _ALIGNMENT))

    def _write(self, content: memoryview | bytes) -> None:
        self._checksum = zlib.crc32(content, self._checksum)
        self._file.write(content)


class ModelFile:
    """A model file, mapped into memory. Raises DamagedModel when it is not what was written, BundleError when it cannot be read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with path.open("rb") as file:
                self.memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (FileNotFoundError, ValueError) as error:
            raise damaged(path, str(error)) from error
        except OSError as error:
            raise BundleError(
                f"The compiled model {path} cannot be loaded: {error.strerror}.", "Check free memory, and that you may read the file."
            ) from error
        header = self._header()
        try:
            self.shape = Shape(**header["shape"])
            self.shape.check()
            self.tensors = {name: Tensor(*entry) for name, entry in header["tensors"].items()}
        except (KeyError, TypeError, AttributeError) as error:
            raise damaged(path, f"its header is malformed: {error}") from error
        for name, tensor in self.tensors.items():
            try:
                tensor.check(len(self.memory))
            except TypeError as error:
                raise damaged(path, f"{name} {error}") from error
        if self._checksum() != header.get("checksum"):
            raise damaged(path, "its weights are damaged")

    @property
    def quantization(self) -> Kind:
        """How the matrices are kept."""
        return self.tensors["embedding"].kind

    def read(self, name: str) -> Matrix:
        """A tensor as a float32 array of shape [rows, columns], a copy where it is a matrix."""
        tensor = self.tensors[name]
        rows, columns, panels = tensor.rows, tensor.columns, tensor.panels
        if tensor.kind == "table":
            return np.frombuffer(self.memory, "<f4", rows * columns, tensor.offset).reshape(rows, columns)
        if tensor.kind != "int8":
            flat = np.frombuffer(self.memory, _FLOATS[tensor.kind], panels * PANEL * columns, tensor.offset)
            exact = flat.reshape(panels, columns, PANEL).transpose(0, 2, 1).reshape(panels * PANEL, columns)[:rows]
            return exact.astype(np.float32, copy=False)
        quads = -(-columns // 4)
        values = np.frombuffer(self.memory, np.int8, panels * PANEL * quads * 4, tensor.offset)
        scales = np.frombuffer(self.memory, "<f4", panels * PANEL, tensor.offset + len(values))
        matrix = values.reshape(panels, quads, PANEL, 4).transpose(0, 2, 1, 3).reshape(panels * PANEL, quads * 4)[:rows, :columns]
        dequantized: Matrix = matrix * scales[:rows, None]
        return dequantized

    def _checksum(self) -> int:
        """Of all that stands between the prefix and the header."""
        with memoryview(self.memory) as whole, whole[_PREFIX.size : _PREFIX.unpack_from(whole)[3]] as weights:
            return zlib.crc32(weights)

    def _header(self) -> Mapping[str, Any]:
        if len(self.memory) < _PREFIX.size or self.memory[: len(_MAGIC)] != _MAGIC:
            raise damaged(self.path, "it is no compiled model")
        _, version, checksum, offset, length, size = _PREFIX.unpack_from(self.memory)
        if version != VERSION:
            raise damaged(self.path, f"it is of version {version}, this program reads version {VERSION}")
        if size != len(self.memory) or offset + length != size:
            raise damaged(self.path, f"it should have {size} bytes and has {len(self.memory)}")
        header = self.memory[offset : offset + length]
        if zlib.crc32(header) != checksum:
            raise damaged(self.path, "its header is damaged")
        try:
            parsed: Mapping[str, Any] = parse_json(header.decode())
        except ValueError as error:
            raise damaged(self.path, f"its header is malformed: {error}") from error
        return parsed


def fits_float16(matrix: Matrix) -> bool:
    """Whether float16 holds every number of it exactly; none that is infinite or no number."""
    with np.errstate(over="ignore"):
        return bool((np.isfinite(matrix) & (matrix.astype(np.float16) == matrix)).all())


def quantized(matrix: Matrix) -> tuple[NDArray[np.int8], Matrix]:
    """Rows as whole numbers from -127 to 127, and the scale of each row: row ≈ numbers * scale."""
    scales = np.abs(matrix).max(1, initial=0) / np.float32(_STEEPEST)
    safe = np.where(scales > 0, scales, 1)
    numbers = np.rint(matrix / safe[:, None]).clip(-_STEEPEST, _STEEPEST)  # a scale too small for its digits may overshoot
    return numbers.astype(np.int8), scales.astype(np.float32)


def _float_panels(matrix: Matrix, kind: Kind) -> NDArray[Any]:
    padded = np.pad(matrix, ((0, -matrix.shape[0] % PANEL), (0, 0)))
    return padded.reshape(-1, PANEL, padded.shape[1]).transpose(0, 2, 1).astype(_FLOATS[kind])


def _byte_panels(matrix: NDArray[np.int8]) -> NDArray[np.int8]:
    padded = np.pad(matrix, ((0, -matrix.shape[0] % PANEL), (0, -matrix.shape[1] % 4)))
    return padded.reshape(-1, PANEL, padded.shape[1] // 4, 4).transpose(0, 2, 1, 3)


def damaged(path: Path, why: str) -> DamagedModel:
    """The error for a compiled model that cannot be run."""
    return DamagedModel(f"The compiled model {path} cannot be loaded: {why}.", "Delete its folder; it is made again at the next start.")

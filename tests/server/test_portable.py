"""The engine in numpy holds a model to the shape that it says it has."""

from dataclasses import replace
from pathlib import Path

import pytest
from tiny_models import model_file

from promptopt.bundle import Bundle
from promptopt.engine.modelfile import Tensor
from promptopt.engine.portable import PortableEngine, sizes
from promptopt.errors import DamagedModel


def test_every_tensor_of_a_model_has_its_size_in_the_list(tied: Bundle, tmp_path: Path) -> None:
    model = model_file(tied, tmp_path, "int8")
    listed = {name: (rows, columns) for name, rows, columns in sizes(model.shape)}
    del listed["head"]  # this one's is the embedding
    assert listed == {name: (tensor.rows, tensor.columns) for name, tensor in model.tensors.items()}


@pytest.mark.parametrize("changes", [{"d_ff": 64}, {"decoder_layers": 4}, {"vocabulary": 20_000}, {"gated": True}, {"distance": 12}])
def test_a_network_that_does_not_fit_its_shape_is_refused(tied: Bundle, tmp_path: Path, changes: dict[str, int]) -> None:
    model = model_file(tied, tmp_path, "int8")
    model.shape = replace(model.shape, **changes)
    with pytest.raises(DamagedModel, match=r"cannot be loaded: \S+ is (missing|of another shape than the network)"):
        PortableEngine(model)


@pytest.mark.parametrize("name", ["embedding", "encoder.bias", "decoder.1.cross.kv", "encoder.0.norm", "decoder.norm"])
def test_a_network_that_lacks_a_tensor_is_refused(tied: Bundle, tmp_path: Path, name: str) -> None:
    model = model_file(tied, tmp_path, "float32")
    del model.tensors[name]
    with pytest.raises(DamagedModel, match=f"cannot be loaded: {name} is missing"):
        PortableEngine(model)


def test_a_head_of_another_shape_is_refused(tied: Bundle, tmp_path: Path) -> None:
    model = model_file(tied, tmp_path, "float32")
    known = model.tensors["embedding"]
    model.tensors["head"] = Tensor(known.kind, known.rows, known.columns - 1, known.offset)
    with pytest.raises(DamagedModel, match="head is of another shape than the network"):
        PortableEngine(model)

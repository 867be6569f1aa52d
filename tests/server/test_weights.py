"""A LoRA adapter merged into its base, without torch."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from promptopt.engine.weights import Weights, are_updates, is_plain_lora, load_weights, merge_adapter
from promptopt.errors import BundleError

LORA = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "use_dora": False, "use_rslora": False}
NAME = "base_model.model.encoder.q"


def base() -> Weights:
    return {
        "encoder.q.weight": np.array([[1, 2, 3], [4, 5, 6]], np.float32),
        "encoder.v.weight": np.array([[1, 1, 1], [1, 1, 1]], np.float32),
        "encoder.o.weight": np.array([[7.0]], np.float32),
    }


def adapter() -> Weights:
    return {
        f"{NAME}.lora_A.weight": np.array([[1, 0, 2], [0, 1, 0]], np.float32),
        f"{NAME}.lora_B.weight": np.array([[1, 1], [0, 3]], np.float32),
    }


@pytest.mark.parametrize(
    ("config", "merged"),
    [
        (LORA, [[3, 4, 7], [4, 11, 6]]),  # B @ A = [[1, 1, 2], [0, 3, 0]], times 4 / 2
        ({**LORA, "lora_alpha": 2}, [[2, 3, 5], [4, 8, 6]]),
        ({**LORA, "r": 4}, [[2, 3, 5], [4, 8, 6]]),
        ({**LORA, "r": 16, "use_rslora": True}, [[2, 3, 5], [4, 8, 6]]),
        ({"peft_type": "LORA", "r": 2, "lora_alpha": 4}, [[3, 4, 7], [4, 11, 6]]),
    ],
)
def test_the_update_is_added_at_its_scale(config: dict[str, Any], merged: list[list[float]]) -> None:
    assert merge_adapter(base(), adapter(), config)["encoder.q.weight"].tolist() == merged


def test_what_the_adapter_leaves_alone_stays() -> None:
    merged = merge_adapter(base(), adapter(), LORA)
    assert list(merged) == list(base())
    assert merged["encoder.v.weight"].tolist() == [[1, 1, 1], [1, 1, 1]]
    assert merged["encoder.o.weight"].tolist() == [[7]]


def test_the_base_given_is_not_changed() -> None:
    weights = base()
    merge_adapter(weights, adapter(), LORA)
    assert weights["encoder.q.weight"].tolist() == [[1, 2, 3], [4, 5, 6]]


def test_two_updates_are_added_each_to_its_own() -> None:
    more = {name.replace(".q.", ".v."): 2 * tensor for name, tensor in adapter().items()}
    merged = merge_adapter(base(), {**adapter(), **more}, LORA)
    assert merged["encoder.q.weight"].tolist() == [[3, 4, 7], [4, 11, 6]]
    assert merged["encoder.v.weight"].tolist() == [[9, 9, 17], [1, 25, 1]]


def test_an_empty_adapter_changes_nothing() -> None:
    assert {name: tensor.tolist() for name, tensor in merge_adapter(base(), {}, LORA).items()} == {
        name: tensor.tolist() for name, tensor in base().items()
    }


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        (f"{NAME}.lora_A.weight", (2, 4)),
        (f"{NAME}.lora_B.weight", (3, 2)),
        (f"{NAME}.lora_A.weight", (3, 3)),
        (f"{NAME}.lora_A.weight", (3,)),
    ],
)
def test_an_update_of_another_shape_does_not_fit(name: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(BundleError) as caught:
        merge_adapter(base(), {**adapter(), name: np.ones(shape, np.float32)}, LORA)
    assert caught.value.message == "The adapter does not fit its base: encoder.q.weight."


def test_an_update_for_a_tensor_that_the_base_lacks_does_not_fit() -> None:
    renamed = {name.replace(".q.", ".query."): tensor for name, tensor in adapter().items()}
    with pytest.raises(BundleError, match=r"does not fit its base: encoder\.query\.weight"):
        merge_adapter(base(), renamed, LORA)


@pytest.mark.parametrize(
    ("added", "gone", "named"),
    [
        (f"{NAME}.lora_magnitude_vector.weight", "", f"{NAME}.lora_magnitude_vector.weight"),
        ("base_model.model.shared.weight", "", "base_model.model.shared.weight"),
        ("", f"{NAME}.lora_B.weight", f"{NAME}.lora_A.weight"),
        ("", f"{NAME}.lora_A.weight", f"{NAME}.lora_B.weight"),
    ],
)
def test_a_tensor_that_is_no_update_is_named(added: str, gone: str, named: str) -> None:
    tensors = {name: tensor for name, tensor in adapter().items() if name != gone}
    if added:
        tensors[added] = np.ones((2,), np.float32)
    with pytest.raises(BundleError) as caught:
        merge_adapter(base(), tensors, LORA)
    assert caught.value.message == f"The adapter holds a tensor that is no LoRA update: {named}."


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        ({**LORA, "use_dora": True}, "DoRA"),
        ({**LORA, "peft_type": "IA3"}, "IA3"),
        ({}, "None"),
    ],
)
def test_an_adapter_of_another_kind_is_refused(config: dict[str, Any], kind: str) -> None:
    with pytest.raises(BundleError) as caught:
        merge_adapter(base(), adapter(), config)
    assert caught.value.message == f"The adapter is of kind {kind}, not plain LoRA."


@pytest.mark.parametrize(("key", "value"), [("rank_pattern", {"q": 8}), ("alpha_pattern", {"q": 8}), ("fan_in_fan_out", True)])
def test_an_option_that_would_change_the_update_is_refused(key: str, value: object) -> None:
    with pytest.raises(BundleError) as caught:
        merge_adapter(base(), adapter(), {**LORA, key: value})
    assert caught.value.message == f"The adapter uses {key}, which is not supported."


@pytest.mark.parametrize("start", ["pissa", "pissa_niter_4", "olora", "OLoRA", "corda", "loftq", "lora_ga"])
def test_an_adapter_that_began_with_a_part_of_its_base_is_refused(start: str) -> None:
    config = {**LORA, "init_lora_weights": start}
    assert not is_plain_lora(config)
    with pytest.raises(BundleError) as caught:
        merge_adapter(base(), adapter(), config)
    assert caught.value.message == f"The adapter began as {start}, which changes the base too."


@pytest.mark.parametrize("start", [True, False, None, "gaussian", "eva", "orthogonal"])
def test_an_adapter_that_began_beside_its_base_is_merged(start: object) -> None:
    config = {**LORA, "init_lora_weights": start}
    assert is_plain_lora(config)
    assert merge_adapter(base(), adapter(), config)["encoder.q.weight"].tolist() == [[3, 4, 7], [4, 11, 6]]


@pytest.mark.parametrize(
    ("added", "merged"),
    [
        ("base_model.model.encoder.v.lora_A.weight", True),
        ("base_model.model.lm_head.weight", False),
        ("base_model.model.shared.lora_embedding_A", False),
        ("base_model.model.encoder.v.lora_B.bias", False),
    ],
)
def test_a_tensor_that_is_no_update_keeps_an_adapter_from_being_merged(added: str, merged: bool) -> None:
    assert are_updates([*adapter(), added]) is merged


def test_tensors_are_loaded_as_float32(tmp_path: Path) -> None:
    save_file({"a": np.array([[1.5, -2]], np.float16), "b": np.array([3], np.float64)}, tmp_path / "x.safetensors")
    loaded = load_weights(tmp_path / "x.safetensors")
    assert {name: (tensor.tolist(), str(tensor.dtype)) for name, tensor in loaded.items()} == {
        "a": ([[1.5, -2.0]], "float32"),
        "b": ([3.0], "float32"),
    }


@pytest.mark.parametrize("damage", ["empty", "short", "garbage", "missing"])
def test_a_damaged_file_is_named(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "x.safetensors"
    save_file({"a": np.ones((8, 8), np.float32)}, path)
    whole = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes({"empty": b"", "short": whole[:-10], "garbage": b"\xff" * 200}[damage])
    with pytest.raises(BundleError) as caught:
        load_weights(path)
    assert caught.value.message.startswith(f"{path} is damaged or cannot be read (")

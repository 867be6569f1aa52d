"""Whatever stands in an adapter's files or an editor's settings, it is taken as what it should be or refused by a sentence."""

import json
import math
import string
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from promptopt.adapters.access import Access
from promptopt.adapters.locate import locate, may_need_hub
from promptopt.engine.weights import is_plain_lora, load_weights, merge_adapter
from promptopt.errors import BundleError, PromptoptError
from promptopt.settings import ENGINES, LOG_LEVELS, LONGEST_IDLE, Settings, camel_case, is_server_url, parse_settings

BOUNDED = settings(max_examples=150, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
TEXT = st.text(st.characters(), max_size=12) | st.text(string.printable, max_size=12)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | TEXT | st.sampled_from([10**400, -1, 0, 1e-320, "LORA", "2"])
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=5)
LORA: dict[str, Any] = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "use_dora": False, "use_rslora": False}
BASE = {"q.weight": np.ones((3, 4), np.float32)}
PARTS = {f"base_model.model.q.lora_{part}.weight": np.ones(shape, np.float32) for part, shape in (("A", (2, 4)), ("B", (3, 2)))}
WHOLE = save(PARTS)


@BOUNDED
@given(changed=st.dictionaries(st.sampled_from(sorted([*LORA, "rank_pattern"])), JSON, min_size=1, max_size=2))
def test_a_configuration_gives_finite_weights_or_is_refused(changed: dict[str, Any]) -> None:
    is_plain_lora(changed)
    with suppress(BundleError):
        merged = merge_adapter(BASE, PARTS, {**LORA, **changed})["q.weight"]
        assert merged.shape == (3, 4)
        assert np.isfinite(merged).all()


@pytest.mark.parametrize("taken", ["r", "lora_alpha"])
def test_a_configuration_that_lacks_a_number_is_refused(taken: str) -> None:
    with pytest.raises(BundleError, match=f"{taken} of the adapter"):
        merge_adapter(BASE, PARTS, {name: value for name, value in LORA.items() if name != taken})


@BOUNDED
@given(shapes=st.lists(st.lists(st.integers(0, 4), max_size=3), min_size=2, max_size=2))
def test_tensors_of_any_shape_fit_or_are_refused(shapes: list[list[int]]) -> None:
    parts = {name: np.ones(shape, np.float32) for name, shape in zip(PARTS, shapes, strict=True)}
    with suppress(BundleError):
        assert merge_adapter(BASE, parts, LORA)["q.weight"].shape == (3, 4)


@BOUNDED
@given(place=st.integers(0, len(WHOLE)), put=st.binary(max_size=4), end=st.integers(0, 2 * len(WHOLE)))
def test_a_damaged_file_of_weights_is_read_or_refused(tmp_path: Path, place: int, put: bytes, end: int) -> None:
    path = tmp_path / "adapter_model.safetensors"
    path.write_bytes((WHOLE[:place] + put + WHOLE[place + len(put) :])[:end])
    with suppress(BundleError):
        merged = merge_adapter(BASE, load_weights(path), LORA)
        assert merged["q.weight"].shape == (3, 4)


@BOUNDED
@given(sent=JSON | st.dictionaries(st.sampled_from([camel_case(field.name) for field in fields(Settings)]), JSON, max_size=4))
def test_settings_are_taken_or_left_as_they_were(sent: Any) -> None:
    base = Settings(adapter="mine", threads=2)
    read, problems = parse_settings(sent, base)
    assert all(type(problem) is str and "promptopt" in problem for problem in problems)
    assert [type(getattr(read, field.name)) for field in fields(Settings)] == [
        type(getattr(base, field.name)) for field in fields(Settings)
    ]
    assert read.engine in ENGINES
    assert read.log_level in LOG_LEVELS
    assert 0 <= read.threads <= 256
    assert 0 <= read.idle_unload_seconds <= LONGEST_IDLE
    assert read.adapter.strip()
    assert not read.remote_url or is_server_url(read.remote_url)


@BOUNDED
@given(name=TEXT | st.sampled_from(["~", "~nobody-here", "a\0b", "\ud800/x", "con", "/", ".", "x" * 5000, "a/b@../..", "../../etc"]))
def test_any_name_of_an_adapter_is_found_or_refused(name: str) -> None:
    may_need_hub(name)
    with suppress(PromptoptError):
        locate(name, Access(offline=True))


@BOUNDED
@given(named=JSON)
def test_any_base_that_an_adapter_names_is_found_or_refused(tmp_path: Path, named: Any) -> None:
    configuration = {**LORA, "base_model_name_or_path": named, "revision": named}
    (tmp_path / "adapter_config.json").write_text(json.dumps(configuration), encoding="utf-8")
    (tmp_path / "adapter_model.safetensors").write_bytes(WHOLE)
    with suppress(PromptoptError):
        locate(str(tmp_path), Access(offline=True))


def bfloat16(tensor: list[float]) -> bytes:
    """A safetensors file with one tensor `a` of this type, which numpy does not have."""
    data = (np.array(tensor, np.float32).view(np.uint32) >> 16).astype(np.uint16).tobytes()
    header = json.dumps(
        {"__metadata__": {"format": "pt"}, "a": {"dtype": "BF16", "shape": [len(tensor), 1], "data_offsets": [0, len(data)]}}
    )
    return len(header).to_bytes(8, "little") + header.encode() + data


def test_bfloat16_is_read_as_float32(tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(bfloat16([1.5, -2.0, 0.0, math.inf]))
    loaded = load_weights(tmp_path / "x.safetensors")["a"]
    assert (loaded.tolist(), str(loaded.dtype)) == ([[1.5], [-2.0], [0.0], [math.inf]], "float32")


def test_a_type_that_is_not_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(bfloat16([1.5]).replace(b'"BF16", "shape": [1, 1]', b'"F8_E4M3", "shape": [2]'.ljust(23)))
    with pytest.raises(BundleError, match="F8_E4M3"):
        load_weights(tmp_path / "x.safetensors")["a"]

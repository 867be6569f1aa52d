"""The compiled network writes what transformers and peft write, whatever the shape of the base."""

import json
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_models import PROMPTS, SIZE, bundle_of, compiled, greedy, ids, portable, reference, sources, tiny_adapter, tiny_base
from transformers.models.t5.modeling_t5 import T5Attention

from promptopt.bundle import Bundle
from promptopt.codec import END
from promptopt.engine._native import kernel_names
from promptopt.engine.compiled import CompiledEngine
from promptopt.engine.compiler import relative_bias
from promptopt.engine.protocol import Decoding, Engine
from promptopt.errors import BundleError

LIMIT = 24
RUNNING = threading.Event()
SHAPES = {
    "tied": {"ends": 6.0},
    "unscaled": {"scaled": False, "ends": 6.0},
    "untied": {"tied": False},
    "gated": {"feed_forward": "gated-gelu"},
    "flan": {"feed_forward": "gated-gelu", "tied": False, "scaled": False, "ends": 8.0},
    "gelu": {"feed_forward": "gelu", "ends": 6.0},
}


@pytest.fixture(scope="module", params=SHAPES, ids=str)
def shaped(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A base of one shape with a random adapter."""
    home = tmp_path_factory.mktemp(request.param)
    base = tiny_base(home / "base", **SHAPES[request.param])
    return bundle_of(tiny_adapter(home / "adapter", base))


@pytest.fixture
def own(tied: Bundle, tmp_path: Path) -> Bundle:
    """A copy of the adapter that a test may change."""
    return replace(tied, adapter=Path(shutil.copytree(tied.adapter, tmp_path / "own")))


def test_the_compiled_network_writes_what_the_reference_writes(shaped: Bundle, tmp_path: Path) -> None:
    model = reference(shaped.base, shaped.adapter)
    expected = [greedy(model, source, LIMIT) for source in sources()]
    assert END in [written[-1][0] for written in expected]
    engines: list[Engine] = [portable(shaped, tmp_path), *(compiled(shaped, tmp_path, kernels=name) for name in kernel_names())]
    for engine in engines:
        found = engine.batch(sources(), Decoding(LIMIT), RUNNING)
        assert [ids(tokens) for tokens in found] == [[index for index, _ in written] for written in expected]
        for tokens, written in zip(found, expected, strict=True):
            assert [token.log_prob for token in tokens] == pytest.approx([log_prob for _, log_prob in written], abs=1e-3)


def test_the_adapter_matters(tied: Bundle, tmp_path: Path) -> None:
    other = tiny_adapter(tmp_path / "other", tied.base, seed=5)
    one = compiled(tied, tmp_path / "a")
    two = compiled(bundle_of(other), tmp_path / "b")
    source = sources()[0]
    assert ids(list(one.stream(source, Decoding(LIMIT), RUNNING))) != ids(list(two.stream(source, Decoding(LIMIT), RUNNING)))


def test_an_early_t5_config_compiles(own: Bundle, tmp_path: Path) -> None:
    """The first T5 models came without the options that later ones added; what they lack is as it was then."""
    base = Path(shutil.copytree(own.base, tmp_path / "early"))
    config = json.loads((base / "config.json").read_text())
    later = (
        "feed_forward_proj",
        "dense_act_fn",
        "is_gated_act",
        "relative_attention_max_distance",
        "scale_decoder_outputs",
        "tie_word_embeddings",
    )
    (base / "config.json").write_text(json.dumps({key: value for key, value in config.items() if key not in later}))
    engine = compiled(replace(own, base=base), tmp_path / "compiled")
    source = sources()[1]
    assert ids(list(engine.stream(source, Decoding(LIMIT), RUNNING))) == [
        index for index, _ in greedy(reference(base, own.adapter), source, LIMIT)
    ]


def test_a_base_with_spare_rows_compiles(tmp_path: Path) -> None:
    """Flan-T5 has more rows than pieces and sentinels."""
    base = tiny_base(tmp_path / "base", size=SIZE + 120)
    adapter = tiny_adapter(tmp_path / "adapter", base, extra_ids=100)
    bundle = bundle_of(adapter)
    engine = compiled(bundle, tmp_path / "compiled")
    codec = bundle.codec()
    source = [
        *codec.encode_prompt("create function", 512)[:-1],
        codec.vocabulary.id("<extra_id_0>"),
        codec.vocabulary.id("<extra_id_99>"),
        END,
    ]
    expected = greedy(reference(base, adapter), source, LIMIT)
    found = list(engine.stream(source, Decoding(LIMIT), RUNNING))
    assert ids(found) == [index for index, _ in expected]


def test_int8_is_smaller_and_nearly_as_sure(tied: Bundle, engine: CompiledEngine, tmp_path: Path) -> None:
    small = compiled(tied, tmp_path, "int8")
    source = sources()[1]
    [full], [light] = engine.batch([source], Decoding(1), RUNNING), small.batch([source], Decoding(1), RUNNING)
    assert light[0].log_prob == pytest.approx(full[0].log_prob, abs=0.2)
    assert (tmp_path / "model.bin").stat().st_size < 0.42 * 4 * SIZE * 32
    assert small.name.split(", ")[1] == "int8"


@pytest.mark.parametrize(("both_sides", "count", "distance"), [(True, 32, 128), (False, 32, 128), (True, 8, 20), (False, 16, 64)])
def test_positions_fall_into_the_buckets_of_the_reference(both_sides: bool, count: int, distance: int) -> None:
    buckets = np.arange(count * 2, dtype=np.float32).reshape(count, 2)
    relative = torch.arange(-distance, (distance if both_sides else 0) + 1)
    expected = T5Attention._relative_position_bucket(relative, both_sides, count, distance)
    assert relative_bias(buckets, distance, both_sides).tolist() == buckets[expected.numpy()].T.tolist()


def test_an_activation_that_is_not_known_is_refused(own: Bundle, tmp_path: Path) -> None:
    base = Path(shutil.copytree(own.base, tmp_path / "silu"))
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps({**config, "feed_forward_proj": "gated-silu"}))
    with pytest.raises(BundleError, match="The base uses gated-silu, which is not supported"):
        compiled(replace(own, base=base), tmp_path / "compiled")


@pytest.mark.model
def test_on_the_embedded_model_both_engines_write_the_same(tmp_path: Path) -> None:
    bundle = bundle_of("golden")
    native, plain = compiled(bundle, tmp_path / "native"), portable(bundle, tmp_path / "portable")
    asked = [bundle.codec().encode_prompt(prompt, 512) for prompt in PROMPTS]
    found, expected = (engine.batch(asked, Decoding(40), RUNNING) for engine in (native, plain))
    assert [ids(tokens) for tokens in found] == [ids(tokens) for tokens in expected]

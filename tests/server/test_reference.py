"""The reference engine does what the protocol says, with adapters of every kind."""

import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from safetensors.numpy import load_file, save_file
from tiny_models import bundle_of, compiled, greedy, ids, portable, reference, sources, tiny_adapter, tiny_base
from transformers import T5ForConditionalGeneration

from promptopt.bundle import Bundle
from promptopt.codec import END, PlainCodec
from promptopt.engine import loader
from promptopt.engine.loader import load_model
from promptopt.engine.protocol import Decoding
from promptopt.engine.reference import ReferenceEngine
from promptopt.engine.rules import Rules
from promptopt.errors import BundleError, RewriteFailed
from promptopt.optimizer import Optimizer
from promptopt.settings import Settings

LIMIT = 16
RUNNING = threading.Event()
KINDS: Mapping[str, peft.PeftConfig] = {
    "LoRA": peft.LoraConfig(task_type="SEQ_2_SEQ_LM", r=2, target_modules=["q"]),
    "LoRA and a head": peft.LoraConfig(task_type="SEQ_2_SEQ_LM", r=2, target_modules=["q"], modules_to_save=["lm_head"]),
    "PiSSA": peft.LoraConfig(task_type="SEQ_2_SEQ_LM", r=2, target_modules=["q"], init_lora_weights="pissa"),
    "DoRA": peft.LoraConfig(task_type="SEQ_2_SEQ_LM", r=2, target_modules=["v"], use_dora=True),
    "IA3": peft.IA3Config(task_type="SEQ_2_SEQ_LM", target_modules=["k", "v", "wo"], feedforward_modules=["wo"]),
    "LoHa": peft.LoHaConfig(task_type="SEQ_2_SEQ_LM", r=2, target_modules=["q", "v"]),
    "prompt tuning": peft.PromptTuningConfig(task_type="SEQ_2_SEQ_LM", num_virtual_tokens=3),
}


@pytest.fixture(scope="module")
def running(tied: Bundle) -> ReferenceEngine:
    return ReferenceEngine(tied)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random network that soon writes the end."""
    return tiny_base(tmp_path_factory.mktemp("theirs") / "base", ends=8.0)


def their_adapter(folder: Path, base: Path, kind: str) -> Path:
    """An adapter as plain peft code makes one: random, and without our manifest."""
    torch.manual_seed(5)
    model = peft.get_peft_model(T5ForConditionalGeneration.from_pretrained(base), KINDS[kind])
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.3 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    assert {path.name for path in folder.iterdir()} == {"adapter_config.json", "adapter_model.safetensors", "README.md"}
    return folder


def their_ids(base: Path, adapter: Path, source: list[int], limit: int) -> list[int]:
    """What plain peft code writes, greedily."""
    model = peft.PeftModel.from_pretrained(T5ForConditionalGeneration.from_pretrained(base), adapter).eval()
    return model.generate(input_ids=torch.tensor([source]), do_sample=False, use_cache=False, max_new_tokens=limit)[0, 1:].tolist()


def test_a_stream_is_the_likeliest_pieces_with_their_probabilities(tied: Bundle, running: ReferenceEngine) -> None:
    theirs = reference(tied.base, tied.adapter)
    for source in sources()[:3]:
        expected = greedy(theirs, source, LIMIT)
        found = list(running.stream(source, Decoding(LIMIT), RUNNING))
        assert ids(found) == [index for index, _ in expected]
        assert [token.log_prob for token in found] == pytest.approx([log_prob for _, log_prob in expected], abs=1e-4)


def test_what_can_only_be_copied_is_not_written_unless_it_was_read(tied: Bundle, running: ReferenceEngine, tmp_path: Path) -> None:
    asked = sources()
    free = running.batch(asked, Decoding(LIMIT), RUNNING)
    copied = tuple(sorted({index for tokens in free for index in ids(tokens)} - {END}))
    decoding = Decoding(LIMIT, copied=copied)
    found = running.batch(asked, decoding, RUNNING)
    for source, tokens in zip(asked, found, strict=True):
        assert not {*ids(tokens)} & {*Rules(decoding, source).withheld}
        assert ids(list(running.stream(source, decoding, RUNNING))) == ids(tokens)
    assert [ids(tokens) for tokens in found] == [ids(tokens) for tokens in portable(tied, tmp_path).batch(asked, decoding, RUNNING)]


def test_what_is_only_read_is_not_written(tied: Bundle, running: ReferenceEngine, tmp_path: Path) -> None:
    decoding = Decoding(LIMIT, written=4096)
    for source in sources():
        written = list(running.stream(source, decoding, RUNNING))
        own = list(compiled(tied, tmp_path).stream(source, decoding, RUNNING))
        assert ids(written) == ids(own)
        assert [token.log_prob for token in written] == pytest.approx([token.log_prob for token in own], abs=1e-3)
        assert max(ids(written)) < 4096


def test_a_batch_writes_what_its_rows_write_alone_in_order(tied: Bundle, running: ReferenceEngine) -> None:
    asked = sources()
    together = running.batch(asked, Decoding(LIMIT), RUNNING)
    assert [ids(tokens) for tokens in together] == [ids(list(running.stream(source, Decoding(LIMIT), RUNNING))) for source in asked]
    assert [token.id for tokens in together for token in tokens[:-1] if token.id == 1] == []


@pytest.mark.parametrize("limit", [1, 3])
def test_no_more_is_written_than_the_limit(tied: Bundle, running: ReferenceEngine, limit: int) -> None:
    source = sources()[0]
    assert len(list(running.stream(source, Decoding(limit), RUNNING))) == limit
    assert [len(tokens) for tokens in running.batch([source, source], Decoding(limit), RUNNING)] == [limit, limit]


@pytest.mark.parametrize("after", [0, 1, 3])
def test_a_stream_stops_within_one_piece(tied: Bundle, running: ReferenceEngine, after: int) -> None:
    stop, found, before = threading.Event(), [], threading.active_count()
    if after == 0:
        stop.set()
    for token in running.stream(sources()[0], Decoding(LIMIT), stop):
        found.append(token)
        if len(found) == after:
            stop.set()
    assert len(found) == after
    assert threading.active_count() == before


def test_a_stream_that_is_left_ends_its_thread(tied: Bundle, running: ReferenceEngine) -> None:
    before = threading.active_count()
    left = running.stream(sources()[0], Decoding(LIMIT), RUNNING)
    next(iter(left))
    left.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before


def test_a_stopped_batch_is_cut_short(tied: Bundle, running: ReferenceEngine) -> None:
    stop = threading.Event()
    stop.set()
    assert running.batch(sources(), Decoding(LIMIT), stop) == [[]] * len(sources())


def test_a_seed_draws_the_same_again_and_another_something_else(tied: Bundle, running: ReferenceEngine) -> None:
    source = sources()[0]
    draws = [ids(list(running.stream(source, Decoding(8, 1.5, 40, seed), RUNNING))) for seed in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]


def test_drawing_among_one_is_choosing_the_likeliest(tied: Bundle, running: ReferenceEngine) -> None:
    source = sources()[0]
    assert ids(list(running.stream(source, Decoding(8, 1.0, 1, 3), RUNNING))) == ids(list(running.stream(source, Decoding(8), RUNNING)))


def test_a_drawn_piece_tells_the_probability_that_the_network_gave_it(tied: Bundle, running: ReferenceEngine) -> None:
    source = sources()[0]
    drawn = list(running.stream(source, Decoding(6, 2.0, 40, 1), RUNNING))
    start = torch.tensor([[0, *ids(drawn)[:-1]]])
    with torch.no_grad():
        log_probs = reference(tied.base, tied.adapter)(input_ids=torch.tensor([source]), decoder_input_ids=start).logits.log_softmax(-1)
    expected = [float(log_probs[0, place, token.id]) for place, token in enumerate(drawn)]
    assert [token.log_prob for token in drawn] == pytest.approx(expected, abs=1e-4)


def test_the_name_says_what_runs_the_network(running: ReferenceEngine) -> None:
    assert running.name.startswith(f"PyTorch {torch.__version__}, ")


@pytest.mark.parametrize("kind", KINDS)
def test_an_adapter_that_other_tools_made_writes_what_it_writes_in_plain_peft(base: Path, tmp_path: Path, kind: str) -> None:
    bundle = bundle_of(their_adapter(tmp_path / "theirs", base, kind))
    codec = bundle.codec()
    assert isinstance(codec, PlainCodec)
    source = codec.encode_prompt("create function", 512)
    assert ids(list(ReferenceEngine(bundle).stream(source, Decoding(LIMIT), RUNNING))) == their_ids(base, bundle.adapter, source, LIMIT)


def test_what_an_adapter_of_other_tools_writes_is_what_comes_out(base: Path, tmp_path: Path) -> None:
    adapter = their_adapter(tmp_path / "theirs", base, "IA3")
    optimizer = Optimizer(Settings(adapter=str(adapter), engine="reference"))
    codec = optimizer.load().codec
    source = codec.encode_prompt("create function", 512)
    written = their_ids(base, adapter, source, 512)
    if 1 in written:
        rewrite = optimizer.optimize("create function")
        assert rewrite.text == codec.decode("create function", written)
        assert "create function" not in rewrite.text
    else:
        with pytest.raises(RewriteFailed, match="did not come to an end"):
            optimizer.optimize("create function")


@pytest.mark.parametrize(("kind", "taken"), [("IA3", True), ("DoRA", True), ("LoRA and a head", True), ("PiSSA", True), ("LoRA", False)])
def test_auto_takes_the_reference_for_what_cannot_be_compiled(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, taken: bool
) -> None:
    def compiled(bundle: Bundle, cache: Path) -> Path:
        raise BundleError("compiled after all")

    monkeypatch.setattr(loader, "compiled_folder", compiled)
    settings = Settings(adapter=str(their_adapter(tmp_path / "theirs", base, kind)), engine="auto")
    if taken:
        assert isinstance(load_model(settings).engine, ReferenceEngine)
    else:
        with pytest.raises(BundleError, match="compiled after all"):
            load_model(settings)


def test_our_own_adapters_run_on_the_reference_when_asked_to(tied: Bundle) -> None:
    assert isinstance(load_model(Settings(adapter=str(tied.adapter), engine="reference")).engine, ReferenceEngine)


@pytest.mark.parametrize("missing", ["torch", "transformers", "peft"])
def test_a_missing_library_is_named_with_the_command_that_installs_it(tied: Bundle, monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.delitem(sys.modules, "promptopt.engine.reference")
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(BundleError) as caught:
        load_model(Settings(adapter=str(tied.adapter), engine="reference"))
    assert f"needs {missing}, which is not installed" in caught.value.message
    assert caught.value.hint == 'Install it with: pip install "promptopt[torch]"'


def narrow(tensors: dict[str, Any]) -> dict[str, Any]:
    return {name: tensor[..., :-1].copy() for name, tensor in tensors.items()}


def renamed(tensors: dict[str, Any]) -> dict[str, Any]:
    return {name.replace(".block.", ".layers."): tensor for name, tensor in tensors.items()}


@pytest.mark.parametrize("change", [narrow, renamed])
def test_an_adapter_that_does_not_fit_is_refused(base: Path, tmp_path: Path, change: Any) -> None:
    adapter = tiny_adapter(tmp_path / "adapter", base)
    file = adapter / "adapter_model.safetensors"
    save_file(change(load_file(file)), file)
    with pytest.raises(BundleError, match="cannot be put on its base"):
        ReferenceEngine(bundle_of(adapter))


def test_a_damaged_adapter_is_refused(base: Path, tmp_path: Path) -> None:
    adapter = tiny_adapter(tmp_path / "adapter", base)
    (adapter / "adapter_model.safetensors").write_bytes(b"damaged")
    with pytest.raises(BundleError, match="cannot be put on its base"):
        ReferenceEngine(bundle_of(adapter))

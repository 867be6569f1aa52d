"""Random T5 models and LoRA adapters of a few kilobytes, on disk as real ones are."""

import json
import random
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import peft
import torch
import transformers
from fakes import manifest

from promptopt.adapters.access import Access
from promptopt.adapters.locate import locate
from promptopt.bundle import Bundle, base_folder
from promptopt.engine.compiled import CompiledEngine
from promptopt.engine.compiler import compile_bundle
from promptopt.engine.modelfile import ModelFile
from promptopt.engine.portable import PortableEngine
from promptopt.engine.protocol import MODEL_FILE, Token

torch.set_num_threads(1)
SIZE = 20_736
TARGETS = ("q", "v")
PROMPTS = (
    "create function",
    "fix the bug in `a.py` please",
    "x",
    "Write a poem about the sea and 3 ships. " * 3,
    "plan a workshop on testing",
)


def bundle_of(adapter: str | Path) -> Bundle:
    """The bundle of an adapter on this machine, as the loader finds it."""
    return locate(str(adapter), Access(offline=True)).bundle()


def tiny_base(
    folder: Path, tied: bool = True, scaled: bool = True, feed_forward: str = "relu", ends: float = 4.0, size: int = SIZE
) -> Path:
    """Saves a random T5 with the shipped vocabulary in `folder`; the larger `ends`, the sooner it writes the end.

    tied: the head is the embedding.  scaled: the decoder's output is scaled as in T5 1.0; Flan-T5 is neither.
    """
    torch.manual_seed(3)
    settings = transformers.T5Config(
        vocab_size=size,
        d_model=32,
        d_kv=8,
        num_heads=4,
        d_ff=48,
        num_layers=2,
        num_decoder_layers=3,
        dropout_rate=0.0,
        feed_forward_proj=feed_forward,
        tie_word_embeddings=scaled,
        pad_token_id=0,
        eos_token_id=1,
        decoder_start_token_id=0,
    )
    model = transformers.T5ForConditionalGeneration(settings)
    if not tied:
        model.lm_head.weight = torch.nn.Parameter(torch.zeros(size, 32))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.4)
        for name, parameter in model.named_parameters():
            if "layer_norm" in name:
                parameter.uniform_(0.5, 1.5)
        model.get_output_embeddings().weight[1] *= ends
    model.save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text())
    del config["scale_decoder_outputs"]
    (folder / "config.json").write_text(json.dumps({**config, "tie_word_embeddings": scaled}))
    shutil.copy(base_folder("promptopt-mini", ("spiece.model",)) / "spiece.model", folder)
    return folder


def tiny_adapter(folder: Path, base: Path, seed: int = 0, limit: int = 24, extra_ids: int = 0) -> Path:
    """Saves a random LoRA adapter for `base`, with its manifest, in `folder`."""
    torch.manual_seed(seed)
    model = transformers.T5ForConditionalGeneration.from_pretrained(base)
    config = peft.LoraConfig(task_type="SEQ_2_SEQ_LM", r=4, lora_alpha=8, target_modules=list(TARGETS))
    adapted = peft.get_peft_model(model, config)
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_" in name:
                parameter.normal_(0, 0.3)
    adapted.save_pretrained(folder)
    manifest(base=str(base), write_limit=limit, extra_ids=extra_ids).write(folder)
    return folder


def reference(base: Path, adapter: Path) -> peft.PeftModel:
    """The same network as transformers and peft run it."""
    model = transformers.T5ForConditionalGeneration.from_pretrained(base)
    return peft.PeftModel.from_pretrained(model, adapter).eval()


def greedy(model: peft.PeftModel, source: list[int], limit: int) -> list[tuple[int, float]]:
    """The likeliest pieces one after the other, each with its log probability, up to the end or `limit`."""
    written: list[tuple[int, float]] = []
    start = [0]
    with torch.no_grad():
        while len(written) < limit:
            logits = model(input_ids=torch.tensor([source]), decoder_input_ids=torch.tensor([start])).logits[0, -1]
            best = int(logits.argmax())
            written.append((best, float(logits.log_softmax(-1)[best])))
            start.append(best)
            if best == 1:
                break
    return written


def compiled(
    bundle: Bundle,
    folder: Path,
    quantization: Literal["int8", "float32"] = "float32",
    threads: int = 1,
    kernels: str = "",
    drafts: bytes = b"",
) -> CompiledEngine:
    """The bundle on the native engine; compiled in this process."""
    return CompiledEngine(model_file(bundle, folder, quantization), threads, kernels, drafts)


def portable(bundle: Bundle, folder: Path, quantization: Literal["int8", "float32"] = "float32") -> PortableEngine:
    """The bundle on the portable engine; compiled in this process."""
    return PortableEngine(model_file(bundle, folder, quantization))


def model_file(bundle: Bundle, folder: Path, quantization: Literal["int8", "float32"]) -> ModelFile:
    """The bundle compiled into `folder`, in this process."""
    folder.mkdir(exist_ok=True)
    compile_bundle(bundle, folder, quantization)
    return ModelFile(folder / MODEL_FILE)


def sources() -> list[list[int]]:
    """Five inputs of different lengths: the same pieces whatever vocabulary ships, so that a new one changes no random network's text."""
    rng = random.Random(6)
    return [[*(rng.randrange(3, SIZE) for _ in range(length)), 1] for length in (3, 11, 1, 55, 7)]


def ids(tokens: Sequence[Token]) -> list[int]:
    """The ids of tokens."""
    return [token.id for token in tokens]

"""Does our engine write, greedily, what torch writes? The embedded model as it ships and with 8 bits, against the reference engine.

python benchmarks/equality.py PROMPTS.jsonl [--first 295]     (rows {"text": …}; needs the extra torch)

The rules of what may be written are the same for all. Prints a line for each prompt that differs and, last, one JSON line.
"""

import argparse
import json
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

from promptopt.adapters.locate import access_for, locate
from promptopt.engine.compiled import CompiledEngine
from promptopt.engine.compiler import compile_bundle
from promptopt.engine.model import decoding_of
from promptopt.engine.modelfile import ModelFile
from promptopt.engine.protocol import MODEL_FILE, Decoding, Engine
from promptopt.engine.reference import ReferenceEngine
from promptopt.settings import Settings

TOGETHER = 16


def written(engine: Engine, sources: Sequence[Sequence[int]], decoding: Decoding) -> list[list[int]]:
    """The pieces for each source."""
    return [[token.id for token in row] for row in engine.batch(sources, decoding, threading.Event())]


def main() -> None:
    """Prints how many are equal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prompts", type=Path)
    parser.add_argument("--first", type=int, help="so many prompts only")
    asked = parser.parse_args()
    prompts = [json.loads(line)["text"] for line in asked.prompts.read_text(encoding="utf-8").splitlines()][: asked.first]
    settings = Settings()
    bundle = locate(settings.adapter, access_for(settings)).bundle()
    codec, manifest = bundle.codec(), bundle.manifest
    decoding = decoding_of(manifest, codec)
    sources = sorted((codec.encode_prompt(prompt, manifest.read_limit) for prompt in prompts), key=len)
    equal = {"float32": 0, "int8": 0}
    with tempfile.TemporaryDirectory() as temporary:
        engines: dict[str, Engine] = {}
        for kind in ("float32", "int8"):
            folder = Path(temporary) / kind
            folder.mkdir()
            compile_bundle(bundle, folder, "float32" if kind == "float32" else "int8")
            engines[kind] = CompiledEngine(ModelFile(folder / MODEL_FILE), 1, drafts=bundle.drafts())
        reference = ReferenceEngine(bundle, 1)
        for start in range(0, len(sources), TOGETHER):
            some = sources[start : start + TOGETHER]
            expected = written(reference, some, decoding)
            for kind, engine in engines.items():
                for number, (row, other) in enumerate(zip(written(engine, some, decoding), expected, strict=True)):
                    equal[kind] += row == other
                    if kind == "float32" and row != other:
                        place = next(n for n, pair in enumerate(zip([*row, -1], [*other, -1], strict=False)) if pair[0] != pair[1])
                        print(f"source {start + number}, float32: differs from piece {place} on", flush=True)
            print(f"{min(start + TOGETHER, len(sources))} prompts: {equal}", flush=True)
    print(json.dumps({"prompts": len(sources), **{f"{kind}_equal": count for kind, count in equal.items()}}))


if __name__ == "__main__":
    main()

"""What it brings that the head leaves out pieces which are only read: the embedded model with and without that, interleaved.

    python benchmarks/head.py [--rounds 9]

Pieces a second of processor time of one thread, for one prompt after the other and for a batch of 32. The last line is one JSON object.
"""

import argparse
import json
import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from rewrite import PROMPTS

from promptopt.adapters.locate import access_for, locate
from promptopt.engine.compiled import CompiledEngine
from promptopt.engine.loader import compiled_model
from promptopt.engine.model import decoding_of
from promptopt.engine.protocol import Decoding
from promptopt.settings import Settings

BATCH = 32


def speed(run: Callable[[], int]) -> float:
    """Pieces a second of processor time; `run` returns how many it wrote."""
    started = time.process_time()
    written = run()
    return written / (time.process_time() - started)


def main() -> None:
    """Prints medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    settings = Settings()
    bundle = locate(settings.adapter, access_for(settings)).bundle()
    manifest, codec, never = bundle.manifest, bundle.codec(), threading.Event()
    model = compiled_model(bundle)
    engine = CompiledEngine(model, 1)
    kept = decoding_of(manifest, codec)
    sources = [codec.encode_prompt(prompt, manifest.read_limit) for prompt in PROMPTS]
    many = [sources[number % len(sources)] for number in range(BATCH)]

    def alone(decoding: Decoding) -> int:
        return sum(len(list(engine.stream(source, decoding, never))) for source in sources)

    def together(decoding: Decoding) -> int:
        return sum(map(len, engine.batch(many, decoding, never)))

    rows = []
    for name, run in (("one by one", alone), (f"batch of {BATCH}", together)):
        found: dict[str, list[float]] = {"all pieces": [], "written pieces": []}
        for _ in range(rounds):
            found["all pieces"].append(speed(partial(run, replace(kept, written=0))))
            found["written pieces"].append(speed(partial(run, kept)))
        medians = {kind: round(statistics.median(values)) for kind, values in found.items()}
        ratio = round(medians["written pieces"] / medians["all pieces"], 2)
        rows.append({"what": name, **medians, "ratio": ratio})
        print(f"{name}: {medians['all pieces']} pieces a second with all, {medians['written pieces']} with those written, {ratio} times")
    print(json.dumps({"vocabulary": model.shape.vocabulary, "written": manifest.written, "rows": rows}))


if __name__ == "__main__":
    main()

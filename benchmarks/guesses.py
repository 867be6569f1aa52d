"""What guessing brings: the embedded model with and without its `drafts.ids`, interleaved; what is written must be the same to the bit.

    python benchmarks/guesses.py [--prompts PROMPTS.jsonl] [--rounds 9] [--threads 1]

Pieces a second for one prompt after the other and for a batch of 32: of processor time on one thread, by the clock on two.
Without a file (rows {"text": …}) the prompts of rewrite.py. The last line is one JSON object.
"""

import argparse
import json
import statistics
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from rewrite import PROMPTS

from promptopt.adapters.locate import access_for, locate
from promptopt.engine.compiled import CompiledEngine
from promptopt.engine.loader import compiled_model
from promptopt.engine.model import decoding_of
from promptopt.engine.protocol import Token
from promptopt.settings import Settings

BATCH = 32


def main() -> None:
    """Prints medians, their ratio and how many rewrites were equal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=Path)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    settings = Settings()
    bundle = locate(settings.adapter, access_for(settings)).bundle()
    codec, model, never = bundle.codec(), compiled_model(bundle), threading.Event()
    decoding = decoding_of(bundle.manifest, codec)
    clock = time.process_time if asked.threads == 1 else time.perf_counter
    engines = {
        name: CompiledEngine(model, asked.threads, drafts=drafts) for name, drafts in (("alone", b""), ("guessing", bundle.drafts()))
    }
    lines = asked.prompts.read_text(encoding="utf-8").splitlines() if asked.prompts else []
    prompts = [json.loads(line)["text"] for line in lines] or PROMPTS
    sources = [codec.encode_prompt(prompt, bundle.manifest.read_limit) for prompt in prompts]
    many = [sources[number % len(sources)] for number in range(BATCH)]

    def written(engine: CompiledEngine, together: bool) -> Sequence[Sequence[Token]]:
        return engine.batch(many, decoding, never) if together else [list(engine.stream(source, decoding, never)) for source in sources]

    rows = []
    for what, together in (("one by one", False), (f"batch of {BATCH}", True)):
        speeds: dict[str, list[float]] = {name: [] for name in engines}
        found = {}
        for _ in range(asked.rounds):
            for name, engine in engines.items():
                started = clock()
                found[name] = written(engine, together)
                speeds[name].append(sum(map(len, found[name])) / (clock() - started))
        equal = sum(one == other for one, other in zip(*found.values(), strict=True))
        medians = {name: round(statistics.median(values)) for name, values in speeds.items()}
        ratio = statistics.median(one / other for one, other in zip(speeds["guessing"], speeds["alone"], strict=True))
        rows.append({"what": what, **medians, "ratio": round(ratio, 2), "rewrites": len(found["alone"]), "equal": equal})
        print(rows[-1])
    print(json.dumps({"threads": asked.threads, "rows": rows}))


if __name__ == "__main__":
    main()

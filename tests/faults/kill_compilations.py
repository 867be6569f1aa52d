"""kill_compilations.py ADAPTER HOME TRIES: compiles into caches below HOME, killed at drawn moments; the next process finds all well."""

import json
import sys
from pathlib import Path

from dying import killed, moments, touches

from promptopt.adapters.access import Access
from promptopt.adapters.locate import locate
from promptopt.engine import loader
from promptopt.engine.compiler import compile_bundle

bundle, home, tries = locate(sys.argv[1], Access(offline=True)).bundle(), Path(sys.argv[2]), int(sys.argv[3])
loader._compile = lambda bundle, folder: compile_bundle(bundle, folder, loader.quantization(bundle))
key, right = loader.cache_key(bundle), loader.compiled_model(bundle, home / "right").path.read_bytes()


def empty(cache: Path) -> Path:
    """A cache with nothing in it."""
    return cache


def damaged(cache: Path) -> Path:
    """A cache whose compiled form has a flipped bit."""
    path = loader.compiled_folder(bundle, cache) / "model.bin"
    path.write_bytes(right[:99] + bytes([right[99] ^ 1]) + right[100:])
    return cache


died = []
for prepare in (empty, damaged):
    cache = prepare(home / prepare.__name__)
    for moment in moments(touches(lambda cache=cache: loader.compiled_model(bundle, cache), home), tries):
        cache = prepare(home / f"{prepare.__name__}-{moment}")
        died.append(killed(lambda cache=cache: loader.compiled_model(bundle, cache), home, moment))
        assert loader.compiled_model(bundle, cache).path.read_bytes() == right, moment
        left = [path.name for path in (cache / "compiled").iterdir()]
        assert left == [key], (moment, left)
print(json.dumps({"tries": len(died), "died": sum(died)}))

"""A memory limit ends in a sentence: whatever the limit, there is the same rewrite as without one, or the reason why there is none."""

import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from fakes import fake_model

from promptopt.bundle import Bundle
from promptopt.engine import loader
from promptopt.engine.model import Model
from promptopt.engine.protocol import Decoding, Token
from promptopt.errors import RewriteFailed, Unavailable
from promptopt.optimizer import Optimizer
from promptopt.settings import Settings

SCRIPT = """
import json, resource, sys
from pathlib import Path
import numpy, safetensors
import promptopt.engine.compiled, promptopt.engine.compiler, promptopt.engine.portable
from promptopt.engine import loader
from promptopt.errors import PromptoptError
from promptopt.optimizer import Optimizer
from promptopt.settings import Settings

adapter, cache, prompt = sys.argv[1], Path(sys.argv[2]), "plan a trip " * 300
loader.cache_folder = lambda: cache
if sys.argv[3] == "portable":
    loader.importlib.util.find_spec = lambda name: None
square = numpy.ones((1024, 1024), numpy.float32)
square = square @ square  # BLAS ends the process where its buffers find no memory
used = next(int(line.split()[1]) << 10 for line in open("/proc/self/status") if line.startswith("VmSize"))
found = {}
for room in (0, *(1_500_000 * 2**step for step in range(8))):
    resource.setrlimit(resource.RLIMIT_AS, (used + room, resource.RLIM_INFINITY))
    try:
        Optimizer(Settings(adapter=adapter, threads=1)).optimize(prompt)
    except PromptoptError as error:
        found[room] = [error.code, error.message]
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(json.dumps(list(found.values())))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="RLIMIT_AS and /proc as Linux has them")
@pytest.mark.parametrize("engine", ["native", "portable"])
def test_whatever_the_limit_there_is_an_outcome_or_a_sentence(
    tiny: Bundle, tmp_path: Path, environment: dict[str, str], engine: str
) -> None:
    """The tiny network's rewrite is refused for what it says; under a limit it is refused so, or for want of memory."""
    loader.compiled_model(tiny, tmp_path)
    command = [sys.executable, "-c", SCRIPT, str(tiny.adapter), str(tmp_path), engine]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    outcomes = json.loads(done.stdout)
    assert len(outcomes) == 9
    assert outcomes[0][0] in ("bundle", "unavailable")
    assert outcomes[-1][0] == "rewrite_failed"
    short = [message for code, message in outcomes if code != "rewrite_failed"]
    assert [message for message in short if "memory" not in message and not message.startswith("The vocabulary ")] == []


class Hungry:
    """An engine for which there is no memory, the first time."""

    name = "hungry"

    def __init__(self) -> None:
        self.asked = 0

    def batch(self, sources: Sequence[Sequence[int]], decoding: Decoding, stop: threading.Event) -> list[list[Token]]:
        self.asked += 1
        if self.asked == 1:
            raise MemoryError
        return [[] for _ in sources]

    def stream(self, source: Sequence[int], decoding: Decoding, stop: threading.Event) -> list[Token]:  # type: ignore[override]
        return self.batch([source], decoding, stop)[0]


@pytest.mark.parametrize("way", ["optimize", "batch", "variants"])
def test_want_of_memory_is_told_and_the_next_rewrite_is_tried(way: str) -> None:
    known = fake_model()
    optimizer = Optimizer(Settings(), lambda _: Model(known.manifest, known.codec, Hungry()))  # type: ignore[arg-type]
    calls = {
        "optimize": lambda: optimizer.optimize("create function"),
        "batch": lambda: list(optimizer.batch(["create function"])),
        "variants": lambda: optimizer.variants("create function", 2),
    }
    with pytest.raises(Unavailable) as caught:
        calls[way]()
    assert caught.value.message == "There is not enough memory for this rewrite."
    if way == "batch":
        assert [type(found) for found in calls[way]()] == [RewriteFailed]
    else:
        with pytest.raises(RewriteFailed):
            calls[way]()

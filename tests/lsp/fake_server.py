"""The real language server, started as its command starts it, on an optimizer that needs no weights.

PROMPTOPT_FAKE_DELAY: seconds per piece.  PROMPTOPT_FAKE_NOISE: print to standard output in every way there is, during each rewrite.
PROMPTOPT_FAKE_ADAPTERS: name the adapter of the settings in the rewrite; there is none called nowhere.
PROMPTOPT_FAKE_BROKEN: write rewrites that do not point at the prompt.
"""

import os
import subprocess
import sys
from collections.abc import Callable

from fakes import LEAD, TAIL, FakeEngine, fake_model, manifest, mini_codec

from promptopt.bundle import load_bundle
from promptopt.codec import END
from promptopt.engine.loader import Model
from promptopt.lsp import cli, server
from promptopt.optimizer import Optimizer, Rewrite
from promptopt.settings import Settings

NOISE = "stray output"


def optimizer(settings: Settings) -> Optimizer:
    """What the environment asks for."""
    if "PROMPTOPT_FAKE_ADAPTERS" in os.environ:
        return Optimizer(settings, named)
    delay = float(os.environ.get("PROMPTOPT_FAKE_DELAY", "0"))
    made = Optimizer(settings, lambda _: fake_model(delay))
    if "PROMPTOPT_FAKE_BROKEN" in os.environ:
        codec = mini_codec()
        made = Optimizer(settings, lambda _: Model(manifest(), codec, FakeEngine(codec, ids=[*codec.plain("Act."), END])))
    if "PROMPTOPT_FAKE_NOISE" in os.environ:
        made.optimize = noisy(made.optimize)  # type: ignore[method-assign]
    return made


def named(settings: Settings) -> Model:
    """A model whose rewrites name their adapter."""
    if settings.adapter == "nowhere":
        load_bundle(settings.adapter)
    codec = mini_codec()
    ids = [*codec.plain(LEAD.replace("tester", settings.adapter)), codec.prompt, *codec.plain(TAIL), END]
    return Model(manifest(), codec, FakeEngine(codec, ids=ids))


def noisy(optimize: Callable[..., Rewrite]) -> Callable[..., Rewrite]:
    """`optimize`, with output on standard output before it by Python, by the file descriptor and by a child process."""

    def wrapped(*arguments: object) -> Rewrite:
        print(NOISE, "of print", flush=True)
        os.write(1, f"{NOISE} of write\n".encode())
        subprocess.run([sys.executable, "-S", "-c", f"print('{NOISE} of a child')"], check=True)
        return optimize(*arguments)

    return wrapped


if __name__ == "__main__":
    create_server = server.create_server
    server.create_server = lambda: create_server(optimizer)  # type: ignore[assignment]
    sys.exit(cli.main())

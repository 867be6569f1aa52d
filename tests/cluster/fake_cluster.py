"""The deployment on an engine that needs no weights, and that says in each rewrite which process wrote it on which machine."""

import os

import ray
from fakes import TAIL, FakeEngine, manifest, mini_codec
from ray.serve import Application

from promptopt.cluster import Options, deployed
from promptopt.codec import END
from promptopt.engine.loader import Model
from promptopt.optimizer import Optimizer
from promptopt.settings import Settings

DELAY = 0.004
"Seconds per piece."


def app(options: Options) -> Application:
    return deployed(options, fake)


def fake(settings: Settings) -> Optimizer:
    codec = mini_codec()
    machine = machine_number(ray.get_runtime_context().get_node_id())
    ids = [*codec.plain(f"Act as {os.getpid()} on {machine}.\n\nTask:"), codec.prompt, *codec.plain(TAIL), END]
    return Optimizer(settings, lambda _: Model(manifest(), codec, FakeEngine(codec, DELAY, ids)))


def machine_number(node: str) -> int:
    """How a machine is called in a rewrite; `node` is what Ray calls it."""
    return int(node[:4], 16)


def written_by(text: str) -> tuple[int, int]:
    """Process and machine that wrote a rewrite."""
    words = text.partition(".")[0].split()
    return int(words[2]), int(words[4])

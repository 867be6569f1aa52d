"""`promptopt compile`: what the first rewrite would do ahead of itself, done now."""

import argparse
import sys

from promptopt.commands.options import add_adapter_options
from promptopt.settings import Settings


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    description = "Fetches an adapter where it is not here, merges and compiles it where that was not done, and prints where it is."
    own = commands.add_parser("compile", help="prepare an adapter, so that its first rewrite need not", description=description)
    add_adapter_options(own)
    own.set_defaults(run=compile_)


def compile_(options: argparse.Namespace) -> int:
    """`promptopt compile`."""
    from promptopt.adapters.bar import bytes_bar
    from promptopt.adapters.locate import access_for, locate
    from promptopt.engine.loader import compiled_model
    from promptopt.optimizer import Optimizer

    settings = Settings(adapter=options.adapter, offline=options.offline)
    with bytes_bar() as report:
        Optimizer(settings).fetch(report)
    bundle = locate(settings.adapter, access_for(settings)).bundle()
    if sys.stderr is not None and sys.stderr.isatty():
        print(f"Preparing the adapter {bundle.name!r} …", file=sys.stderr)
    print(compiled_model(bundle).path.parent)
    return 0

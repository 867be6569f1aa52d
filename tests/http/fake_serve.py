"""`promptopt serve` as its command starts it, on an optimizer that needs no weights.

PROMPTOPT_FAKE_DELAY: seconds per piece.  PROMPTOPT_FAKE_PATIENCE: seconds in which a request has to arrive.
PROMPTOPT_FAKE_GRACE: seconds that accepted requests have at the end.  PROMPTOPT_FAKE_LOADING: seconds that nothing interrupts.
"""

import os
import sys
import time

from fakes import fake_model

from promptopt import cli
from promptopt.engine.loader import Model
from promptopt.http import run, slow
from promptopt.optimizer import Optimizer
from promptopt.settings import Settings


def load(_: Settings) -> Model:
    time.sleep(float(os.environ.get("PROMPTOPT_FAKE_LOADING", "0")))
    return fake_model(float(os.environ.get("PROMPTOPT_FAKE_DELAY", "0")))


if __name__ == "__main__":
    run.GRACE_SECONDS = float(os.environ.get("PROMPTOPT_FAKE_GRACE", str(run.GRACE_SECONDS)))
    patience = float(os.environ.get("PROMPTOPT_FAKE_PATIENCE", str(slow.PATIENCE)))
    run.Arrivals = lambda: slow.Arrivals(patience)  # type: ignore[misc, assignment]
    serve = run.serve
    run.serve = lambda settings, server, token: serve(settings, server, token, lambda settings: Optimizer(settings, load))
    sys.exit(cli.main(["serve", *sys.argv[1:]]))

"""`promptopt serve` as its command starts it, on an optimizer that needs no weights.

PROMPTOPT_FAKE_DELAY: seconds per piece.  PROMPTOPT_FAKE_PATIENCE: seconds in which a request has to arrive.
"""

import os
import sys

from fakes import fake_optimizer

from promptopt import cli
from promptopt.http import run, slow

if __name__ == "__main__":
    delay = float(os.environ.get("PROMPTOPT_FAKE_DELAY", "0"))
    patience = float(os.environ.get("PROMPTOPT_FAKE_PATIENCE", str(slow.PATIENCE)))
    run.Arrivals = lambda: slow.Arrivals(patience)  # type: ignore[misc, assignment]
    serve = run.serve
    run.serve = lambda settings, server, token: serve(settings, server, token, lambda _: fake_optimizer(delay))
    sys.exit(cli.main(["serve", *sys.argv[1:]]))

"""Keeps standard output for the protocol alone."""

import os
import sys
from typing import BinaryIO


def claim_stdout() -> BinaryIO:
    """The real standard output, for the protocol; from now on whatever else is printed, by any library, goes to standard error."""
    protocol = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return protocol

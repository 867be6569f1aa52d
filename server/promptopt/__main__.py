"""`python -m promptopt` is the command `promptopt`."""

import sys

from promptopt.cli import main

sys.exit(main())

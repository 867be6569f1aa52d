"""`promptopt-train` in float32 on any processor, so that two runs differ by their rounding only."""

import sys

from promptopt_training import cli, lora

if __name__ == "__main__":
    lora.can_use_bf16 = lambda: False
    sys.exit(cli.main())

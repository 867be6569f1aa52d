"""Writes beside an adapter which piece mostly follows which in its rewrites, so that an engine can guess: from pairs of its style.

    python training/runs/drafts.py ADAPTER PAIRS.json

`promptopt-train lora` does this from the pairs that it trains on. More pairs of the same style know more: what ships is made from 8,000.
"""

import sys
from pathlib import Path

from promptopt.adapters.access import Access
from promptopt.adapters.locate import locate
from promptopt.codec import Codec
from promptopt_training.drafts import write_drafts
from promptopt_training.records import read_pairs


def main() -> None:
    """Prints how many guesses it wrote."""
    adapter, pairs = map(Path, sys.argv[1:])
    bundle = locate(str(adapter), Access(offline=True)).bundle()
    codec = bundle.codec()
    assert isinstance(codec, Codec)
    count = write_drafts(bundle.adapter, (codec.encode_rewrite(pair.prompt, pair.rewrite) for pair in read_pairs(pairs)))
    print(f"{count} guesses in {bundle.adapter}")


if __name__ == "__main__":
    main()

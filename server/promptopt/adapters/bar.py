"""Bytes on the terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Never

from promptopt.adapters.access import Fetched


@contextmanager
def bytes_bar() -> Iterator[Callable[[Fetched], None]]:
    """Yields a function that shows a bar on standard error for each thing fetched; nothing where that is no terminal."""
    if not sys.stderr.isatty():
        yield lambda fetched: None
        return
    from tqdm import tqdm

    bars: dict[str, tqdm[Never]] = {}
    with ExitStack() as open_bars:

        def show(fetched: Fetched) -> None:
            bar = bars.get(fetched.name)
            if bar is None:
                bar = tqdm(desc=fetched.name, total=fetched.total, unit="B", unit_scale=True, unit_divisor=1024, file=sys.stderr)
                bars[fetched.name] = open_bars.enter_context(bar)
            bar.update(fetched.done - bar.n)

        yield show

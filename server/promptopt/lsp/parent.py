"""Ends the server when the editor that started it is gone without a word."""

import asyncio
import logging
import os
from collections.abc import Callable

INTERVAL = 5.0
ORPHANED = 1
_LOG = logging.getLogger(__name__)


def alive(process: int) -> bool:
    """Whether a process of this number exists. On Windows, where asking would end it, it is taken to."""
    if os.name == "nt":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


async def watch(process: int, gone: Callable[[], None], interval: float = INTERVAL) -> None:
    """Returns once the process is gone, after calling `gone`."""
    while alive(process):
        await asyncio.sleep(interval)
    _LOG.warning("the editor (process %d) is gone", process)
    gone()


def leave() -> None:
    """Ends this process at once: the library's reader thread would wait for input that never comes."""
    os._exit(ORPHANED)

"""What finding something may do, and how it says how far it is."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from promptopt.adapters.cache import Cache


@dataclass(frozen=True)
class Fetched:
    """How far a download is: of what, and bytes that are here of those in all."""

    name: str
    done: int
    total: int


Report = Callable[[Fetched], None]


def _nobody(fetched: Fetched) -> None:
    """Takes a report and shows it nowhere."""


@dataclass(frozen=True)
class Access:
    """Where the cache is, whether the network may be asked, who is told of bytes, and what stops it."""

    cache: Cache = field(default_factory=Cache)
    offline: bool = False
    report: Report = _nobody
    stop: threading.Event = field(default_factory=threading.Event)

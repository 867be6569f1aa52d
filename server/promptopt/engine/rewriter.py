"""What turns a prompt into its rewrite: a network on this machine, or a server that has one."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from promptopt.errors import InvalidInput, RewriteFailed


@dataclass(frozen=True)
class Progress:
    """A rewrite under way: the text so far and how many pieces it took."""

    text: str
    tokens: int


@dataclass(frozen=True)
class Written:
    """A finished rewrite, its confidence from 0 to 1, and the pieces that it took."""

    text: str
    confidence: float
    tokens: int


Report = Callable[[Progress], None]


class Rewriter(Protocol):
    """Rewrites prompts that have been checked. Every method raises Cancelled once `stop` is set."""

    @property
    def name(self) -> str:
        """What rewrites, for people."""
        ...

    def rewrite(self, prompt: str, stop: threading.Event, report: Report | None) -> Written:
        """The likeliest rewrite; `report` is told of each piece. Raises RewriteFailed."""
        ...

    def variants(self, prompt: str, count: int, stop: threading.Event) -> list[Written]:
        """Up to `count` different rewrites, the surest first. Raises RewriteFailed when the likeliest one fails."""
        ...

    def batch(self, prompts: Sequence[str], stop: threading.Event) -> list[Written | RewriteFailed | InvalidInput]:
        """For each prompt its rewrite, or the failure that kept it from one, in order."""
        ...

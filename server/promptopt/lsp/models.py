"""One optimizer for each adapter that is in use."""

import threading
from collections.abc import Callable
from dataclasses import replace

from promptopt.adapters.access import Fetched
from promptopt.optimizer import Optimizer
from promptopt.settings import Settings

Make = Callable[[Settings], Optimizer]
_Key = tuple[str, str, str, int, bool]


class Optimizers:
    """Optimizers by what of the settings decides which network runs; made when first asked for. Any thread may use it."""

    def __init__(self, make: Make = Optimizer) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._made: dict[_Key, Optimizer] = {}
        self._loaded: set[_Key] = set()

    def ready(self, settings: Settings) -> Optimizer | None:
        """The optimizer for `settings` where its network is in memory, or another machine's; else None."""
        with self._lock:
            return self._of(settings) if settings.is_remote or _key(settings) in self._loaded else None

    def local(self, settings: Settings) -> Optimizer:
        """The optimizer for `settings` where its network is in memory, else one of the caller's own that downloads nothing."""
        return self.ready(settings) or self._make(replace(settings, offline=True))

    def load(self, settings: Settings, report: Callable[[Fetched], None], stop: threading.Event) -> Optimizer:
        """The optimizer for `settings`, its network fetched and loaded. Raises BundleError, Cancelled once `stop` is set.

        What is let go meanwhile is not kept.
        """
        with self._lock:
            optimizer = self._of(settings)
        optimizer.fetch(report, stop)
        optimizer.load(stop)
        with self._lock:
            if self._made.get(_key(settings)) is optimizer:
                self._loaded.add(_key(settings))
        return optimizer

    def unload(self) -> int:
        """Lets all networks go, and says how many were loaded."""
        with self._lock:
            count = len(self._loaded)
            self._made.clear()
            self._loaded.clear()
            return count

    def _of(self, settings: Settings) -> Optimizer:
        """The one that was made for these settings, or a new one; for the holder of the lock."""
        key = _key(settings)
        if key not in self._made:
            self._made[key] = self._make(settings)
        return self._made[key]


def _key(settings: Settings) -> _Key:
    return settings.adapter, settings.engine, settings.remote_url, settings.threads, settings.offline

"""One optimizer for each adapter that is in use."""

import threading
from collections.abc import Callable
from dataclasses import replace

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

    def get(self, settings: Settings) -> Optimizer:
        """The optimizer for `settings`, loaded or not."""
        with self._lock:
            key = _key(settings)
            if key not in self._made:
                self._made[key] = self._make(settings)
            return self._made[key]

    def loaded(self, settings: Settings) -> bool:
        """Whether its network is in memory, or another machine's."""
        return settings.is_remote or _key(settings) in self._loaded

    def local(self, settings: Settings) -> Optimizer:
        """The optimizer for `settings` where its network is in memory, else one of the caller's own that downloads nothing."""
        return self.get(settings) if self.loaded(settings) else self._make(replace(settings, offline=True))

    def load(self, settings: Settings) -> None:
        """Loads its network. Raises BundleError."""
        self.get(settings).load()
        self._loaded.add(_key(settings))

    def unload(self) -> int:
        """Lets all networks go, and says how many were loaded."""
        with self._lock:
            count = len(self._loaded)
            self._made.clear()
            self._loaded.clear()
            return count


def _key(settings: Settings) -> _Key:
    return settings.adapter, settings.engine, settings.remote_url, settings.threads, settings.offline

"""promptopt: turns a vague prompt into a structured one, on the user's own machine.

>>> from promptopt import Optimizer
>>> Optimizer().optimize("create function").text  # doctest: +SKIP
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from promptopt.optimizer import Optimizer, Rewrite
    from promptopt.settings import Settings

__version__ = "0.1.0"
__all__ = ["Optimizer", "Rewrite", "Settings", "__version__"]

_HOMES = {"Optimizer": "promptopt.optimizer", "Rewrite": "promptopt.optimizer", "Settings": "promptopt.settings"}


def __getattr__(name: str) -> Any:
    """The public names, imported when first asked for, so that `promptopt --version` imports nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)

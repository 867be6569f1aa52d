"""Commands whose libraries come with an extra."""

from collections.abc import Iterator
from contextlib import contextmanager

from promptopt.errors import InvalidInput


@contextmanager
def needing(extra: str) -> Iterator[None]:
    """Round imports: says which extra to install when one of its libraries is not there. Raises InvalidInput."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise InvalidInput(
            f"This command needs {error.name}, which is not installed.", f'Install it with: pip install "promptopt[{extra}]"'
        ) from error

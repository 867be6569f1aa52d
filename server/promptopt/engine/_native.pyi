# The module that native/module.cpp defines.

from collections.abc import Mapping

class Network:
    def __new__(
        cls,
        model: object,
        shape: tuple[int, int, int, int, int, int, int, int, int, bool, float, int],
        tensors: Mapping[str, tuple[str, int, int, int]],
        threads: int,
        kernels: str,
        drafts: bytes,
        /,
    ) -> Network: ...
    @property
    def kernels(self) -> str: ...
    def start(
        self,
        sources: list[list[int]],
        withheld: list[list[int]],
        ruled: list[int],
        limit: int,
        temperature: float,
        top_k: int,
        seed: int,
        end: int,
        written: int,
        /,
    ) -> Session: ...

class Session:
    def step(self, only: dict[int, list[int]], /) -> list[tuple[int, int, float]]: ...
    def withhold(self, row: int, piece: int, /) -> None: ...

def kernel_names() -> list[str]: ...
def multiply(
    model: object,
    tensors: Mapping[str, tuple[str, int, int, int]],
    name: str,
    rows: int,
    columns: int,
    vectors: object,
    kernels: str,
    /,
) -> bytes: ...

